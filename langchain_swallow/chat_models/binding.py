"""LangChain's `bind_tools` and `with_structured_output`, which bind parameters of calls."""

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
    """Binds the parameters that `requests` reads: `tools`, `tool_choice`, `response_format`."""

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return this model with tools; the grammar makes arguments match the tools' schemas.

        A model whose chat template supports tools, such as Qwen3-Swallow, GPT-OSS-Swallow or
        Llama-3.1-Swallow, gets them through its template and calls them in the form it was trained
        on. All others get a Japanese description in the system prompt. A model that thinks does so
        first; the grammar applies to what follows the thought.

        A message's `tool_calls` contains only calls that are complete and valid under the tool's
        schema. Calls that were cut off by a limit, a stop string or the server are in
        `invalid_tool_calls`. In a stream, a call's name comes first; its arguments come when they
        are complete and checked. So no part of a stream contains arguments that the model did not
        finish. A chunk has no field for the reason why a call is not valid, so the call's `args`
        start with the reason.

        Args:
            tools: Functions, LangChain tools, pydantic classes, or tools in OpenAI's format.
            tool_choice: `"auto"`, the default, lets the model answer or call; `"any"` forces a
                call; a name forces a call of that tool; `"none"` hides the tools.
            strict: Accepted for compatibility with OpenAI; schemas are always enforced.
            parallel_tool_calls: Whether an answer may contain several calls. Default: several
                if the chat template supports it (Qwen3), else one. gpt-oss and Llama 3.1 always
                make one call per answer.
            **kwargs: Parameters of the calls.

        Raises:
            GrammarError: A tool's schema has a part that cannot be enforced, which the message
                names; or the value is not a tool, such as a provider's web search.
            ValueError: `tool_choice` is neither a mode nor the name of a tool.
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
        """Return this model with answers that match a schema, enforced by a grammar.

        Args:
            schema: A pydantic class (v2 or v1), a TypedDict, a JSON schema or an OpenAI function.
            method: `"json_schema"`, the default, describes the schema to the model and enforces it.
                `"function_calling"` makes the model call a tool with this schema; a stream yields
                the object once, when it is complete. `"json_mode"` enforces only that the answer is
                a JSON object; the prompt must describe it.
            include_raw: Whether to return a dict of `raw` (the message), `parsed` and
                `parsing_error`. Default: false.
            strict: Accepted for compatibility with OpenAI; schemas are always enforced.
            **kwargs: Parameters of the calls.

        Raises:
            GrammarError: The schema has a part that cannot be enforced; the message names it.
            ValueError: `method` is unknown.
            IncompleteOutputError: When invoked: `max_tokens` or a stop string ended the answer too
                early. The error contains the text.
        """
        if method not in get_args(Method):
            raise ValueError(
                f"Unknown method {method!r}. Use one of {', '.join(get_args(Method))}."
            )
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
