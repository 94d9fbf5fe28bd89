"""Reasoning: whether and how long a model thinks before its answer, and how thoughts are marked.

A thought and its answer are two requests. The first ends with the thought. The prompt of the second
contains the closed thought and the start of an answer. So stop strings, grammars, log probabilities
and `max_tokens` apply only to the answer on every engine, and a thought that reaches its limit is
closed like any other. The second prompt starts with the first one, whose KV cache is reused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_swallow.catalog import Thinking
from langchain_swallow.chat_models.generation import GenerationOptions
from langchain_swallow.engines.protocol import Finish, Request
from langchain_swallow.errors import ReasoningError
from langchain_swallow.prompts import drops_first_space, encode_inside, encode_markup
from langchain_swallow.prompts.tokenization import known_control_tokens
from langchain_swallow.prompts.tokenizer import Tokenizer

# Maximum tokens of a thought if no limit is set. Thoughts of 10,000 tokens are not rare.
_MAX_DEFAULT_TOKENS = 16_384
# Tokens that a prompt reserves for a thought without a limit: at most 1/4 of the context window.
_RESERVED_TOKENS, _RESERVED_SHARE = 2_048, 4
# Upper limit for the number of tokens of the markup around a thought.
_MARKUP_TOKENS = 32
_TAIL_TOKENS = 16


@dataclass(frozen=True, slots=True)
class ThoughtMarkup:
    """The markup of a format around a thought.

    Args:
        opening: Text before the thought.
        closing: Text with which the model ends the thought.
        turn: Text between the thought and what follows it.
        answer: Text before the answer, if the answer follows.
        answer_ends: Tokens that end an answer but may not be end tokens of the checkpoint.
    """

    opening: str
    closing: str
    turn: str
    answer: str
    answer_ends: tuple[str, ...] = ()


_MARKUP: dict[Thinking, ThoughtMarkup] = {
    "think_tag": ThoughtMarkup("<think>\n", "</think>", "\n\n", ""),
    "harmony": ThoughtMarkup(
        "<|channel|>analysis<|message|>",
        "<|end|>",
        "<|start|>assistant",
        "<|channel|>final<|message|>",
        ("<|end|>", "<|return|>", "<|call|>"),
    ),
}


@dataclass(frozen=True, slots=True)
class Thought:
    """The reasoning settings of one model for one call.

    Args:
        kind: The format of its thoughts; `None` if it does not think.
        tokenizer: The model's tokenizer.
        reasoning: Whether the model should think; `None` leaves it to the chat template.
        effort: How long the model should think, as an argument of the chat template.
        max_tokens: Maximum number of tokens of a thought; `None` is what the context window leaves,
            up to 16,384.
        channel: Text at the start of an answer, if the model itself writes the channel header after
            a thought: that of the answer or of a tool call. Empty otherwise.

    Raises:
        ReasoningError: The model cannot do what is asked for.
    """

    kind: Thinking | None
    tokenizer: Tokenizer
    reasoning: bool | None = None
    effort: str | None = None
    max_tokens: int | None = None
    channel: str = ""

    def __post_init__(self) -> None:
        if self.kind is None and self.reasoning:
            raise ReasoningError(
                "reasoning=True, but this model does not think before it answers. Leave reasoning "
                "out, or use a model that thinks, such as Qwen3-Swallow-8B-RL-v0.2."
            )
        if self.kind == "harmony" and self.reasoning is False:
            raise ReasoningError(
                "reasoning=False, but gpt-oss models always think. Use "
                'reasoning_effort="low" for short thoughts.'
            )
        if self.effort and not self._has_efforts:
            raise ReasoningError(
                f"reasoning_effort={self.effort!r}, but the chat template of this model does not "
                "support efforts. Use max_reasoning_tokens= to limit its thoughts."
            )

    @property
    def _has_efforts(self) -> bool:
        template = str(getattr(self.tokenizer, "chat_template", None) or "")
        return self.kind == "harmony" or (self.kind is not None and "reasoning_effort" in template)

    @property
    def template_arguments(self) -> dict[str, Any]:
        """Arguments for the chat template.

        A thought is at the start of a turn, so a conversation that ends with an answer gets a new
        turn.
        """
        arguments: dict[str, Any] = {"add_generation_prompt": True} if self.kind else {}
        if self.kind == "think_tag" and self.reasoning is not None:
            # The first is Qwen3's argument, the second DeepSeek's and Granite's.
            arguments |= {"enable_thinking": self.reasoning, "thinking": self.reasoning}
        return arguments | ({"reasoning_effort": self.effort} if self.effort else {})

    def begin(self, prompt_ids: list[int]) -> list[int]:
        """Return the prompt that the model continues: within a thought, or after an empty one.

        Raises:
            ReasoningError: The chat template closes the thought although reasoning is requested.
        """
        if self.kind is None or self.is_open(prompt_ids):
            closes = self.kind is not None and self.reasoning is False
            return prompt_ids + (self._encode(f"\n{self._closed}") if closes else [])
        is_closed = self._tail(prompt_ids).endswith(self._markup.closing)
        if self.kind == "think_tag" and is_closed:
            if self.reasoning:
                raise ReasoningError(
                    "reasoning=True, but the chat template of this model closes the thought before "
                    "it begins. Leave reasoning out."
                )
            return prompt_ids
        text = self._markup.opening
        return prompt_ids + self._encode(
            f"{text}\n{self._closed}" if self.reasoning is False else text
        )

    def is_open(self, prompt_ids: Sequence[int]) -> bool:
        """Whether a prompt ends within a thought."""
        return self.kind is not None and self._tail(prompt_ids).endswith(
            self._markup.opening.rstrip()
        )

    def reserve(self, context_window: int) -> int:
        """Return the tokens that a prompt reserves for the thought, in addition to the answer's."""
        if self.kind is None:
            return 0
        if self.reasoning is False:
            return _MARKUP_TOKENS
        default = min(_RESERVED_TOKENS, context_window // _RESERVED_SHARE)
        return (self.max_tokens or default) + _MARKUP_TOKENS

    def request(self, answer: Request, context_window: int) -> "Request | ThinkingRequest":
        """Return the request: for a thought and the answer, or for the answer alone."""
        if not self.is_open(answer.prompt_ids):
            return answer
        room = context_window - len(answer.prompt_ids) - answer.max_tokens - _MARKUP_TOKENS
        limit = self.max_tokens or max(1, min(_MAX_DEFAULT_TOKENS, room))
        controls = known_control_tokens(self.tokenizer)
        closing = controls.get(self._markup.closing)
        thought = replace(
            answer,
            max_tokens=limit,
            stop=() if closing else (self._markup.closing,),
            stop_tokens=(closing.id,) if closing else (),
            logprobs=None,
            grammar=None,
        )
        ends = (controls[text].id for text in self._markup.answer_ends if text in controls)
        return ThinkingRequest(self, thought, replace(answer, stop_tokens=tuple(ends)))

    def answer_request(self, request: "ThinkingRequest", text: str, finish: Finish) -> Request:
        """Return the request for the answer that follows a thought.

        Args:
            request: The request for thought and answer.
            text: The text of the thought.
            finish: The thought's last event.
        """
        ids = list(finish.token_ids)
        if finish.stop_token is not None and ids[-1:] == [finish.stop_token]:
            ids.pop()
        if not ids or finish.stop_sequence is not None:
            ids = encode_inside(text, self.tokenizer)
        # The model itself ends its thoughts with a line break, unless one is cut off or empty.
        ends_line = self.kind == "think_tag" and (finish.reason == "length" or not ids)
        closed = self._encode(f"\n{self._closed}" if ends_line else self._closed)
        prompt_ids = (*request.thought.prompt_ids, *ids, *closed)
        space = drops_first_space(prompt_ids, self.tokenizer)
        return replace(request.answer, prompt_ids=prompt_ids, drops_first_space=space)

    def is_closed_by(self, finish: Finish) -> bool:
        """Whether the model itself has closed the thought."""
        return finish.stop_token is not None or finish.stop_sequence == self._markup.closing

    @property
    def _markup(self) -> ThoughtMarkup:
        assert self.kind is not None
        return _MARKUP[self.kind]

    @property
    def _closed(self) -> str:
        markup = self._markup
        return markup.closing + markup.turn + ("" if self.channel else markup.answer)

    def _encode(self, text: str) -> list[int]:
        return encode_markup(text, self.tokenizer)

    def _tail(self, prompt_ids: Sequence[int]) -> str:
        # A prompt does not end with a user's text, because the template writes the next turn's
        # header.
        return str(self.tokenizer.decode(list(prompt_ids[-_TAIL_TOKENS:]))).rstrip()


@dataclass(frozen=True, slots=True)
class ThinkingRequest:
    """A request for a thought and the answer after it.

    Args:
        form: The reasoning settings.
        thought: The request that generates the thought.
        answer: The request for the answer, without its prompt.
    """

    form: Thought
    thought: Request
    answer: Request

    def without_thought(self) -> Request:
        """Return the request for an answer after an empty thought."""
        return self.form.answer_request(self, "", Finish("stop", 0, 0))


def build_thought(
    kind: Thinking | None,
    tokenizer: Tokenizer,
    parameters: GenerationOptions,
    *,
    channel: str = "",
) -> Thought:
    """Return the reasoning settings for the parameters of a call.

    Raises:
        ReasoningError: The model does not support the parameters.
    """
    return Thought(
        kind,
        tokenizer,
        parameters.reasoning,
        parameters.reasoning_effort,
        parameters.max_reasoning_tokens,
        channel,
    )
