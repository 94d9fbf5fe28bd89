"""How a model thinks before it answers: whether, for how long, and what is around a thought.

A thought and its answer are two requests. The first ends with the thought; the prompt of the second
has the thought, closed, and what begins an answer. So stop strings, grammars, log probabilities and
`max_tokens` are the answer's alone on every engine, and a thought that reached its limit is closed
like any other. The second prompt begins with the first, whose KV cache is there.
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

# The longest thought where no limit is set. One of 10,000 tokens is not rare.
_MAX_DEFAULT_TOKENS = 16_384
# What a prompt leaves for a thought without a limit, and the share of the context window at most.
_RESERVED_TOKENS, _RESERVED_SHARE = 2_048, 4
# What is written around a thought has fewer tokens.
_MARKUP_TOKENS = 32
_TAIL_TOKENS = 16


@dataclass(frozen=True, slots=True)
class ThoughtMarkup:
    """What a format writes around a thought.

    Args:
        opening: Before it.
        closing: What the model ends it with.
        turn: Between it and what is next.
        answer: Before the answer, if that is next.
        answer_ends: What ends an answer and may not be an end token of the checkpoint.
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
    """How one model thinks for one call.

    Args:
        kind: The form of its thoughts; `None` if it does not think.
        tokenizer: The model's.
        reasoning: Whether it is to think; `None` leaves it to the chat template.
        effort: How long it is to think: an argument of the chat template.
        max_tokens: Most tokens of a thought; `None` is what the context window leaves, up to
            16,384.
        channel: What the text of an answer begins with, if the model writes the channel of what
            follows a thought itself: of the answer, or a call of a tool.

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
                f"reasoning_effort={self.effort!r}, but the chat template of this model knows no "
                "efforts. Use max_reasoning_tokens= to limit its thoughts."
            )

    @property
    def _has_efforts(self) -> bool:
        template = str(getattr(self.tokenizer, "chat_template", None) or "")
        return self.kind == "harmony" or (self.kind is not None and "reasoning_effort" in template)

    @property
    def template_arguments(self) -> dict[str, Any]:
        """What the chat template is told.

        A thought begins a turn: a conversation that ends with an answer is given another one.
        """
        arguments: dict[str, Any] = {"add_generation_prompt": True} if self.kind else {}
        if self.kind == "think_tag" and self.reasoning is not None:
            # The first is Qwen3's name, the second DeepSeek's and Granite's.
            arguments |= {"enable_thinking": self.reasoning, "thinking": self.reasoning}
        return arguments | ({"reasoning_effort": self.effort} if self.effort else {})

    def begin(self, prompt_ids: list[int]) -> list[int]:
        """The prompt up to where the model goes on: within a thought, or behind an empty one.

        Raises:
            ReasoningError: The chat template closes the thought, although it is asked for.
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
        """Tokens that a prompt leaves for the thought, beside those of the answer."""
        if self.kind is None:
            return 0
        if self.reasoning is False:
            return _MARKUP_TOKENS
        default = min(_RESERVED_TOKENS, context_window // _RESERVED_SHARE)
        return (self.max_tokens or default) + _MARKUP_TOKENS

    def request(self, answer: Request, context_window: int) -> "Request | ThinkingRequest":
        """What to ask for: a thought and the answer, or the answer alone."""
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
        """The request for the answer that follows a thought.

        Args:
            request: What was asked for.
            text: The thought.
            finish: Its end.
        """
        ids = list(finish.token_ids)
        if finish.stop_token is not None and ids[-1:] == [finish.stop_token]:
            ids.pop()
        if not ids or finish.stop_sequence is not None:
            ids = encode_inside(text, self.tokenizer)
        # The model ends its thoughts with a line break of its own, unless one is cut or empty.
        ends_line = self.kind == "think_tag" and (finish.reason == "length" or not ids)
        closed = self._encode(f"\n{self._closed}" if ends_line else self._closed)
        prompt_ids = (*request.thought.prompt_ids, *ids, *closed)
        space = drops_first_space(prompt_ids, self.tokenizer)
        return replace(request.answer, prompt_ids=prompt_ids, drops_first_space=space)

    def is_closed_by(self, finish: Finish) -> bool:
        """Whether the end of a thought is the model's own closing of it."""
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
        # Users' texts are not at the end of a prompt: the template writes whose turn it is.
        return str(self.tokenizer.decode(list(prompt_ids[-_TAIL_TOKENS:]))).rstrip()


@dataclass(frozen=True, slots=True)
class ThinkingRequest:
    """A thought to ask for, and the answer after it.

    Args:
        form: How the model thinks.
        thought: The request whose answer is the thought.
        answer: The request for the answer, all but its prompt.
    """

    form: Thought
    thought: Request
    answer: Request

    def without_thought(self) -> Request:
        """The request for an answer behind an empty thought."""
        return self.form.answer_request(self, "", Finish("stop", 0, 0))


def build_thought(
    kind: Thinking | None,
    tokenizer: Tokenizer,
    parameters: GenerationOptions,
    *,
    channel: str = "",
) -> Thought:
    """How a model thinks with the parameters of a call.

    Raises:
        ReasoningError: The model cannot do what they ask for.
    """
    return Thought(
        kind,
        tokenizer,
        parameters.reasoning,
        parameters.reasoning_effort,
        parameters.max_reasoning_tokens,
        channel,
    )
