"""`with_structured_output`: a schema → what to ask the model for, and a parser of what it gives.

The answer matches the schema by construction; parsing turns it into the user's type, and says so
when `max_tokens` or a stop string ended it before its last brace.
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
    """What a call is given, in OpenAI's words.

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
    """The JSON schema of a call's `response_format`; `None` for free text.

    Raises:
        GrammarError: It is not of OpenAI's form.
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
    """What an answer with this schema must match.

    Raises:
        GrammarError: The schema has a part that cannot be enforced.
    """
    grammar = _grammar(schema)
    check_grammar(grammar)
    return grammar


def schema_instruction(schema: dict[str, Any]) -> str | None:
    """What the system block says of a schema; nothing of `json_object`, which has none."""
    if schema == _ANY_OBJECT:
        return None
    return _INSTRUCTION + json.dumps(without_titles(schema), ensure_ascii=False)


def traced_schema(schema: Any) -> Any:
    """The schema as LangSmith is told of it; core converts what it is given once more."""
    try:
        return convert_to_json_schema(schema)
    # A TypedDict that contains itself, or has optional keys.
    except (RecursionError, TypeError):
        return to_json_schema(schema)
    except (ValueError, AttributeError, LookupError):  # such as a schema without a title
        return schema


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """An answer, JSON text or a tool call, as the user's type.

    Streams a dict as it grows; an object of a class comes once, when it is whole, and so does what
    a tool call says.

    Args:
        pydantic_class: Class to make (v2 or v1); `None` gives dicts.
        json_schema: What a dict must match; `None` is any JSON.

    Raises:
        IncompleteOutputError: `max_tokens` or a stop string ended the answer before its end.
        OutputParserException: The answer is not JSON, or not of its schema: no grammar made it.
        ValidationError: The class has checks beyond its schema, and the answer fails them.
    """

    pydantic_class: Any = None
    json_schema: dict[str, Any] | None = None

    @property
    def _type(self) -> str:
        return "swallow_structured_output"

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The parsed answer; `None` while it is too short to be one."""
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
        """The parsed text."""
        return self._parse_text(text, None, partial=False)

    def _parse_text(self, text: str, cut: str | None, *, partial: bool) -> Any:
        if partial:
            return self._make(_parse_partial(text), partial=True)
        try:
            value = parse_json(text)
        except ValueError as error:
            raise _not_whole(text, cut, str(error)) from error
        # Of a number that is cut nobody sees it.
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
    except ValueError:  # what no more text makes JSON, which the end says
        return None


def _cut(metadata: dict[str, Any]) -> str | None:
    """What ended an answer before the model did."""
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
        f"{cut} before the JSON was whole: {text[-80:]!r}. "
        "Raise max_tokens or leave out the stop string, or bound strings and lists in the schema.",
        text,
    )


def with_raw(llm: Runnable[Any, AIMessage], parser: StructuredOutputParser) -> Runnable[Any, Any]:
    """The message as `raw`, what the parser makes of it as `parsed`, its error if it fails."""
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    # The model comes first: it is to get what is given with a call.
    raw: Runnable[Any, Any] = llm | RunnableMap(raw=RunnablePassthrough())
    outcome = parsed.with_fallbacks([failed], exception_key="parsing_error")
    # In a stream a fallback takes over before the first chunk only, and that is the message.
    return raw | RunnableLambda(outcome.invoke, outcome.ainvoke, name="parse")


def _broken_call(message: AIMessage, cut: str | None) -> tuple[str, str | None, str | None]:
    """The arguments of a call that is not valid, what cut the answer, and what is wrong."""
    call = message.invalid_tool_calls[0]
    text, reason = call["args"] or "", call["error"]
    if isinstance(message, AIMessageChunk) and reason is None:
        reason, text = text.strip().rpartition("\n")[0], written_arguments(text)
    return text, cut, reason


def _grammar(schema: dict[str, Any]) -> Grammar:
    return Grammar("json_schema", json.dumps(for_grammar(schema), ensure_ascii=False))
