"""Passages → those that the model itself would answer from, before anything is generated.

Each passage is put into the prompt alone. The probability that the answer begins with the refusal
(資料からは分かりません。) is read from the model's log probabilities; 1 minus it is the relevance.
A small model refuses a wrong passage more reliably alone than among others.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.runnables.base import RunnableBindingBase

from langchain_swallow.chat_models.answer_logprobs import AnswerScorer
from langchain_swallow.prompts.presets import REFUSAL

# Metadata of a passage that was asked about.
RELEVANCE = "relevance"


def check_relevance(llm: Any, min_relevance: float) -> None:
    """Refuse a model or a threshold that passages cannot be chosen with.

    Raises:
        ValueError: The model reports no log probabilities, or the threshold is not in [0, 1].
    """
    if not isinstance(_unbound(llm)[0], AnswerScorer):
        raise ValueError(
            f"min_relevance needs the log probabilities of a ChatSwallow, not {type(llm).__name__}."
        )
    if not 0 <= min_relevance <= 1:
        raise ValueError(f"min_relevance must be between 0 and 1, not {min_relevance!r}.")


def relevance_filter(
    llm: Any, prompt: Callable[[Document], list[BaseMessage]], min_relevance: float
) -> Runnable[Sequence[Document], list[Document]]:
    """A Runnable that keeps the passages with at least this relevance, in their order.

    Args:
        llm: A `ChatSwallow`, bound to parameters or not.
        prompt: From one passage to the prompt that asks the question of it.
        min_relevance: From 0 to 1.

    The documents that are kept have their `relevance` in the metadata.
    """
    scorer, parameters = _unbound(llm)

    def keep(documents: Sequence[Document], relevance: list[float]) -> list[Document]:
        return [
            document.model_copy(update={"metadata": {**document.metadata, RELEVANCE: value}})
            for document, value in zip(documents, relevance, strict=True)
            if value >= min_relevance
        ]

    def run(documents: Sequence[Document]) -> list[Document]:
        scored = scorer.score_answers([(prompt(d), [REFUSAL]) for d in documents], **parameters)
        return keep(documents, [-math.expm1(answer.logprob) for [answer] in scored])

    async def arun(documents: Sequence[Document]) -> list[Document]:
        # Counting tokens may load the model first: not in the event loop.
        prompts = await asyncio.to_thread(lambda: [prompt(document) for document in documents])
        scored = await scorer.ascore_answers([(p, [REFUSAL]) for p in prompts], **parameters)
        return keep(documents, [-math.expm1(answer.logprob) for [answer] in scored])

    return RunnableLambda(run, arun, name="SwallowRelevance")


def _unbound(llm: Any) -> tuple[Any, dict[str, Any]]:
    """The model and the parameters it is bound to."""
    parameters: dict[str, Any] = {}
    while isinstance(llm, RunnableBindingBase):
        parameters = {**llm.kwargs, **parameters}
        llm = llm.bound
    return llm, parameters
