"""`SwallowDecision`: LangChain's decision model over a `ChatSwallow`.

    decide = SwallowDecision(llm=ChatSwallow(model="demo"))
    asked = {"urgent": Noul(instructions="至急の対応が必要ですか。")}
    decide.invoke({"state": "本番環境が停止しました。", "questions": asked}).nouls["urgent"].noul

A question becomes a prompt with numbered options. The answer is not generated: the model's log
probabilities of the numbers give the probability of each option. All questions of a request begin
with the state, which the engine computes once.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.decisions import (
    BaseDecisionModel,
    Choice,
    ClassifierResponse,
    Noul,
    Question,
    Score,
    State,
)
from langchain_core.messages import BaseMessage, UsageMetadata
from langchain_core.messages.ai import InputTokenDetails
from pydantic import SkipValidation, TypeAdapter, model_validator

from langchain_swallow.chat_models.answer_logprobs import AnswerScorer, ScoredAnswer
from langchain_swallow.prompts.messages import to_turns
from langchain_swallow.prompts.presets import get_preset

_YES, _NO = "はい", "いいえ"
_ROLES = {"system": "システム", "user": "ユーザー", "assistant": "アシスタント"}
# All numbers have one digit, or all have two, so that no number is a prefix of another.
_MAX_OPTIONS = 89
_QUESTIONS: TypeAdapter[dict[str, Question]] = TypeAdapter(dict[str, Question])


class SwallowDecision(BaseDecisionModel):
    """Answers yes/no, choice and score questions with probabilities of a `ChatSwallow`.

    It takes the local engine, vLLM (in this process or a server) and llama.cpp's server. SGLang and
    others do not report the model's own log probabilities of a given answer, so they are refused.
    Probabilities are those of the options, normalized to sum to 1.
    They are as good as the model, so choose a threshold by measuring. `confidence` is the
    probability of the most probable option. The prompt is the preset 判定.

    Args:
        llm: The chat model. Its `system_prompt` applies; its sampling parameters do not.

    Raises:
        ValueError: When invoked: there is no question, a question has more than 89 options, or it
            asks for a `Box` in an image.
        PromptError: When invoked: the state contains an image or a file.
        EngineError: When invoked: the engine does not report the model's log probabilities.
    """

    llm: SkipValidation[AnswerScorer]

    @model_validator(mode="before")
    @classmethod
    def _name_the_model(cls, values: Any) -> Any:
        llm = values.get("llm") if isinstance(values, dict) else None
        if not isinstance(llm, AnswerScorer):
            raise ValueError(f"llm must be a ChatSwallow, not {type(llm).__name__}.")
        return {"model": llm.model, **values}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return False

    @property
    def _provider(self) -> str:
        return "swallow"

    def _classify(self, state: State, questions: dict[str, Question]) -> ClassifierResponse:
        prepared = _prepare(state, questions)
        prompts = [(question.messages, question.numbers) for question in prepared.values()]
        return self._respond(prepared, self.llm.score_answers(prompts))

    async def _aclassify(self, state: State, questions: dict[str, Question]) -> ClassifierResponse:
        prepared = _prepare(state, questions)
        prompts = [(question.messages, question.numbers) for question in prepared.values()]
        return self._respond(prepared, await self.llm.ascore_answers(prompts))

    def _respond(
        self, prepared: "dict[str, _PreparedQuestion]", scored: list[list[ScoredAnswer]]
    ) -> ClassifierResponse:
        answers = {
            name: _answer(one.question, _probabilities(scores))
            for (name, one), scores in zip(prepared.items(), scored, strict=True)
        }
        return ClassifierResponse.model_validate(
            {"model": self.model, "answers": answers, "usage": _usage(scored)}
        )


@dataclass(frozen=True, slots=True)
class _PreparedQuestion:
    """A question as a prompt, and the numbers that answer it."""

    question: Question
    messages: list[BaseMessage]
    numbers: list[str]


def _prepare(state: State, questions: Mapping[str, Any]) -> dict[str, _PreparedQuestion]:
    if not questions:
        raise ValueError('No question. Pass {"state": …, "questions": {"name": Noul(…)}}.')
    text = _state_text(state)
    checked = _QUESTIONS.validate_python(dict(questions))
    return {name: _ask(name, text, question) for name, question in checked.items()}


def _ask(name: str, state: str, question: Question) -> _PreparedQuestion:
    options = _options(name, question)
    if len(options) > _MAX_OPTIONS:
        raise ValueError(
            f"The question {name!r} has {len(options)} options, and can have {_MAX_OPTIONS}. "
            "Ask for a group of options first."
        )
    first = 1 if len(options) < 10 else 11
    numbers = [str(first + i) for i in range(len(options))]
    lines = [f"{number}. {option}" for number, option in zip(numbers, options, strict=True)]
    messages = get_preset("判定").template.format_messages(
        state=state, question=_content(question.instructions), options="\n".join(lines)
    )
    return _PreparedQuestion(question, messages, numbers)


def _options(name: str, question: Question) -> list[str]:
    if isinstance(question, Noul):
        criteria = question.criteria
        described = (criteria.true, criteria.false) if criteria else (None, None)
        return [_option(*pair) for pair in zip((_YES, _NO), described, strict=True)]
    if isinstance(question, Choice):
        return [_option(*pair) for pair in question.criteria.items()]
    if isinstance(question, Score):
        return [_content(level) for level in question.criteria]
    raise ValueError(
        f"The question {name!r} asks for a box in an image, and Swallow models read text only. "
        "Use Noul, Choice or Score."
    )


def _option(label: str, description: Any) -> str:
    return label if description is None else f"{label}: {_content(description)}"


def _content(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _state_text(state: Any) -> str:
    """The state as text: messages as a dialogue, other structures as JSON."""
    if isinstance(state, str):
        return state
    if isinstance(state, BaseMessage):
        state = [state]
    if isinstance(state, Sequence) and state and all(isinstance(m, BaseMessage) for m in state):
        turns = to_turns(state, None)
        return "\n".join(f"{_ROLES.get(role, role)}: {text}" for role, text in turns)
    return json.dumps(state, ensure_ascii=False, default=_json_value)


def _json_value(value: Any) -> Any:
    if isinstance(value, BaseMessage):
        return _state_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(
        f"The state contains a value of type {type(value).__name__}. Use text, numbers, messages, "
        "and lists and dicts of them."
    )


def _probabilities(scored: Sequence[ScoredAnswer]) -> list[float]:
    largest = max(answer.logprob for answer in scored)
    weights = [math.exp(answer.logprob - largest) for answer in scored]
    return [weight / math.fsum(weights) for weight in weights]


def _answer(question: Question, probabilities: list[float]) -> dict[str, Any]:
    if isinstance(question, Noul):
        return {"type": "noul", "noul": probabilities[0]}
    confidence = max(probabilities)
    if isinstance(question, Choice):
        by_label = dict(zip(question.criteria, probabilities, strict=True))
        return {
            "type": "choice",
            "choice": max(by_label, key=by_label.__getitem__),
            "probabilities": by_label,
            "confidence": confidence,
        }
    assert isinstance(question, Score)
    return {
        "type": "score",
        "score": math.fsum(level * p for level, p in enumerate(probabilities)),
        "legend": dict(enumerate(question.criteria)),
        "probabilities": dict(enumerate(probabilities)),
        "confidence": confidence,
    }


def _usage(scored: list[list[ScoredAnswer]]) -> UsageMetadata:
    """Tokens of all prompts; after the first option, a prompt is found in the prefix cache."""
    finishes = [answer.finish for answers in scored for answer in answers]
    prompt = sum(finish.prompt_tokens for finish in finishes)
    completion = sum(finish.completion_tokens for finish in finishes)
    return UsageMetadata(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=prompt + completion,
        input_token_details=InputTokenDetails(
            cache_read=sum(finish.cached_tokens for finish in finishes)
        ),
    )
