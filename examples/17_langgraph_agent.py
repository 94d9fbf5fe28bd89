"""文書を調べるエージェント。会話は checkpointer に残り、ツールの実行前に人が確認する。

A LangGraph agent over documents: a checkpointer keeps each conversation, and an interrupt waits for
a person before each tool call.

    python examples/17_langgraph_agent.py
"""

from pathlib import Path

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_swallow import (
    ChatSwallow,
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
    create_rag_chain,
    load_documents,
)

llm = ChatSwallow(model="demo", max_tokens=64)
documents = load_documents(Path(__file__).parent / "documents")
chunks = JapaneseTextSplitter(300, llm).split_documents(documents)
store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings("demo"))
rag = create_rag_chain(llm, HybridRetriever(store=store), output="message")


@tool(response_format="content_and_artifact")
def search_documents(query: str) -> tuple[str, AIMessage]:
    """社内の文書を検索する。"""
    message = rag.invoke(query)
    # The model reads the text; the artifact keeps the checked citations in the history.
    return message.text, message


agent = create_agent(
    llm,
    tools=[search_documents],
    middleware=[HumanInTheLoopMiddleware(interrupt_on={"search_documents": True})],
    # In production a database, such as PostgresSaver of langgraph-checkpoint-postgres.
    checkpointer=InMemorySaver(),
)
conversation = {"configurable": {"thread_id": "三浦"}, "recursion_limit": 12}
state = agent.invoke(
    {"messages": [("user", "試用期間の長さを社内の文書で調べてください。")]}, conversation
)
# The graph has stopped. Another process with the same checkpointer could go on from here.
for _ in range(3):
    if "__interrupt__" not in state:
        break
    for request in state["__interrupt__"][0].value["action_requests"]:
        print("確認:", request["name"], request["args"])
    decisions = [{"type": "approve"} for _ in state["__interrupt__"][0].value["action_requests"]]
    state = agent.invoke(Command(resume={"decisions": decisions}), conversation)

for message in state["messages"]:
    print(f"{message.type}: {message.text[:80]}")
    for citation in (getattr(message, "artifact", None) and message.artifact.content_blocks) or []:
        for note in citation.get("annotations", []):
            print(f"  出典: {note['title']}")
saved = agent.get_state(conversation).values["messages"]
print(f"保存された発言: {len(saved)}")
