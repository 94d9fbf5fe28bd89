"""The interface of every engine: a `Request` in, `Chunk`s and one `Finish` out.

The caller passes a `Sink`, a function that the engine calls with each event from its own thread.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from langchain_swallow._system.renamed import warn_renamed
from langchain_swallow.errors import PromptOverflowError
from langchain_swallow.prompts.tokenizer import Tokenizer

FinishReason = Literal["stop", "length"]

# Below this temperature, sampling equals the arg max, and divided logits may be infinite. vLLM has
# the same limit.
_GREEDY_BELOW = 1e-5

# Error message of a closed engine.
UNLOADED = "The model was unloaded. Call the chat model again to load it."


@dataclass(frozen=True, slots=True)
class Grammar:
    """A grammar that an answer must match.

    Args:
        kind: `"json_schema"`, or `"lark"` for llguidance's dialect of Lark.
        text: The schema as a JSON string, or the Lark grammar.
    """

    kind: Literal["json_schema", "lark"]
    text: str

    @property
    def as_lark(self) -> str:
        """The same grammar as Lark, which vLLM accepts without changing the JSON's white space."""
        return self.text if self.kind == "lark" else f"start: %json {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A prompt and the parameters of its generation.

    Args:
        prompt_ids: Token ids of the prompt, including BOS.
        max_tokens: Maximum number of tokens of the answer, at least 1.
        temperature: Logits are divided by this value. 0 is greedy decoding; values below 1e-5
            become 0.
        top_p: Sample from the smallest set of tokens with this total probability, in (0, 1].
        top_k: Sample from this many most probable tokens; 0 sets no limit.
        min_p: Sample from tokens with at least this share of the highest probability, in [0, 1]; 0
            sets no limit.
        repetition_penalty: Divides the score of tokens that occurred before (Keskar et al. 2019); 1
            has no effect.
        presence_penalty: Subtracted from the score of tokens that the answer already contains, in
            [-2, 2]; 0 has no effect. llama.cpp also counts the prompt's tokens.
        seed: The same seed gives the same tokens; `None` takes a random one.
        stop: Strings that end the answer; they are not part of it.
        stop_tokens: Ids of additional tokens that end the answer. A server that takes only text
            gets their texts as stop strings.
        logprobs: Number of alternatives to report per token; `None` reports no log probabilities.
        scored_ids: Tokens of the only answer that `grammar` admits, if its log probabilities must
            be the model's own. vLLM and SGLang report those of the tokens that a grammar leaves. So
            vLLM allows one of these tokens after the other instead, and SGLang refuses.
        timeout_s: Maximum seconds from submission to the last token; `None` sets no limit.
        grammar: The grammar that the answer must match; `None` is free text.
        drops_first_space: Whether to leave out a space at the start of the answer; see
            `prompts.drops_first_space`.
        part_of: An object that several requests in turn have in common, such as a thought and the
            answer after it. In the local engine, those after the first do not queue behind other
            requests; with several servers, they go to the one that has computed their prefix.
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
    scored_ids: tuple[int, ...] = ()
    timeout_s: float | None = None
    grammar: Grammar | None = None
    drops_first_space: bool = True
    part_of: object = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.temperature < _GREEDY_BELOW:
            object.__setattr__(self, "temperature", 0.0)


def check_fits(request: Request, context_window: int) -> None:
    """Refuse a request whose prompt and answer exceed the context window.

    Raises:
        PromptOverflowError: They do not fit; the message has both lengths.
    """
    prompt, tokens = len(request.prompt_ids), request.max_tokens
    if prompt + tokens > context_window:
        raise PromptOverflowError(
            f"The prompt has {prompt} tokens and max_tokens={tokens}: together {prompt + tokens}, "
            f"but the context window is {context_window}. Shorten the prompt or lower max_tokens."
        )


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token, its natural log probability before temperature, and the best alternatives."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer's text; empty only if it carries log probabilities.

    `is_thought` marks text of a thought before the answer. Engines leave it false;
    `chat_models.submitting` sets it.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    is_thought: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of an answer.

    Args:
        reason: Why it ended: `"stop"` or `"length"` (max_tokens was reached).
        prompt_tokens: Number of tokens of the prompt.
        completion_tokens: Number of generated tokens, including `thought_tokens`.
        stop_sequence: The stop string that ended the answer, if any.
        cached_tokens: Number of prompt tokens found in the prefix cache.
        thought_tokens: Number of tokens of the thought; see `chat_models.thinking`.
        stop_token: The one of `Request.stop_tokens` that ended the answer, if any.
        token_ids: The generated tokens, if the engine knows them.
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
        """Stop generation within one step; does nothing if the request has ended."""


class Engine(Protocol):
    """Anything that continues a prompt of token ids; all methods are thread-safe.

    An engine may also have `prepare` (see `Preparing`), `check` (see `Checking`), `measure` (see
    `Measuring`), `is_closed`, whether it refuses requests, and `fingerprint()`, which returns a
    text that is equal for equal weights in any process, so that processes can share a cache of
    answers.
    """

    name: str
    tokenizer: Tokenizer

    @property
    def context_window(self) -> int:
        """Maximum number of tokens of the prompt and the answer together."""

    def submit(self, request: Request, sink: Sink) -> Ticket:
        """Queue a request; `sink` gets chunks, then one `Finish` or one exception."""

    def release_cpu_threads(self) -> None:
        """Release the calling thread's CPU threads, because it is about to wait for answers."""

    def close(self) -> None:
        """Free the device; running requests end with `EngineError`."""


def release_cpu_threads(engine: Any) -> None:
    """Call `release_cpu_threads` of an engine, also if it has the method's old name, `make_way`."""
    name = "release_cpu_threads"
    if not hasattr(engine, name):
        warn_renamed("make_way", name, type(engine).__name__)
        name = "make_way"
    getattr(engine, name)()


@runtime_checkable
class Preparing(Protocol):
    """An engine that must do something before its first request, such as query a server."""

    def prepare(self, timeout_s: float | None = None) -> "Future[None]":
        """Return a future that is done when requests can be made.

        It fails with `GenerationTimeoutError` after `timeout_s` seconds, or with the engine's own
        error. `None` sets no limit.
        """


@runtime_checkable
class Checking(Protocol):
    """An engine that can check a request before it is submitted, such as one after a thought."""

    def check(self, request: Request) -> None:
        """Prepare the request's grammar.

        Raises:
            GrammarError: The grammar cannot be enforced; `submit` would report the same error.
        """


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How busy an engine is.

    Args:
        running: Number of requests that are being computed.
        waiting: Number of requests that wait to be computed.
        kv_cache_usage: Share of the KV cache's budget that running requests may use; `None` if the
            KV cache is not this engine's.
    """

    running: int
    waiting: int = 0
    kv_cache_usage: float | None = None


@runtime_checkable
class Measuring(Protocol):
    """An engine that knows how busy it is."""

    def measure(self) -> EngineLoad:
        """Return how busy the engine is now."""
