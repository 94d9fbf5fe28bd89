"""LangChain's `bind_tools` and `with_structured_output`, over what a call may be given."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.pydantic import is_basemodel_subclass

from langchain_swallow.chat_models.structured_output import (
    Method,
    StructuredOutputParser,
    answer_schema,
    response_format,
    traced_schema,
    with_raw,
)
from langchain_swallow.chat_models.tool_schemas import to_openai_tools
from langchain_swallow.chat_models.tools import tool_use


class BindableChatModel(BaseChatModel):
    """Binds what `requests` reads: `tools`, `tool_choice`, `response_format`."""

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with tools it may call; arguments match the tools' schemas by construction.

        A model whose chat template takes tools, such as Qwen3-Swallow, GPT-OSS-Swallow or
        Llama-3.1-Swallow, is told of them by its template and calls them in the form of its
        training; all others are told in Japanese, in the system prompt. A model that thinks does so
        first: the grammar holds what follows the thought.

        A message's `tool_calls` has only calls that are whole and valid under the tool's schema.
        What a limit, a stop string or the server broke off is in `invalid_tool_calls`. In a stream
        a call's name comes first and its arguments come when they are whole and checked, so no
        part of a stream has arguments that the model did not finish. A chunk has no place for the
        reason why a call is not valid: the call's `args` begin with it there.

        Args:
            tools: Functions, LangChain tools, pydantic classes, or OpenAI's descriptions.
            tool_choice: `"auto"` (also `None`) lets the model answer or call; `"any"` makes it
                call, a name makes it call that tool; `"none"` hides the tools.
            strict: Accepted for OpenAI's sake: schemas are always enforced.
            parallel_tool_calls: Whether an answer may be several calls. By default it may where the
                chat template writes several (Qwen3), and elsewhere it is one. gpt-oss and
                Llama 3.1 make one call per answer, whatever this says.
            **kwargs: Parameters of the calls.

        Raises:
            GrammarError: A tool has a schema that cannot be enforced, and the message names the
                part; or it is not a tool, such as a provider's web search.
            ValueError: `tool_choice` names no tool.
        """
        formatted = to_openai_tools(tools)
        tool_use(formatted, tool_choice, parallel_tool_calls)
        return self.bind(
            tools=formatted,
            tool_choice=tool_choice,
            parallel_tool_calls=parallel_tool_calls,
            **kwargs,
        )

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        method: Method = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This model, answering with objects of a schema, valid by construction.

        Args:
            schema: A pydantic class (v2 or v1), a TypedDict, a JSON schema or an OpenAI function.
            method: `"json_schema"` shows the model the schema and generates under it;
                `"function_calling"` makes it call a tool with it, and a stream gives the object
                once, when it is whole; `"json_mode"` makes sure of some JSON object only, and the
                prompt must say which.
            include_raw: Return a dict of `raw` (the message), `parsed` and `parsing_error`.
            strict: Accepted for OpenAI's sake: schemas are always enforced.
            **kwargs: Parameters of the calls.

        Raises:
            GrammarError: The schema has a part that cannot be enforced; the message names it.
            ValueError: An unknown method.
            IncompleteOutputError: When called: `max_tokens` or a stop string came before the end;
                it has the text.
        """
        if method not in get_args(Method):
            raise ValueError(f"Unknown method {method!r}. Use one of {get_args(Method)}.")
        traced = {
            "kwargs": {"method": method, "strict": strict},
            "schema": traced_schema(schema),
        }
        answer_format = response_format(
            schema, "json_mode" if method == "json_mode" else "json_schema"
        )
        if method == "function_calling":
            llm = self.bind_tools(
                [schema],
                tool_choice="any",
                parallel_tool_calls=False,
                ls_structured_output_format=traced,
                **kwargs,
            )
        else:
            llm = self.bind(
                response_format=answer_format, ls_structured_output_format=traced, **kwargs
            )
        is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
        parser = StructuredOutputParser(
            pydantic_class=schema if is_class else None,
            json_schema=None if is_class else answer_schema(answer_format),
        )
        return with_raw(llm, parser) if include_raw else llm | parser
