"""Gets a chat model's engine: the shared one for its settings, or the one that was passed."""

import asyncio
from typing import Any

from pydantic import ConfigDict, Field

from langchain_swallow.chat_models.cache_keys import forget_files
from langchain_swallow.chat_models.generation import GenerationOptions
from langchain_swallow.chat_models.options import LoadedEngine, LoadingParameters
from langchain_swallow.chat_models.streams import until_ready, wait_until_ready
from langchain_swallow.engines.protocol import Engine, EngineLoad, Measuring
from langchain_swallow.engines.registry import (
    shared_engine,
    started_engine,
    tokenizer_for,
    unload_engine,
)
from langchain_swallow.prompts.tokenizer import Tokenizer


class EngineOwner(LoadingParameters, GenerationOptions):
    """The options of a chat model, and its engine."""

    # A field, because LangChain recreates a model from its fields (`configurable_fields`).
    loaded: LoadedEngine | None = Field(default=None, repr=False)

    model_config = ConfigDict(extra="forbid", populate_by_name=True, arbitrary_types_allowed=True)

    def load(self, model: str | None = None) -> Engine:
        """Load the model now instead of at the first call, and return the shared engine.

        The engine's `tokenizer` is a `ClientTokenizer`, not a transformers tokenizer, if the files
        suffice for one. So a server and this process get the same ids. It has `encode` (without
        BOS), `decode`, `convert_tokens_to_ids`, `convert_ids_to_tokens` and
        `apply_chat_template(messages, tokenize=False, add_generation_prompt=…)`, and is not
        callable. For everything else, use `transformers.AutoTokenizer.from_pretrained`. vLLM in
        this process and `from_model` keep their own tokenizers.

        Raises:
            ModelUnavailableError: The files are not available: offline, gated or incomplete.
            DeviceError: The device does not exist, or does not support the dtype.
            OutOfMemoryError: The model does not fit.
            EngineError: No server can be reached, or a server reports an error.
        """
        return self._load({"model": model})

    def _load(self, call: dict[str, Any]) -> Engine:
        """Return the engine of a call, ready for requests."""
        name = call.get("model") or self.model
        passed = self._passed(name)
        engine = passed.engine if passed else shared_engine(self.load_settings(name))
        wait_until_ready(engine, self._timeout(call))
        return engine

    async def _aload(self, call: dict[str, Any]) -> Engine:
        """`_load` that blocks neither the event loop, nor a thread while a server answers."""
        name = call.get("model") or self.model
        engine: Engine
        if passed := self._passed(name):
            engine = passed.engine
        else:
            settings = self.load_settings(name)
            started = started_engine(settings)
            engine = started if started else await asyncio.to_thread(shared_engine, settings)
        await until_ready(engine, self._timeout(call))
        return engine

    def _tokenizer(self, model: str) -> Tokenizer:
        """Return the tokenizer of a model without loading the model."""
        passed = self._passed(model)
        return passed.engine.tokenizer if passed else tokenizer_for(self.load_settings(model))

    def _timeout(self, call: dict[str, Any]) -> float | None:
        """Return the timeout of a call; `merge_parameters` refuses an invalid value later."""
        limit = call.get("timeout", self.timeout)
        return limit if isinstance(limit, int | float) and limit > 0 else None

    def _passed(self, model: str) -> LoadedEngine | None:
        """Return the engine of `from_model` or `from_engine` if `model` is its name."""
        return self.loaded if self.loaded and self.loaded.model == model else None

    def unload(self) -> None:
        """Free the model's memory for all objects that share it; the next call loads it again."""
        if passed := self._passed(self.model):
            passed.engine.close()
            return
        forget_files()
        unload_engine(self.load_settings(self.model))

    @property
    def has_failed(self) -> bool:
        """Whether the model is in a state that no call leaves, such as after a lost GPU."""
        return bool(getattr(self._started(), "is_closed", False))

    def engine_load(self) -> EngineLoad | None:
        """Return how busy the engine is; `None` if it is not loaded, or does not know."""
        engine = self._started()
        return engine.measure() if isinstance(engine, Measuring) else None

    def _started(self) -> Engine | None:
        """Return the engine if it is started."""
        if passed := self._passed(self.model):
            return passed.engine
        return started_engine(self.load_settings(self.model))

    @property
    def context_window(self) -> int:
        """Maximum number of tokens of prompt and answer together; loads the model."""
        return self.load().context_window
