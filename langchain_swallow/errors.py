"""Every error this package raises on purpose.

    SwallowError
    ├── UnknownModelError(ModelNotFoundError, ValueError)  no such name in the catalog
    ├── ModelUnavailableError(ModelNotFoundError)          known, but its files cannot be had here
    ├── BaseModelError(ValueError)                         a base model has no chat format
    ├── PromptOverflowError(ContextOverflowError, ValueError)
    ├── PromptError(ValueError)                            messages the format has no place for
    │   └── ControlTextError                               on_control_text="error" met a marker
    ├── GrammarError(ValueError)                           a schema or tool that cannot be enforced
    ├── DeviceError(RuntimeError)                          no such device, or wrong dtype for it
    │   └── OutOfMemoryError(MemoryError)                  says what would fit
    ├── EngineError(ModelError, RuntimeError)              failed, or the engine was closed
    │   ├── GenerationTimeoutError(ModelTimeoutError, TimeoutError)
    │   ├── ServerConnectionError(ModelConnectionError, ConnectionError)
    │   ├── ServerBusyError(ModelRateLimitError)           429 and 503, after all retries
    │   ├── ServerError(ModelAPIError)                     5xx, or not a completion
    │   ├── AuthenticationError(ModelAuthenticationError, PermissionError)  401 and 403
    │   ├── InvalidRequestError(ModelInvalidRequestError, ValueError)       400, 422
    │   └── MissingAnswerError                             a thought, and no answer after it
    ├── ReasoningError(ValueError)                         a model that cannot think, or only so
    ├── IncompleteOutputError(OutputParserException)       cut before its end
    ├── MissingDependencyError(ImportError)                names the extra to install
    ├── DocumentError(ValueError)                          a file that cannot be read as text
    ├── EvaluationError(ValueError)                        questions or run files that do not fit
    ├── EmbeddingError(ValueError)                         vectors of the wrong shape or not finite
    ├── IndexStoreError(ValueError)                        a saved index that is damaged
    ├── AccessError(PermissionError)                       who may see what: refused or unreadable
    └── MassDeletionError(ValueError)                      most files of a folder are gone

Each leaf also derives from langchain-core's error, or the builtin, that callers already catch.
All of them survive pickling, so a worker process can raise them in its parent.
"""

from typing import Any

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelRateLimitError,
    ModelTimeoutError,
    OutputParserException,
)

__all__ = [
    "AccessError",
    "AuthenticationError",
    "BaseModelError",
    "ContextOverflowError",
    "ControlTextError",
    "DeviceError",
    "DocumentError",
    "EmbeddingError",
    "EngineError",
    "EvaluationError",
    "GenerationTimeoutError",
    "GrammarError",
    "IncompleteOutputError",
    "IndexStoreError",
    "InvalidRequestError",
    "MassDeletionError",
    "MissingAnswerError",
    "MissingDependencyError",
    "ModelNotFoundError",
    "ModelUnavailableError",
    "OutOfMemoryError",
    "PromptError",
    "PromptOverflowError",
    "ReasoningError",
    "ServerBusyError",
    "ServerConnectionError",
    "ServerError",
    "SwallowError",
    "UnknownModelError",
]


class SwallowError(Exception):
    """Base of all errors of langchain-swallow.

    A pickled error keeps its message, its attributes and the text of its cause. The cause itself
    may hold connections or weights, so it arrives as a `CauseText`.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args`, which fails for a constructor of another shape:
        # `multiprocessing.Pool` then waits forever.
        state = {**self.__dict__}
        if self.__cause__ is not None:
            state["__cause__"] = CauseText.of(self.__cause__)
        return _restore, (type(self), self.args), state


class CauseText(Exception):
    """What an error's cause said, in a process that has only its text."""

    @classmethod
    def of(cls, cause: BaseException) -> "CauseText":
        """The text of a cause; of one that is a text already, itself."""
        return cause if isinstance(cause, cls) else cls(f"{type(cause).__name__}: {cause}")


def _restore(kind: type[SwallowError], arguments: tuple[Any, ...]) -> SwallowError:
    builtin: Any = kind
    while builtin.__module__ != "builtins":
        # The base that lays out the object: only its `__new__` may make one.
        builtin = builtin.__base__
    error: SwallowError = builtin.__new__(kind)
    error.args = arguments
    return error


class UnknownModelError(SwallowError, ModelNotFoundError, ValueError):
    """The name is not a checkpoint of the catalog, a hub id or a folder, or it is misspelled."""


class ModelUnavailableError(SwallowError, ModelNotFoundError):
    """The checkpoint exists, but its files cannot be had: gated, offline, or incomplete."""


class BaseModelError(SwallowError, ValueError):
    """A base model was asked to chat; it has no chat format."""


class PromptOverflowError(SwallowError, ContextOverflowError, ValueError):
    """Prompt and answer together do not fit the context window."""


class PromptError(SwallowError, ValueError):
    """Messages that the prompt format has no place for."""


class ControlTextError(PromptError):
    """A message contains a turn marker of the prompt format."""


class GrammarError(SwallowError, ValueError):
    """A schema, tool or grammar that cannot be enforced; the message names the part."""


class DeviceError(SwallowError, RuntimeError):
    """The requested device or dtype is not available here."""


class OutOfMemoryError(DeviceError, MemoryError):
    """The device has too little memory; the message says what would fit."""


class EngineError(SwallowError, ModelError, RuntimeError):
    """Generation failed, or the engine was closed."""


class GenerationTimeoutError(EngineError, ModelTimeoutError, TimeoutError):
    """The answer was not finished within `timeout` seconds."""


class ServerConnectionError(EngineError, ModelConnectionError, ConnectionError):
    """No server could be reached, or the connection broke within an answer."""


class ServerBusyError(EngineError, ModelRateLimitError):
    """Every server answered 429 or 503 until no retry was left."""


class ServerError(EngineError, ModelAPIError):
    """A server failed, or sent what is not a completion."""


class AuthenticationError(EngineError, ModelAuthenticationError, PermissionError):
    """The server wants another API key."""


class InvalidRequestError(EngineError, ModelInvalidRequestError, ValueError):
    """The server refuses the request; its reason is in the message."""


class MissingAnswerError(EngineError):
    """The model thought, and ended without an answer.

    Args:
        reasoning: The thought.
    """

    def __init__(self, message: str, reasoning: str) -> None:
        super().__init__(message)
        self.reasoning = reasoning


class ReasoningError(SwallowError, ValueError):
    """What is asked of a model's thoughts it cannot do, such as to think or not to."""


class IncompleteOutputError(SwallowError, OutputParserException):
    """`max_tokens` was reached, or a stop string came, before the JSON was whole.

    Args:
        partial: The text so far, also as `llm_output`.
    """

    def __init__(self, message: str, partial: str) -> None:
        super().__init__(message, llm_output=partial)
        self.partial = partial


class MissingDependencyError(SwallowError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class DocumentError(SwallowError, ValueError):
    """A file that cannot be read as text; the message names the file and the reason."""


class EvaluationError(SwallowError, ValueError):
    """Questions, judge prompts or run files that cannot be used; the message names the line."""


class EmbeddingError(SwallowError, ValueError):
    """An encoder returned vectors of another shape, or zero or non-finite ones."""


class IndexStoreError(SwallowError, ValueError):
    """A saved index that is damaged, of another version, or made with another encoder."""


class AccessError(SwallowError, PermissionError):
    """A store opened for groups was to be changed, or a file of people cannot be used."""


class MassDeletionError(SwallowError, ValueError):
    """Most files of a synced folder are gone; nothing was deleted."""
