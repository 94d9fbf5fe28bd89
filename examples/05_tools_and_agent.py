"""Tools and structured output: an agent that looks things up in Japanese documents.

    python examples/05_tools_and_agent.py

With `model="demo"` it runs anywhere; put a Swallow checkpoint there for answers worth reading.
"""

from pathlib import Path
from typing import Literal

from langchain.agents import create_agent
from langchain_core.tools import tool
from pydantic import BaseModel, Field

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


# Structured output: the answer is an object of this class, whatever the model.


class Inquiry(BaseModel):
    """お客様からの問い合わせ"""

    category: Literal["製品", "配送", "請求"] = Field(description="問い合わせの種類")
    product: str = Field(description="製品の型番", max_length=20)


text = "加湿器TK-300の表示部にE2と出ます。どうすればよいですか。"
print(llm.with_structured_output(Inquiry).invoke(f"次の問い合わせを分類してください。\n{text}"))


# A tool over an index, and an agent that may call it.

documents = Path(__file__).parent / "documents"
chunks = JapaneseTextSplitter(counter=llm).split_documents(load_documents(documents))
store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings("demo"))
rag = create_rag_chain(llm, HybridRetriever(store=store))


@tool
def search_documents(query: str) -> str:
    """社内の文書を検索する。"""
    return rag.invoke(query).text


agent = create_agent(llm, tools=[search_documents])
question = "試用期間の長さを社内の文書で調べてください。"
state = agent.invoke({"messages": [("user", question)]}, {"recursion_limit": 8})
for message in state["messages"]:
    called = (
        "".join(f" {call['name']}({call['args']})" for call in message.tool_calls)
        if (message.type == "ai")
        else ""
    )
    print(f"{message.type}:{called} {message.text[:120]}")
