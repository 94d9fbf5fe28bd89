"""Batches of prompts: threads only wait, and the engine computes all prompts as one batch.

Callbacks, tracers and errors are as in LangChain's `batch` and `generate`. In addition, Ctrl-C
cancels all answers immediately instead of waiting for them.
"""

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from functools import partial
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_config_list

from langchain_swallow.chat_models.groups import AnswerGroup
from langchain_swallow.errors import SwallowError

# Maximum number of threads that wait for answers; the engine's own limit is lower.
_MAX_WAITING = 64


class BatchedChatModel(BaseChatModel):
    """`batch`, `batch_as_completed` and `generate` with one engine."""

    def _release_cpu_threads(self, call: dict[str, Any]) -> None:
        """Load the call's engine, and release this thread's CPU threads for it."""

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Answer prompts as one batch; the config's `max_concurrency` limits its size."""
        if len(inputs) < 2:
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        with self._group(config, len(inputs), kwargs) as group:
            answers = self._submit(group, inputs, config, return_exceptions, kwargs)
            return [answer.result()[1] for answer in answers]

    def batch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        """Answer prompts as one batch; yield (index, answer) in the order of completion."""
        if not inputs:
            return
        with self._group(config, len(inputs), kwargs) as group:
            answers = self._submit(group, inputs, config, return_exceptions, kwargs)
            for answer in as_completed(answers):
                yield answer.result()

    def generate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        *,
        run_id: uuid.UUID | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        """Answer prompts as one batch; see `BaseChatModel.generate`.

        As in LangChain, `run_id` is the first prompt's; the others get new ones.
        """
        if len(messages) < 2:
            return super().generate(messages, stop, callbacks, run_id=run_id, **kwargs)
        one = partial(super().generate, stop=stop, callbacks=callbacks, **kwargs)
        with self._group(None, len(messages), kwargs) as group:
            first = group.submit(partial(one, messages[:1], run_id=run_id))
            others = [group.submit(one, [prompt]) for prompt in messages[1:]]
            results = [answer.result() for answer in (first, *others)]
        return LLMResult(
            generations=[result.generations[0] for result in results],
            llm_output=self._combine_llm_outputs([result.llm_output for result in results]),
            run=[info for result in results for info in result.run or ()] or None,
        )

    def _group(self, config: Any, count: int, call: dict[str, Any]) -> AnswerGroup:
        """Return threads for `count` prompts, with the cores released for the engine."""
        # Errors of the model are suppressed here, because each call reports them.
        with contextlib.suppress(SwallowError):
            self._release_cpu_threads(call)
        limit = get_config_list(config, count)[0].get("max_concurrency")
        return AnswerGroup(limit or min(count, _MAX_WAITING))

    def _submit(
        self,
        group: AnswerGroup,
        inputs: Sequence[LanguageModelInput],
        config: Any,
        return_exceptions: bool,
        call: dict[str, Any],
    ) -> "list[Future[tuple[int, Any]]]":
        configs = get_config_list(config, len(inputs))

        def answer(number: int) -> tuple[int, Any]:
            try:
                return number, self.invoke(inputs[number], configs[number], **call)
            except Exception as error:
                if return_exceptions:
                    return number, error
                raise

        return [group.submit(answer, number) for number in range(len(inputs))]
