"""`with_structured_output`: binds a schema to the model, and parses its answers.

The grammar makes the answer match the schema. The parser converts it to the user's type, and
reports answers that `max_tokens` or a stop string cut off.
"""

import json
from operator import itemgetter
from typing import Any, Literal

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.json import parse_partial_json
from pydantic import BaseModel

from langchain_swallow.chat_models.json_schemas import (
    closed,
    for_grammar,
    refuse_malformed,
    to_json_schema,
    without_titles,
)
from langchain_swallow.chat_models.json_values import parse_json, schema_error
from langchain_swallow.chat_models.tool_calls import written_arguments
from langchain_swallow.engines.grammar import check_grammar
from langchain_swallow.engines.protocol import Grammar
from langchain_swallow.errors import GrammarError, IncompleteOutputError
from langchain_swallow.text.surrogates import replace_surrogates_in

Method = Literal["json_schema", "function_calling", "json_mode"]

_INSTRUCTION = "次の JSON スキーマに従って、JSON だけで答えてください。\n"
_ANY_OBJECT = {"type": "object"}


def response_format(schema: Any, method: Method) -> dict[str, Any]:
    """Return the call's `response_format`, in OpenAI's format.

    Raises:
        GrammarError: The schema has a part that cannot be enforced.
    """
    if method == "json_mode":
        return {"type": "json_object"}
    json_schema = replace_surrogates_in(to_json_schema(schema))
    with refuse_malformed():
        schema_instruction(json_schema)
        check_grammar(_grammar(json_schema))
    return {
        "type": "json_schema",
        "json_schema": {"name": json_schema.get("title", "answer"), "schema": json_schema},
    }


def answer_schema(value: Any) -> dict[str, Any] | None:
    """Return the JSON schema of a call's `response_format`; `None` for free text.

    Raises:
        GrammarError: The value is not in OpenAI's format.
    """
    kind = value.get("type") if isinstance(value, dict) else None
    if value is None or kind == "text":
        return None
    if kind == "json_object":
        return _ANY_OBJECT
    inner = value.get("json_schema") if isinstance(value, dict) else None
    if kind == "json_schema" and isinstance(inner, dict) and isinstance(inner.get("schema"), dict):
        return dict(closed(replace_surrogates_in(inner["schema"])))
    raise GrammarError(
        f"Unknown response_format {value!r}. Use {{'type': 'json_schema', 'json_schema': "
        "{'name': …, 'schema': …}}, {'type': 'json_object'} or with_structured_output()."
    )


def answer_grammar(schema: dict[str, Any]) -> Grammar:
    """Return the grammar of answers with this schema.

    Raises:
        GrammarError: The schema has a part that cannot be enforced.
    """
    grammar = _grammar(schema)
    check_grammar(grammar)
    return grammar


def schema_instruction(schema: dict[str, Any]) -> str | None:
    """Return the system text that describes a schema; `None` for `json_object`, which has none."""
    if schema == _ANY_OBJECT:
        return None
    return _INSTRUCTION + json.dumps(without_titles(schema), ensure_ascii=False)


def traced_schema(schema: Any) -> Any:
    """Return the schema for LangSmith's traces; langchain-core converts it once more."""
    try:
        return convert_to_json_schema(schema)
    # A TypedDict that is recursive, or has optional keys.
    except (RecursionError, TypeError):
        return to_json_schema(schema)
    except (ValueError, AttributeError, LookupError):  # such as a schema without a title
        return schema


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """Parses an answer, JSON text or a tool call, to the user's type.

    A stream yields a dict as it grows. An object of a class, and the arguments of a tool call, are
    yielded once, when complete.

    Args:
        pydantic_class: Class of the result (pydantic v2 or v1); `None` returns dicts.
        json_schema: Schema that a dict must match; `None` accepts any JSON.

    Raises:
        IncompleteOutputError: `max_tokens` or a stop string cut the answer off.
        OutputParserException: The answer is not valid JSON or does not match the schema, because no
            grammar constrained it.
        ValidationError: The answer fails validators of the class that are not part of its schema.
    """

    pydantic_class: Any = None
    json_schema: dict[str, Any] | None = None

    @property
    def _type(self) -> str:
        return "swallow_structured_output"

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Return the parsed answer; `None` while a partial answer is too short."""
        message = result[0].message if isinstance(result[0], ChatGeneration) else None
        if not isinstance(message, AIMessage):
            return self._parse_text(result[0].text, None, partial=partial)
        partial = partial and message.response_metadata.get("finish_reason") is None
        if message.tool_calls:
            return self._make(message.tool_calls[0]["args"], partial=partial)
        cut = _cut(message.response_metadata)
        if message.invalid_tool_calls and not partial:
            raise _not_whole(*_broken_call(message, cut))
        return self._parse_text(message.text, cut, partial=partial)

    def parse(self, text: str) -> Any:
        """Return the parsed text."""
        return self._parse_text(text, None, partial=False)

    def _parse_text(self, text: str, cut: str | None, *, partial: bool) -> Any:
        if partial:
            return self._make(_parse_partial(text), partial=True)
        try:
            value = parse_json(text)
        except ValueError as error:
            raise _not_whole(text, cut, str(error)) from error
        # A number that was cut off is still valid JSON.
        if cut and not isinstance(value, (dict, list)):
            raise _not_whole(text, cut, None)
        reason = self.json_schema and schema_error(value, self.json_schema)
        if reason:
            raise OutputParserException(
                f"The answer does not match its schema: {reason}.", llm_output=text
            )
        return self._make(value, partial=False)

    def _make(self, value: Any, *, partial: bool) -> Any:
        if self.pydantic_class is None:
            return value
        if partial:
            return None
        if issubclass(self.pydantic_class, BaseModel):
            return self.pydantic_class.model_validate(value)
        return self.pydantic_class.parse_obj(value)


def _parse_partial(text: str) -> Any:
    try:
        return parse_partial_json(text) if text.strip() else None
    except ValueError:  # the error is raised at the end of the answer
        return None


def _cut(metadata: dict[str, Any]) -> str | None:
    """Return what cut an answer off; `None` if the model ended it."""
    if metadata.get("finish_reason") == "length":
        return "max_tokens was reached"
    if (stop := metadata.get("stop_sequence")) is not None:
        return f"The stop string {stop!r} ended the answer"
    return None


def _not_whole(text: str, cut: str | None, reason: str | None) -> OutputParserException:
    if cut is None:
        return OutputParserException(
            f"The answer is not valid JSON: {text[-80:]!r}. {reason or ''}".rstrip(),
            llm_output=text,
        )
    return IncompleteOutputError(
        f"{cut} before the JSON was complete: {text[-80:]!r}. "
        "Raise max_tokens or leave out the stop string, or bound strings and lists in the schema.",
        text,
    )


def with_raw(llm: Runnable[Any, AIMessage], parser: StructuredOutputParser) -> Runnable[Any, Any]:
    """Return the message as `raw`, the parser's result as `parsed`, and its error, if any."""
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    # The model comes first in the sequence, so that it gets the parameters of a call.
    raw: Runnable[Any, Any] = llm | RunnableMap(raw=RunnablePassthrough())
    outcome = parsed.with_fallbacks([failed], exception_key="parsing_error")
    # In a stream, a fallback can replace only the first chunk, which is the message here.
    return raw | RunnableLambda(outcome.invoke, outcome.ainvoke, name="parse")


def _broken_call(message: AIMessage, cut: str | None) -> tuple[str, str | None, str | None]:
    """Return the arguments of an invalid call, what cut the answer off, and the error."""
    call = message.invalid_tool_calls[0]
    text, reason = call["args"] or "", call["error"]
    if isinstance(message, AIMessageChunk) and reason is None:
        reason, text = text.strip().rpartition("\n")[0], written_arguments(text)
    return text, cut, reason


def _grammar(schema: dict[str, Any]) -> Grammar:
    return Grammar("json_schema", json.dumps(for_grammar(schema), ensure_ascii=False))
