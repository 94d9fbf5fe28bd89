"""会話で文書に聞く。「それは誰が」のような続きの質問は、検索する前に書き換えられる。

A conversation about documents: each session has its memory, and a question that leans on the one
before it is rewritten before the search.

    python examples/09_conversation.py
"""

from collections import defaultdict
from pathlib import Path

from langchain_core.chat_history import InMemoryChatMessageHistory

from langchain_swallow import (
    ChatSwallow,
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
    load_documents,
)
from langchain_swallow.rag import create_conversational_rag_chain

llm = ChatSwallow(model="demo", max_tokens=64)
documents = load_documents(Path(__file__).parent / "documents")
chunks = JapaneseTextSplitter(300, llm).split_documents(documents)
store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings("demo"))

# LangChain のどの履歴でもよい（SQL、Redis など）。 / any of LangChain's chat histories
histories: defaultdict[str, InMemoryChatMessageHistory] = defaultdict(InMemoryChatMessageHistory)
chat = create_conversational_rag_chain(
    llm, HybridRetriever(store=store, k=3), histories.__getitem__
)

for person, question in (
    ("三浦", "取引先との飲食は1人いくらまでですか。"),
    ("林", "試用期間はどのくらいですか。"),
    ("三浦", "それを超えるときは誰が承認しますか。"),
):
    answer = chat.invoke(question, {"configurable": {"session_id": person}})
    print(f"{person}: {question}")
    if answer.question != question:
        print(f"  検索した質問: {answer.question}")
    print(f"  {answer.text}")
    for citation in answer.citations:
        print(f"  [{citation.number}] {citation.place}")

print({person: len(history.messages) for person, history in histories.items()})
