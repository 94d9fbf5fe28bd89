"""`ChatSwallow`: converts LangChain messages to engine requests, and events to messages.

>>> llm = ChatSwallow(model="tokyotech-llm/Qwen3-Swallow-8B-RL-v0.2")  # loads nothing yet
>>> llm.invoke("日本の首都はどこですか。").text  # doctest: +SKIP
'東京です。'

This module implements LangChain's chat model interface; engines generate.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.globals import get_llm_cache
from langchain_core.language_models import LangSmithParams, ModelProfile
from langchain_core.load.load import ALL_SERIALIZABLE_MAPPINGS
from langchain_core.load.serializable import SerializedConstructor, SerializedNotImplemented
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from pydantic import ConfigDict
from typing_extensions import Self

from langchain_swallow._system.version import __version__
from langchain_swallow.catalog import chat_model_info
from langchain_swallow.chat_models.answer_logprobs import AnswerScorer
from langchain_swallow.chat_models.batches import BatchedChatModel
from langchain_swallow.chat_models.binding import BindableChatModel
from langchain_swallow.chat_models.cache_keys import cache_key
from langchain_swallow.chat_models.options import LoadedEngine, model_profile, with_own_options
from langchain_swallow.chat_models.prompted import PromptedChatModel
from langchain_swallow.chat_models.requests import (
    output_constraint,
)
from langchain_swallow.chat_models.results import AnsweredBy, ChunkWriter, to_result
from langchain_swallow.chat_models.streams import AsyncStream, Stream
from langchain_swallow.engines.options import hub_token
from langchain_swallow.engines.protocol import Engine, release_cpu_threads


class ChatSwallow(PromptedChatModel, AnswerScorer, BatchedChatModel, BindableChatModel):
    """A Swallow instruct model as a LangChain chat model.

    The first call loads the model. All `ChatSwallow` objects with the same checkpoint and settings
    share it. You can also pass generation parameters per call: `llm.invoke(messages,
    temperature=0.7)`.

    The default is greedy decoding: the same question gets the same answer. A model that thinks
    (`ModelInfo.thinking`) would repeat itself without end under greedy decoding, so its default is
    the sampling of its model card (`ModelInfo.default_sampling`). Set `seed` for reproducible
    answers.

    For a model outside of the catalog, prompts are written by its tokenizer's chat template.

    Args:
        **fields: The fields of `LoadingOptions` and `GenerationOptions`, which docs/parameters.md
            describes; those of LangChain's `BaseChatModel`; and the options of the chosen engine.

    A cache (`cache=`, `set_llm_cache`) returns a stored answer if everything that affects it is
    equal: the checkpoint or folder with its files' sizes and times, every parameter, and the call.
    Processes can share a cache. With `from_model`, the key contains a hash of the weights. With
    `from_engine`, answers are cached for this object only, unless the engine has a `fingerprint()`.

    Raises:
        UnknownModelError: `model` is neither a checkpoint, a hub id nor a directory, or is almost
            the name of a checkpoint.
        BaseModelError: `model` is a base model; the message names the instruct model. If only the
            missing chat template shows this, the first call raises the error.
    """

    streaming: bool = False

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    def __init__(self, **fields: Any) -> None:
        fields = with_own_options(fields)
        # Checked before pydantic, which would wrap these errors.
        name = fields.get("model", type(self).model_fields["model"].default)
        loaded = fields.get("loaded")
        is_loaded = isinstance(loaded, LoadedEngine) and loaded.model == name
        if isinstance(name, str) and not is_loaded:
            chat_model_info(name)
        super().__init__(**fields | hub_token(fields))

    @classmethod
    def from_model(cls, model: Any, tokenizer: Any, *, prepare: bool = True, **fields: Any) -> Self:
        """Wrap a transformers model that is already loaded.

        Args:
            model: A causal language model. It is set to evaluation mode and to this package's
                attention.
            tokenizer: Its tokenizer.
            prepare: Whether to make the model faster until `unload()`, also for its own `generate`.
                On a CPU, linear layers are stored in the layout of its matrix kernels, and those
                with the same input are computed together; such a model can be saved, but its
                weights cannot be changed. On a GPU, RMSNorm is computed by one operator, and layers
                are computed together where memory is left. Layers with hooks and quantized layers
                stay as they are. Default: true.
            **fields: Any field of `ChatSwallow` but those for loading.
        """
        loading = importlib.import_module("langchain_swallow.engines.local.loading")
        fingerprint = importlib.import_module("langchain_swallow.engines.fingerprint")
        name = fields.setdefault("model", model.config.name_or_path or type(model).__name__)
        engine = loading.engine_from(model, tokenizer, prepare=prepare)
        return cls(loaded=LoadedEngine(engine, name, fingerprint.Fingerprint(engine)), **fields)

    @classmethod
    def from_huggingface(cls, pipeline: Any, **fields: Any) -> Self:
        """Wrap the model and tokenizer of a langchain-huggingface object, without loading them
        again.

        Args:
            pipeline: A `HuggingFacePipeline`, or a `ChatHuggingFace` of one.
            **fields: As for `from_model`. The pipeline's generation parameters are not used.

        Raises:
            TypeError: The object has no model in this process, such as an endpoint.
        """
        inner = getattr(getattr(pipeline, "llm", pipeline), "pipeline", None)
        model, tokenizer = (getattr(inner, name, None) for name in ("model", "tokenizer"))
        if model is None or tokenizer is None:
            raise TypeError(
                "from_huggingface takes a HuggingFacePipeline or a ChatHuggingFace of one, not "
                f"{type(pipeline).__name__}. To use a server, pass base_url= to ChatSwallow."
            )
        return cls.from_model(model, tokenizer, **fields)

    @classmethod
    def from_engine(cls, engine: Engine, *, model: str, **fields: Any) -> Self:
        """Wrap your own engine, or a `FakeEngine` in tests.

        Args:
            engine: An object that implements `Engine`.
            model: A name for the model. The name of a checkpoint, or of a folder with a
                checkpoint's name, selects the prompt format.
            **fields: Any field of `ChatSwallow` but those for loading.
        """
        fingerprint = getattr(engine, "fingerprint", None)
        return cls(loaded=LoadedEngine(engine, model, fingerprint), model=model, **fields)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._add_version("langchain-swallow", __version__)

    # LangChain's properties

    @property
    def _llm_type(self) -> str:
        return "chat-swallow"

    @property
    def lc_secrets(self) -> dict[str, str]:
        return {"token": "HF_TOKEN"}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        return ["langchain_swallow", "chat_models"]

    @property
    def _identifying_params(self) -> dict[str, Any]:
        skipped = {"token", "cache", "callbacks", "metadata", "tags", "verbose", "profile", "name"}
        skipped |= {"loaded"}
        names = set(type(self).model_fields) - skipped
        return {name: getattr(self, name) for name in sorted(names)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = "swallow"
        return params

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        passed = self._passed(kwargs.get("model") or self.model)
        stop = self.stop if stop is None else stop
        return cache_key(self, {**kwargs, "stop": stop}, output_constraint(kwargs), passed)

    # LangChain caches `_serialized`, which would be outdated after a field has changed.

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__.pop("_serialized", None)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with updated values; see pydantic."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_serialized", None)
        return copied

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Serialize for LangChain, unless the engine was passed to this object."""
        if self._passed(self.model):
            return self.to_json_not_implemented()
        return super().to_json()

    def _resolve_model_profile(self) -> ModelProfile | None:
        return model_profile(self.model)

    # Generation

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        engine = self._load(kwargs)
        streams = [Stream(engine, r) for r in self._requests(messages, stop, engine, kwargs)]
        try:
            answers = [list(stream) for stream in streams]
        finally:
            for stream in streams:
                stream.close()
        return to_result(answers, self._answered_by(engine, kwargs))

    async def agenerate(
        self, messages: list[list[BaseMessage]], *arguments: Any, **options: Any
    ) -> LLMResult:
        """Answer prompts as one batch; see `BaseChatModel.agenerate`."""
        passed = self._passed(options.get("model") or self.model)
        if passed and (self.cache or get_llm_cache()):
            # Hash the weights in a thread, because it is slow and LangChain computes keys on the
            # event loop.
            await asyncio.to_thread(passed.fingerprint)
        return await super().agenerate(messages, *arguments, **options)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        engine = await self._aload(kwargs)
        # In a thread, because encoding a long conversation is slow.
        requests = await asyncio.to_thread(self._requests, messages, stop, engine, kwargs)
        streams = [AsyncStream(engine, request) for request in requests]
        try:
            # All requests are already submitted, so collecting them one by one does not serialize
            # them.
            answers = []
            for stream in streams:
                answers.append([event async for event in stream])
        finally:
            for stream in streams:
                stream.close()
        return to_result(answers, self._answered_by(engine, kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        engine = self._load(kwargs)
        writer = ChunkWriter(self._answered_by(engine, kwargs))
        with Stream(engine, self._only_request(messages, stop, engine, kwargs)) as events:
            for event in events:
                yield from writer.write(event)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        engine = await self._aload(kwargs)
        request = await asyncio.to_thread(self._only_request, messages, stop, engine, kwargs)
        writer = ChunkWriter(self._answered_by(engine, kwargs))
        with AsyncStream(engine, request) as events:
            async for event in events:
                for chunk in writer.write(event):
                    yield chunk

    def _release_cpu_threads(self, call: dict[str, Any]) -> None:
        release_cpu_threads(self._load(call))

    def _answered_by(self, engine: Engine, options: dict[str, Any]) -> AnsweredBy:
        tools = self._form(options, engine.tokenizer).tools
        return AnsweredBy(
            model_name=options.get("model") or self.model,
            engine=engine.name,
            calls=tools.rules if tools else None,
        )

    def _streaming_disabled(self, **kwargs: Any) -> bool:
        # langchain-core also streams within `generate`, for a callback or with `streaming=True`.
        # Several answers cannot be streamed, so this avoids it; an explicit stream raises an error.
        several = kwargs.get("n", self.n) > 1 and not kwargs.get("stream")
        return several or super()._streaming_disabled(**kwargs)


# `load(…, allowed_objects="all")` allows only classes in this table, which has no third-party
# class.
_LC_ID = (*ChatSwallow.get_lc_namespace(), ChatSwallow.__name__)
ALL_SERIALIZABLE_MAPPINGS[_LC_ID] = _LC_ID
