"""Chains over texts longer than the window: 要約, 抽出, 翻訳, part by part.

Parts end at sentences and fit the window beside the prompt and the answer, counted by the model's
own tokenizer. They are asked for in one batch.
"""

import json
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from langchain_swallow.chat_models.json_schemas import to_json_schema
from langchain_swallow.errors import PromptOverflowError
from langchain_swallow.prompts.presets import Preset, get_preset
from langchain_swallow.rag.budget import Budget, prompt_budget
from langchain_swallow.text.chunks import chunk_spans

LongText = str | Document | Sequence[str | Document]
# Called after each part with how many are done and how many there are.
Progress = Callable[[int, int], None]

# A translation may take more tokens than its original.
_TRANSLATED_SHARE = 0.6
_ROUNDS = 8
# A shorter part is not worth a request.
_MIN_PART_TOKENS = 16
# What is said around a schema.
_SCHEMA_WORDS = 64


def create_summary_chain(
    llm: Runnable[Any, Any],
    *,
    preset: str | Preset = "要約",
    on_progress: Progress | None = None,
) -> Runnable[LongText, str]:
    """A Runnable from a text of any length, or Documents, to its summary.

    A text that fits the window is summarised at once. Parts of a longer one are summarised, then
    their summaries together, and so on (map and reduce).

    Args:
        llm: Any chat model.
        preset: A preset, or its name, with the variable `text`.
        on_progress: Called with the parts that are done and all of a round.

    Raises:
        ValueError: The preset has other variables; when invoked, the text is empty.
        PromptOverflowError: When invoked, there is no room for a text beside the answer, or
            summaries do not get shorter than what they summarise.
    """
    prompt = _Prompt(llm, _preset(preset))

    def start(text: LongText) -> list[str]:
        return prompt.parts(_joined(text))

    def reduce(summaries: list[str], before: list[str], round: int) -> list[str]:
        joined = "\n".join(summary.strip() for summary in summaries)
        parts = prompt.parts(joined)
        if len(parts) >= len(before) > 1 or round == _ROUNDS:
            raise PromptOverflowError(
                f"The summaries of {len(before)} parts do not fit into fewer than {len(parts)} "
                "parts. Lower max_tokens, so that summaries are shorter."
            )
        return parts

    def run(text: LongText, config: RunnableConfig) -> str:
        parts = start(text)
        for round in range(_ROUNDS + 1):
            summaries = prompt.ask(parts, config, on_progress)
            if len(parts) == 1:
                return summaries[0]
            parts = reduce(summaries, parts, round)
        raise AssertionError("unreachable")

    async def arun(text: LongText, config: RunnableConfig) -> str:
        parts = start(text)
        for round in range(_ROUNDS + 1):
            summaries = await prompt.aask(parts, config, on_progress)
            if len(parts) == 1:
                return summaries[0]
            parts = reduce(summaries, parts, round)
        raise AssertionError("unreachable")

    return RunnableLambda(run, arun, name="SwallowSummary")


def create_translation_chain(
    llm: Runnable[Any, Any],
    *,
    preset: str | Preset = "翻訳（日英）",
    on_progress: Progress | None = None,
) -> Runnable[LongText, str]:
    """A Runnable from a text of any length to its translation, part by part.

    Args:
        llm: Any chat model; its `max_tokens` bounds how long a part may be.
        preset: A preset, or its name, with the variable `text`.
        on_progress: Called with the parts that are done and all.

    Blank lines between paragraphs stay; a part is never more than a paragraph.

    Raises:
        ValueError: The preset has other variables; when invoked, the text is empty.
        PromptOverflowError: When invoked, there is no room for a text beside the answer.
    """
    prompt = _Prompt(llm, _preset(preset), answered_in_full=True)

    def paragraphs(text: LongText) -> list[list[str]]:
        joined = _joined(text)
        return [prompt.parts(one) for one in joined.split("\n\n") if one.strip()]

    def assembled(parts: list[list[str]], translated: list[str]) -> str:
        rest = iter(translated)
        return "\n\n".join(" ".join(next(rest).strip() for _ in own) for own in parts)

    def run(text: LongText, config: RunnableConfig) -> str:
        parts = paragraphs(text)
        every = list(chain.from_iterable(parts))
        return assembled(parts, prompt.ask(every, config, on_progress))

    async def arun(text: LongText, config: RunnableConfig) -> str:
        parts = paragraphs(text)
        return assembled(
            parts, await prompt.aask(list(chain.from_iterable(parts)), config, on_progress)
        )

    return RunnableLambda(run, arun, name="SwallowTranslation")


def create_extraction_chain(
    llm: BaseChatModel,
    schema: Any,
    *,
    instruction: str = (
        "次の文章から、求められた項目の値を、書かれているとおりに抜き出してください。"
    ),
    on_progress: Progress | None = None,
) -> Runnable[LongText, list[Any]]:
    """A Runnable from a text of any length to what a schema asks for, found in each of its parts.

    Args:
        llm: A chat model with structured output. What ChatSwallow completes within `max_tokens`
            matches the schema.
        schema: A pydantic class, TypedDict or JSON schema.
        instruction: What to do, before the text.
        on_progress: Called with the parts that are done and all.

    Returns:
        One object for each part, in order; equal ones once.

    Raises:
        GrammarError: The schema cannot be enforced.
        ValueError: When invoked, the text is empty.
        PromptOverflowError: When invoked, there is no room for a text beside the answer.
    """
    example = {"text": "4月1日に3,000円を払った。"}
    preset = Preset("抽出（構造化）", "", instruction, "{text}", example)
    described = json.dumps(to_json_schema(schema), ensure_ascii=False)
    prompt = _Prompt(llm, preset, asked=llm.with_structured_output(schema), described=described)

    def run(text: LongText, config: RunnableConfig) -> list[Any]:
        return _distinct(prompt.ask(prompt.parts(_joined(text)), config, on_progress))

    async def arun(text: LongText, config: RunnableConfig) -> list[Any]:
        return _distinct(await prompt.aask(prompt.parts(_joined(text)), config, on_progress))

    return RunnableLambda(run, arun, name="SwallowExtraction")


class _Prompt:
    """A preset asked of a model for parts of a text.

    Args:
        llm: Whose window and tokenizer count.
        preset: With the variable `text`.
        asked: What is asked; by default the model.
        answered_in_full: Whether an answer is about as long as its part.
        described: What `asked` says of a schema in the prompt, besides the preset.
    """

    def __init__(
        self,
        llm: Runnable[Any, Any],
        preset: Preset,
        *,
        asked: Runnable[Any, Any] | None = None,
        answered_in_full: bool = False,
        described: str = "",
    ) -> None:
        self._described = described
        self._llm, self._template = llm, preset.template
        self._asked = llm if asked is None else asked
        self._answered_in_full = answered_in_full

    def parts(self, text: str) -> list[str]:
        """The text in parts that fit, each as long as it may be, ending at a sentence.

        A sentence that does not fit is cut, as it is into chunks.
        """
        budget = self._budget()
        empty = budget.count(self._messages(""))
        longest = budget.prompt - empty
        if longest < _MIN_PART_TOKENS:
            raise PromptOverflowError(
                f"max_tokens={budget.answer} leaves {max(longest, 0)} tokens of the context window "
                "for the text. Lower max_tokens."
            )
        if self._answered_in_full:
            longest = min(longest, int(budget.answer * _TRANSLATED_SHARE))
            if longest < _MIN_PART_TOKENS:
                raise PromptOverflowError(
                    f"max_tokens={budget.answer} cuts off the translation of even a short part. "
                    "Raise max_tokens."
                )

        def count(part: str) -> int:
            return budget.count(self._messages(part)) - empty

        return [text[start:end] for start, end in chunk_spans(text, longest, count, overlap=0)]

    def ask(self, parts: Sequence[str], config: RunnableConfig, done: Progress | None) -> list[Any]:
        """Answers to all parts, in order."""
        answers: dict[int, Any] = {}
        asked = [self._messages(part) for part in parts]
        for i, answer in self._asked.batch_as_completed(asked, config):
            answers[i] = _content(answer)
            if done is not None:
                done(len(answers), len(parts))
        return [answers[i] for i in range(len(parts))]

    async def aask(
        self, parts: Sequence[str], config: RunnableConfig, done: Progress | None
    ) -> list[Any]:
        """As `ask`."""
        answers: dict[int, Any] = {}
        asked = [self._messages(part) for part in parts]
        async for i, answer in self._asked.abatch_as_completed(asked, config):
            answers[i] = _content(answer)
            if done is not None:
                done(len(answers), len(parts))
        return [answers[i] for i in range(len(parts))]

    def _budget(self) -> Budget:
        budget = prompt_budget(self._llm)
        if not self._described:
            return budget
        described = budget.count([HumanMessage(self._described)]) + _SCHEMA_WORDS
        return budget._replace(prompt=budget.prompt - described)

    def _messages(self, text: str) -> list[BaseMessage]:
        return self._template.format_messages(text=text)


def _preset(preset: str | Preset) -> Preset:
    chosen = get_preset(preset) if isinstance(preset, str) else preset
    if chosen.variables != ("text",):
        raise ValueError(
            f"Preset {chosen.name!r} has the variables {', '.join(chosen.variables)}. Use a preset "
            "with the variable text alone."
        )
    return chosen


def _joined(text: LongText) -> str:
    """One text of a text, a Document or several, with a blank line between two."""
    pieces = [text] if isinstance(text, str | Document) else text
    joined = "\n\n".join(p if isinstance(p, str) else p.page_content for p in pieces)
    if not joined.strip():
        raise ValueError("The text is empty. Pass a string, a Document or a list of them.")
    return joined


def _content(answer: Any) -> Any:
    return str(answer.text) if isinstance(answer, BaseMessage) else answer


def _distinct(found: Sequence[Any]) -> list[Any]:
    kept: list[Any] = []
    for one in found:
        if one is not None and one not in kept:
            kept.append(one)
    return kept
