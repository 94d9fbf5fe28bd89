"""Retrievers that expand the query with a model: paraphrases, or a hypothetical answer.

Both call the model once before each search. They help if the question and the documents use
different words.
"""

import re
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, Field

from langchain_swallow.prompts.messages import message_text
from langchain_swallow.prompts.presets import get_preset
from langchain_swallow.retrieval.fusion import reciprocal_rank
from langchain_swallow.retrieval.hybrid import HybridRetriever

_LIST_MARK = re.compile(r"^\s*(?:[-・*●]|[(（]?[0-9０-９]+[)）.．、:：])\s*")


class MultiQueryRetriever(BaseRetriever):
    """Searches with a question and a model's paraphrases of it; fuses by reciprocal rank.

    Args:
        retriever: Any retriever.
        llm: Any chat model.
        paraphrases: Number of paraphrases to ask for, at least 1; default 3.
        k: Number of documents to return, default 4; `None` returns all of them.

    A document that several searches return is returned once. If the model writes no usable
    paraphrase, only the question is searched. You can also pass `k` per call.
    """

    retriever: Runnable[str, list[Document]]
    llm: Runnable[Any, Any]
    paraphrases: int = Field(default=3, ge=1)
    k: int | None = Field(default=4, ge=1)

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
    ) -> list[Document]:
        config: Any = {"callbacks": run_manager.get_child()}
        text = message_text(self.llm.invoke(self._messages(query), config))
        rankings = self.retriever.batch(self._queries(query, text), config)
        return reciprocal_rank(rankings)[: k or self.k]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
    ) -> list[Document]:
        config: Any = {"callbacks": run_manager.get_child()}
        text = message_text(await self.llm.ainvoke(self._messages(query), config))
        rankings = await self.retriever.abatch(self._queries(query, text), config)
        return reciprocal_rank(rankings)[: k or self.k]

    def _messages(self, query: str) -> list[BaseMessage]:
        template = get_preset("質問の言い換え").template
        return template.format_messages(question=query, count=str(self.paraphrases))

    def _queries(self, query: str, text: str) -> list[str]:
        lines = [_LIST_MARK.sub("", line).strip() for line in text.splitlines()]
        # A line many times as long as the question is not a paraphrase of it.
        usable = [line for line in lines if line and len(line) <= 3 * len(query) + 20]
        return list(dict.fromkeys([query, *usable]))[: 1 + self.paraphrases]


class HyDERetriever(BaseRetriever):
    """Searches with the vector of a hypothetical answer that a model writes.

    Hypothetical document embeddings (Gao et al., 2023): an invented answer is nearer to the chunk
    with the real answer than the question is. The vectors of the answer and the question are
    averaged, so that a wrong answer does not decide alone. BM25 searches with the question.

    Args:
        retriever: The retriever that searches and ranks.
        llm: Any chat model.

    You can also pass the options of the retriever per call: `invoke(question, k=8)`.
    """

    retriever: HybridRetriever
    llm: Runnable[Any, Any]

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        config: Any = {"callbacks": run_manager.get_child()}
        text = message_text(self.llm.invoke(_answer_messages(query), config))
        options["hypothetical_document"] = text
        return self.retriever.invoke(query, config, **options)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        config: Any = {"callbacks": run_manager.get_child()}
        text = message_text(await self.llm.ainvoke(_answer_messages(query), config))
        options["hypothetical_document"] = text
        return await self.retriever.ainvoke(query, config, **options)


def _answer_messages(query: str) -> list[BaseMessage]:
    return get_preset("仮の資料").template.format_messages(question=query)
