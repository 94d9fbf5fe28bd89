"""Supported claims → those that a model confirms, in addition to the rules of `support`.

    check = SupportCheck(llm, min_support=0.7)
    chain = create_rag_chain(llm, retriever, support_check=check)

A claim is a cited sentence. The model reads it with the question and the passage, and gives a
number. Only what the rules call `"supported"` is read, so a model cannot make a citation look
better than the rules do.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.decisions import (
    BaseDecisionModel,
    ClassifierRequest,
    ClassifierResponse,
    Noul,
    Question,
)
from langchain_core.documents import Document
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from langchain_swallow.chat_models.answer_logprobs import AnswerScorer
from langchain_swallow.chat_models.decisions import SwallowDecision
from langchain_swallow.rag.sanitize import sanitize_passage
from langchain_swallow.text.passages import passage_text


@runtime_checkable
class PairScorer(Protocol):
    """Protocol of a cross-encoder that is not LangChain's, such as `SwallowReranker`."""

    def score_pairs(self, pairs: Sequence[tuple[str, str]], /) -> Any:
        """Score each pair of a question and a text, shape (n,); larger is better."""


_Scorer = BaseDecisionModel | BaseCrossEncoder | PairScorer
CheckModel = AnswerScorer | _Scorer
_INSTRUCTIONS = (
    "「{question}」という質問に「{text}」と回答しました。"
    "この回答は、内容に書かれていることと一致し、質問に正しく答えていますか。"
)


class Claim(NamedTuple):
    """A cited sentence with its question and the passage that it cites."""

    question: str
    text: str
    passage: Document


class SupportCheck:
    """A model's check of supported claims, for `create_rag_chain(…, support_check=…)`.

    Args:
        model: A `ChatSwallow`, another decision model of LangChain, a cross-encoder of LangChain
            (`BaseCrossEncoder`), or a `SwallowReranker`. A decision model is asked whether the
            claim is right, and its support is the probability of はい. A cross-encoder scores the
            question and the claim, joined by a space, with the passage.
        min_support: A claim with at least this support is confirmed. Choose it with
            `calibrate_support_check`, because it depends on the model and the documents.

    All claims of an answer are read in one batch, each of them once.

    Raises:
        ValueError: `model` is none of these, such as a chat model bound to parameters.
    """

    def __init__(self, model: CheckModel, *, min_support: float) -> None:
        self._model = _scorer(model)
        self.min_support = min_support

    def confirmation(self) -> Runnable[Sequence[Claim], list[bool]]:
        """A Runnable from claims to whether each is confirmed."""

        def confirmed(support: Sequence[float]) -> list[bool]:
            return [value >= self.min_support for value in support]

        def run(claims: Sequence[Claim], config: RunnableConfig) -> list[bool]:
            return confirmed(_measure_support(self._model, claims, config))

        async def arun(claims: Sequence[Claim], config: RunnableConfig) -> list[bool]:
            return confirmed(await _ameasure_support(self._model, claims, config))

        return RunnableLambda(run, arun, name="SwallowSupportCheck")


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and what it does to the examples it was chosen on.

    Args:
        min_support: For `SupportCheck`.
        right: The share of right claims that are confirmed.
        wrong: The share of wrong claims that are confirmed.
    """

    min_support: float
    right: float
    wrong: float


def calibrate_support_check(
    model: CheckModel, right: Sequence[Claim], wrong: Sequence[Claim], *, max_wrong: float
) -> Calibration:
    """Choose the lowest threshold at which at most this share of wrong claims is confirmed.

    Args:
        model: As for `SupportCheck`.
        right: Claims that answer their question from their passage.
        wrong: Claims that do not, such as the value of the next row. Take those that you want to be
            found, a hundred or more: the share holds for claims of the same kind.
        max_wrong: The share of wrong claims that may be confirmed, from 0 to 1.

    Compare the share of right claims that are confirmed with that of the wrong ones. If they are
    nearly the same, the model does not help.

    Raises:
        ValueError: `right` or `wrong` is empty, or `max_wrong` is not in [0, 1].
    """
    if not right or not wrong:
        raise ValueError(f"Pass right and wrong claims, not {len(right)} and {len(wrong)}.")
    if not 0 <= max_wrong <= 1:
        raise ValueError(f"max_wrong must be between 0 and 1, not {max_wrong!r}.")
    support = _measure_support(_scorer(model), [*right, *wrong], {})
    of_right, of_wrong = support[: len(right)], support[len(right) :]
    threshold = _lowest_threshold(support, of_wrong, max_wrong)
    return Calibration(threshold, _share(of_right, threshold), _share(of_wrong, threshold))


def _lowest_threshold(support: Sequence[float], wrong: Sequence[float], max_wrong: float) -> float:
    """The middle between the best wrong claim that is not confirmed and what is above it."""
    allowed = sum(i / len(wrong) <= max_wrong for i in range(1, len(wrong) + 1))
    if allowed == len(wrong):
        return min(support)
    rejected = sorted(wrong, reverse=True)[allowed]
    above = min((value for value in support if value > rejected), default=rejected)
    return max((rejected + above) / 2, math.nextafter(rejected, math.inf))


def _share(support: Sequence[float], threshold: float) -> float:
    return sum(value >= threshold for value in support) / len(support)


def _scorer(model: object) -> _Scorer:
    if isinstance(model, AnswerScorer):
        return SwallowDecision(llm=model, model=model.model)
    if isinstance(model, _Scorer):
        return model
    raise ValueError(
        f"A support check needs a ChatSwallow, a decision model or a cross-encoder, not "
        f"{type(model).__name__}."
    )


def _measure_support(
    model: _Scorer, claims: Sequence[Claim], config: RunnableConfig
) -> list[float]:
    if isinstance(model, BaseDecisionModel):
        return _in_order(model.batch(_requests(claims), config))
    return _score_pairs(model, claims)


async def _ameasure_support(
    model: _Scorer, claims: Sequence[Claim], config: RunnableConfig
) -> list[float]:
    if isinstance(model, BaseDecisionModel):
        return _in_order(await model.abatch(_requests(claims), config))
    return await asyncio.to_thread(_score_pairs, model, claims)


def _requests(claims: Sequence[Claim]) -> list[ClassifierRequest]:
    """One request for each passage, with the claims that cite it as questions."""
    by_passage: dict[str, dict[str, Question]] = {}
    for i, claim in enumerate(claims):
        asked = _INSTRUCTIONS.format(question=claim.question, text=claim.text)
        by_passage.setdefault(_shown(claim), {})[str(i)] = Noul(instructions=asked)
    return [{"state": shown, "questions": asked} for shown, asked in by_passage.items()]


def _in_order(responses: Sequence[ClassifierResponse]) -> list[float]:
    support = {int(name): answer.noul for r in responses for name, answer in r.nouls.items()}
    return [support[i] for i in sorted(support)]


def _score_pairs(model: BaseCrossEncoder | PairScorer, claims: Sequence[Claim]) -> list[float]:
    pairs = [(f"{claim.question} {claim.text}", _shown(claim)) for claim in claims]
    score = model.score if isinstance(model, BaseCrossEncoder) else model.score_pairs
    return [float(value) for value in score(pairs)]


def _shown(claim: Claim) -> str:
    """The passage as the prompt has it, without its number."""
    return sanitize_passage(passage_text(claim.passage.page_content, claim.passage.metadata))
