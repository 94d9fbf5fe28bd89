"""Writes the prompts of a chat model: LangChain's messages to token ids and engine requests."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage

from langchain_swallow.catalog import PromptFormat
from langchain_swallow.chat_models.checkpoint import (
    default_sampling,
    resolve_prompt_format,
    resolve_thinking,
)
from langchain_swallow.chat_models.engines import EngineOwner
from langchain_swallow.chat_models.generation import GenerationOptions
from langchain_swallow.chat_models.overflow import fit_prompt
from langchain_swallow.chat_models.requests import (
    AnswerForm,
    merge_parameters,
    output_constraint,
    requests_for,
)
from langchain_swallow.chat_models.thinking import ThinkingRequest, Thought, build_thought
from langchain_swallow.chat_models.tool_forms import tool_form
from langchain_swallow.engines.protocol import Engine, Request
from langchain_swallow.prompts import drops_first_space, encode, encode_text
from langchain_swallow.prompts.messages import to_turns
from langchain_swallow.prompts.template_messages import to_template_messages
from langchain_swallow.prompts.tokenizer import Tokenizer


class PromptedChatModel(EngineOwner, BaseChatModel):
    """A chat model whose prompts are written here, in the format of its checkpoint."""

    def get_token_ids(self, text: str) -> list[int]:
        """Return the token ids of a text without BOS; this does not load the model."""
        return encode_text(text, self._tokenizer(self.model))

    def get_num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text without BOS; this does not load the model."""
        return len(self.get_token_ids(text))

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any]] | None = None,
    ) -> int:
        """Return the number of tokens of the prompt for these messages and tools.

        This does not load the model. Without messages the number is 0, because LangChain's
        `trim_messages` counts the rest of a list, although no prompt can be made of it.
        """
        if not messages:
            return 0
        tokenizer = self._tokenizer(self.model)
        form = self._form({"tools": tools}, tokenizer)
        thought = self._thought(tokenizer, self, self.model, form)
        return len(self._encoder(thought, form, self, self.model)(messages))

    def reserved_reasoning_tokens(self, context_window: int, **call: Any) -> int:
        """Return the tokens that a prompt reserves for the thought, in addition to `max_tokens`.

        This is `max_reasoning_tokens`, or without a limit 2,048, at most a quarter of the context
        window; 0 for a model that does not think.

        Args:
            context_window: Maximum number of tokens of prompt, thought and answer together.
            **call: Parameters of the call, as they are bound. Stop strings end answers, not
                thoughts.
        """
        call.pop("stop", None)
        model = call.get("model") or self.model
        tokenizer, parameters = self._tokenizer(model), merge_parameters(self, call)
        thought = self._thought(tokenizer, parameters, model, self._form(call, tokenizer))
        return thought.reserve(context_window)

    def _requests(
        self, messages: list[BaseMessage], stop: list[str] | None, engine: Engine, call: Any
    ) -> list[Request | ThinkingRequest]:
        """Build one request per answer."""
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
        """Return the constraint of a call's answer, in the model's form."""
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
        """Return a function from messages to the ids of the prompt that the model continues."""
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
        """Return the prompt format: the one that is set, the checkpoint's, or the tokenizer's."""
        if self.prompt_format is not None:
            return self.prompt_format
        return resolve_prompt_format(model, tokenizer, is_passed=self._passed(model) is not None)

    def _only_request(
        self, messages: list[BaseMessage], stop: list[str] | None, engine: Engine, kwargs: Any
    ) -> Request | ThinkingRequest:
        requests = self._requests(messages, stop, engine, kwargs)
        if len(requests) > 1:
            raise ValueError(f"n={len(requests)} answers cannot be streamed. Use generate().")
        return requests[0]
