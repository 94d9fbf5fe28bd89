"""自分のモデル、自分の検索、自分の保管先を使う。

Any chat model of LangChain, any retriever and any vector store fit into the chain; and a model that
is loaded already needs not be loaded again.

    python examples/11_own_parts.py
"""

import re
from pathlib import Path

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from transformers import AutoModelForCausalLM, AutoTokenizer

from langchain_swallow import (
    ChatSwallow,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    create_rag_chain,
    load_documents,
)
from langchain_swallow.engines.demo import demo_model_folder

# 自分で読み込んだモデル（微調整したもの、自分の設定のもの）。 / A model you have loaded yourself.
folder = demo_model_folder()
model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
llm = ChatSwallow.from_model(model, AutoTokenizer.from_pretrained(folder), max_tokens=48)

documents = load_documents(Path(__file__).parent / "documents")
chunks = JapaneseTextSplitter(300, llm).split_documents(documents)
question = "試用期間はどのくらいですか。"

# LangChain のどのベクトルストアでも。 / Any of LangChain's vector stores.
store = InMemoryVectorStore.from_documents(chunks, SwallowEmbeddings("demo"))
print("store:", create_rag_chain(llm, store.as_retriever()).invoke(question).text)


class ArticleRetriever(BaseRetriever):
    """Clauses of rules by their number: 「第8条」."""

    documents: list[Document]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        numbers = re.findall(r"第\d+条", query)
        return [d for d in self.documents if any(n in d.page_content for n in numbers)][:4]


# 自分の検索。何も見つからなければ、モデルに聞かずに断る。 / A retriever of your own.
rules = create_rag_chain(llm, ArticleRetriever(documents=chunks))
print("retriever:", rules.invoke("第6条では、取引先との飲食は1人いくらまでですか。").text)
print("nothing found:", rules.invoke("第999条では、取引先との飲食は1人いくらまでですか。").text)

# チェーンはどのチャットモデルでも動く。 / Any Runnable that answers messages may be the model.
fixed = RunnableLambda(lambda prompt: "3か月 [1]")
answer = create_rag_chain(fixed, store.as_retriever()).invoke(question)
print("model:", answer.text, [c.status for c in answer.citations])
