"""What every engine takes and gives: `Request` in, `Chunk`s and one `Finish` out.

An engine is given a `Sink`, a function it calls with each event from its own thread.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from langchain_swallow.errors import PromptOverflowError
from langchain_swallow.prompts.tokenizer import Tokenizer

FinishReason = Literal["stop", "length"]

# Below this a draw is the arg max, and logits divided by it may be infinite (vLLM's limit too).
_GREEDY_BELOW = 1e-5

# What a closed engine says.
UNLOADED = "The model was unloaded. Call the chat model again to load it."


@dataclass(frozen=True, slots=True)
class Grammar:
    """What an answer must match.

    Args:
        kind: `"json_schema"`, or `"lark"` for a grammar in llguidance's dialect of Lark.
        text: The schema as JSON, or the grammar.
    """

    kind: Literal["json_schema", "lark"]
    text: str

    @property
    def as_lark(self) -> str:
        """The same as Lark: what vLLM takes without changing how the JSON is written."""
        return self.text if self.kind == "lark" else f"start: %json {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt and how to continue it.

    Args:
        prompt_ids: Token ids, BOS included.
        max_tokens: Most tokens of the answer, at least 1.
        temperature: 0 is greedy, and so is anything below 1e-5, which becomes 0; otherwise logits
            are divided by it.
        top_p: Keep the smallest set of tokens with this probability, in (0, 1].
        top_k: Keep this many tokens; 0 keeps all.
        min_p: Keep tokens at least this share as likely as the likeliest, in [0, 1]; 0 keeps all.
        repetition_penalty: Divide the score of tokens seen before (Keskar et al. 2019); 1 is none.
        presence_penalty: Subtracted from the score of tokens that the answer has already, in
            [-2, 2]; 0 is none. llama.cpp counts the prompt's tokens too.
        seed: Same seed, same tokens; `None` draws one.
        stop: Strings that end the answer and are not part of it.
        stop_tokens: Tokens that end the answer, as an end token does. A server that takes text
            only is given their texts as stop strings.
        logprobs: How many alternatives to report per token; `None` reports nothing.
        timeout_s: Seconds from submission to the last token; `None` is no limit.
        grammar: What the answer must match; `None` is free text.
        drops_first_space: Whether a space that begins the answer is left out; of the encoded
            prompt, see `prompts.drops_first_space`.
    """

    prompt_ids: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_tokens: tuple[int, ...] = ()
    logprobs: int | None = None
    timeout_s: float | None = None
    grammar: Grammar | None = None
    drops_first_space: bool = True

    def __post_init__(self) -> None:
        if self.temperature < _GREEDY_BELOW:
            object.__setattr__(self, "temperature", 0.0)


def check_fits(request: Request, context_window: int) -> None:
    """Refuse a request whose prompt and answer do not fit.

    Raises:
        PromptOverflowError: It says how long both are.
    """
    prompt, tokens = len(request.prompt_ids), request.max_tokens
    if prompt + tokens > context_window:
        raise PromptOverflowError(
            f"{prompt} prompt tokens and max_tokens={tokens} are {prompt + tokens}, the context "
            f"window is {context_window}."
        )


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token, its log probability before temperature, and the most probable alternatives."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Finished text, never empty unless it carries log probabilities.

    `is_thought` is set by who asks for a thought before the answer; see `chat_models.thinking`.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    is_thought: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer.

    Args:
        reason: Why it ended.
        prompt_tokens: Tokens of the prompt.
        completion_tokens: Tokens that were generated, `thought_tokens` of them for a thought.
        stop_sequence: The stop string that ended it.
        cached_tokens: Tokens of the prompt whose keys and values were computed before.
        thought_tokens: See `chat_models.thinking`.
        stop_token: The one of `Request.stop_tokens` that ended it.
        token_ids: What was generated, where the engine knows it.
    """

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    stop_sequence: str | None = None
    cached_tokens: int = 0
    thought_tokens: int = 0
    stop_token: int | None = None
    token_ids: tuple[int, ...] = field(default=(), repr=False, compare=False)


Event = Chunk | Finish | Exception
Sink = Callable[[Event], None]


class Ticket(Protocol):
    """A submitted request."""

    def cancel(self) -> object:
        """Stop generating within one step; harmless when already finished."""


class Engine(Protocol):
    """Anything that continues token ids; safe to call from any thread.

    An engine may also have `prepare` (see `Preparing`), `check` (see `Checking`) and
    `fingerprint()`: a text that is the
    same for the same weights in any process, so that a cache serves them all.
    """

    name: str
    tokenizer: Tokenizer

    @property
    def context_window(self) -> int:
        """Most tokens of prompt and answer together."""

    def submit(self, request: Request, sink: Sink) -> Ticket:
        """Queue a request; `sink` gets chunks, then a `Finish` or an exception."""

    def make_way(self) -> None:
        """The calling thread is about to wait for answers: let it give the cores free."""

    def close(self) -> None:
        """Free the device; requests still running end with `EngineError`."""


@runtime_checkable
class Preparing(Protocol):
    """An engine that has to find something out before its first request."""

    def prepare(self, timeout_s: float | None = None) -> "Future[None]":
        """Done when requests can be made; fails after `timeout_s`, or as the engine says."""


@runtime_checkable
class Checking(Protocol):
    """An engine that is told of a request before its turn, such as that for an answer to come."""

    def check(self, request: Request) -> None:
        """Get ready for its grammar; raises the `GrammarError` that the request would end with."""
