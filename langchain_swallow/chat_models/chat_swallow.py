"""`ChatSwallow`: LangChain messages → turns → requests to an engine, and back.

>>> llm = ChatSwallow(model="tokyotech-llm/Qwen3-Swallow-8B-RL-v0.2")  # loads nothing yet
>>> llm.invoke("日本の首都はどこですか。").text  # doctest: +SKIP
'東京です。'

What stands here is LangChain's contract and nothing of generation: engines do that.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
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
from langchain_swallow.catalog import PromptFormat, chat_model_info
from langchain_swallow.chat_models.answer_logprobs import AnswerScorer
from langchain_swallow.chat_models.batches import BatchedChatModel
from langchain_swallow.chat_models.binding import BindableChatModel
from langchain_swallow.chat_models.cache_keys import cache_key
from langchain_swallow.chat_models.checkpoint import (
    default_sampling,
    resolve_prompt_format,
    resolve_thinking,
)
from langchain_swallow.chat_models.generation import GenerationOptions
from langchain_swallow.chat_models.options import LoadedEngine, model_profile, with_own_options
from langchain_swallow.chat_models.overflow import fit_prompt
from langchain_swallow.chat_models.requests import (
    AnswerForm,
    merge_parameters,
    output_constraint,
    requests_for,
)
from langchain_swallow.chat_models.results import AnsweredBy, ChunkWriter, to_result
from langchain_swallow.chat_models.streams import AsyncStream, Stream
from langchain_swallow.chat_models.thinking import ThinkingRequest, Thought, build_thought
from langchain_swallow.chat_models.tool_forms import tool_form
from langchain_swallow.engines.options import hub_token
from langchain_swallow.engines.protocol import Engine, Request
from langchain_swallow.prompts import drops_first_space, encode, encode_text
from langchain_swallow.prompts.messages import to_turns
from langchain_swallow.prompts.template_messages import to_template_messages
from langchain_swallow.prompts.tokenizer import Tokenizer


class ChatSwallow(AnswerScorer, BatchedChatModel, BindableChatModel):
    """A Swallow instruct model as a LangChain chat model.

    The first call loads the model, and all ChatSwallows of the same checkpoint and settings share
    it. Generation parameters can also be given per call: `llm.invoke(messages, temperature=0.7)`.

    The default is greedy decoding: the same question gets the same answer. A model that thinks
    (`ModelInfo.thinking`) repeats itself without end when it decodes greedily, so its default is
    its card's sampling (`ModelInfo.default_sampling`); set `seed` for the same answer again.

    A model outside of the catalog is prompted with its tokenizer's chat template.

    Args:
        **fields: Those of `LoadingOptions` and `GenerationOptions`, each described where it is
            declared and in docs/parameters.md; those of LangChain's `BaseChatModel`; and the
            options that the chosen engine alone has.

    A cache (`cache=`, `set_llm_cache`) serves an answer again where all that decides it is equal:
    the checkpoint or folder and its files' sizes and times, every parameter, and the call. It
    serves other processes too. With `from_model`, the weights in memory decide; with
    `from_engine`, only this object is served, unless the engine has a `fingerprint()`.

    Raises:
        UnknownModelError: Neither a checkpoint, nor a hub id, nor a directory; or nearly the name
            of a checkpoint.
        BaseModelError: A base model; the message names its instruct sibling. If only its tokenizer
            shows that it is one, by having no chat template, this comes with the first call.
    """

    streaming: bool = False

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    def __init__(self, **fields: Any) -> None:
        fields = with_own_options(fields)
        # Before pydantic, which would hide these errors in one of its own.
        name = fields.get("model", type(self).model_fields["model"].default)
        loaded = fields.get("loaded")
        is_loaded = isinstance(loaded, LoadedEngine) and loaded.model == name
        if isinstance(name, str) and not is_loaded:
            chat_model_info(name)
        super().__init__(**fields | hub_token(fields))

    @classmethod
    def from_model(cls, model: Any, tokenizer: Any, **fields: Any) -> Self:
        """Wrap a transformers model that is loaded already.

        Args:
            model: A causal language model.
            tokenizer: Its tokenizer.
            **fields: Any field of `ChatSwallow` but those for loading.
        """
        loading = importlib.import_module("langchain_swallow.engines.local.loading")
        fingerprint = importlib.import_module("langchain_swallow.engines.fingerprint")
        name = fields.setdefault("model", model.config.name_or_path or type(model).__name__)
        engine = loading.engine_from(model, tokenizer)
        return cls(loaded=LoadedEngine(engine, name, fingerprint.Fingerprint(engine)), **fields)

    @classmethod
    def from_huggingface(cls, pipeline: Any, **fields: Any) -> Self:
        """Wrap the model and tokenizer of langchain-huggingface, without loading them again.

        Args:
            pipeline: A `HuggingFacePipeline`, or a `ChatHuggingFace` of one.
            **fields: As of `from_model`; what the pipeline generates with is not taken over.

        Raises:
            TypeError: There is no model in this process, as of an endpoint.
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
        """Answer with an engine of one's own, in tests with a `FakeEngine`.

        Args:
            engine: Anything that fits the protocol.
            model: A name for it; a checkpoint's, or a folder's called like one, decides the
                prompt format.
            **fields: Any field of `ChatSwallow` but those for loading.
        """
        fingerprint = getattr(engine, "fingerprint", None)
        return cls(loaded=LoadedEngine(engine, model, fingerprint), model=model, **fields)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._add_version("langchain-swallow", __version__)

    # What LangChain asks about the model

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

    # LangChain computes `_serialized` once: it would say what was set before a field was changed.

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__.pop("_serialized", None)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values; see pydantic."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_serialized", None)
        return copied

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """As LangChain serializes a model; not one whose weights are in this process only."""
        if self._passed(self.model):
            return self.to_json_not_implemented()
        return super().to_json()

    def _resolve_model_profile(self) -> ModelProfile | None:
        return model_profile(self.model)

    # Tokens

    def get_token_ids(self, text: str) -> list[int]:
        """Token ids of a text alone, without BOS; the model is not loaded for it."""
        return encode_text(text, self._tokenizer(self.model))

    def get_num_tokens(self, text: str) -> int:
        """Number of tokens of a text alone; the model is not loaded for it."""
        return len(self.get_token_ids(text))

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any]] | None = None,
    ) -> int:
        """Number of tokens of the prompt that these messages, and tools, would become.

        The model is not loaded for it. Of no messages it is 0, though no prompt can be made of
        them: LangChain's `trim_messages` counts what is left.
        """
        if not messages:
            return 0
        tokenizer = self._tokenizer(self.model)
        form = self._form({"tools": tools}, tokenizer)
        thought = self._thought(tokenizer, self, self.model, form)
        return len(self._encoder(thought, form, self, self.model)(messages))

    def reserved_reasoning_tokens(self, context_window: int, **call: Any) -> int:
        """Tokens that a prompt leaves for the thought, beside `max_tokens` of the answer.

        `max_reasoning_tokens`, or without a limit 2,048 and at most a quarter of the context
        window; 0 for a model that does not think.

        Args:
            context_window: Most tokens of prompt, thought and answer.
            **call: Parameters of a call, as they are bound. Stop strings end answers, not thoughts.
        """
        call.pop("stop", None)
        model = call.get("model") or self.model
        tokenizer, parameters = self._tokenizer(model), merge_parameters(self, call)
        thought = self._thought(tokenizer, parameters, model, self._form(call, tokenizer))
        return thought.reserve(context_window)

    # From messages to requests

    def _requests(
        self, messages: list[BaseMessage], stop: list[str] | None, engine: Engine, call: Any
    ) -> list[Request | ThinkingRequest]:
        """One request per answer."""
        parameters = merge_parameters(self, call)
        form = self._form(call, engine.tokenizer)
        model = call.get("model") or self.model
        thought = self._thought(engine.tokenizer, parameters, model, form)
        prompt_ids = fit_prompt(
            messages,
            self._encoder(thought, form, parameters, model),
            max_tokens=parameters.max_tokens,
            thought_tokens=thought.reserve(engine.context_window),
            context_window=engine.context_window,
            drop_oldest=parameters.on_overflow == "drop_oldest",
        )
        answers = requests_for(
            prompt_ids,
            parameters,
            self.stop if stop is None else stop,
            form.grammar,
            default_sampling=default_sampling(
                model, engine.tokenizer, reasoning=parameters.reasoning
            ),
            drops_first_space=drops_first_space(prompt_ids, engine.tokenizer),
        )
        return [thought.request(answer, engine.context_window) for answer in answers]

    def _form(self, call: dict[str, Any], tokenizer: Tokenizer) -> AnswerForm:
        """What a call says of its answer, in the model's form."""
        is_templated = self._format(tokenizer, call.get("model") or self.model) == "tokenizer"
        return output_constraint(call).for_tokenizer(tokenizer, is_templated=is_templated)

    def _thought(
        self, tokenizer: Tokenizer, parameters: GenerationOptions, model: str, form: AnswerForm
    ) -> Thought:
        is_templated = self._format(tokenizer, model) == "tokenizer"
        kind = None
        if is_templated:
            kind = resolve_thinking(model, tokenizer, reasoning=parameters.reasoning)
        return build_thought(kind, tokenizer, parameters, channel=form.channel)

    def _encoder(
        self, thought: Thought, form: AnswerForm, parameters: GenerationOptions, model: str
    ) -> Callable[[Sequence[BaseMessage]], list[int]]:
        """Messages → the ids of a prompt, up to where the model goes on."""
        tokenizer = thought.tokenizer
        format = self._format(tokenizer, model)
        to_messages: Callable[..., list[Any]] = to_turns
        if format == "tokenizer":
            known = tool_form(tokenizer)
            to_messages = partial(
                to_template_messages,
                calls=known.is_templated,
                parallel=known.parallel,
                text_of_calls=known.text_of_calls,
            )

        def encode_messages(messages: Sequence[BaseMessage]) -> list[int]:
            prompt_ids = encode(
                [*to_messages(messages, parameters.system_prompt), *form.instructions],
                tokenizer,
                format=format,
                on_control_text=parameters.on_control_text,
                template_arguments={**thought.template_arguments, **form.template_arguments},
            )
            return thought.begin(prompt_ids)

        return encode_messages

    def _format(self, tokenizer: Tokenizer, model: str) -> PromptFormat:
        """The prompt format: as set, the checkpoint's, or what a local tokenizer brings."""
        if self.prompt_format is not None:
            return self.prompt_format
        return resolve_prompt_format(model, tokenizer, is_passed=self._passed(model) is not None)

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
        """Answer many prompts at once; see `BaseChatModel.agenerate`."""
        passed = self._passed(options.get("model") or self.model)
        if passed and (self.cache or get_llm_cache()):
            # Weights take long to hash, and LangChain asks for the key on the event loop.
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
        # In a thread: a long conversation takes long to encode.
        requests = await asyncio.to_thread(self._requests, messages, stop, engine, kwargs)
        streams = [AsyncStream(engine, request) for request in requests]
        try:
            # All requests are submitted already: collecting in turn does not serialise them.
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
        self._load(call).make_way()

    def _answered_by(self, engine: Engine, options: dict[str, Any]) -> AnsweredBy:
        tools = self._form(options, engine.tokenizer).tools
        return AnsweredBy(
            model_name=options.get("model") or self.model,
            engine=engine.name,
            calls=tools.rules if tools else None,
        )

    def _streaming_disabled(self, **kwargs: Any) -> bool:
        # Core streams for a callback, or with `streaming=True`, where `generate` is called; several
        # answers have one stream only if somebody asks for it, who is told so.
        several = kwargs.get("n", self.n) > 1 and not kwargs.get("stream")
        return several or super()._streaming_disabled(**kwargs)

    def _only_request(
        self, messages: list[BaseMessage], stop: list[str] | None, engine: Engine, kwargs: Any
    ) -> Request | ThinkingRequest:
        requests = self._requests(messages, stop, engine, kwargs)
        if len(requests) > 1:
            raise ValueError(f"n={len(requests)} answers cannot be streamed. Use generate().")
        return requests[0]


# `load(…, allowed_objects="all")` lets in only classes of this table; no other package's is in it.
_LC_ID = (*ChatSwallow.get_lc_namespace(), ChatSwallow.__name__)
ALL_SERIALIZABLE_MAPPINGS[_LC_ID] = _LC_ID
