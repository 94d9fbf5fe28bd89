"""`with_structured_output`: a schema → what to ask the model for, and a parser of what it gives.

The answer matches the schema by construction; parsing turns it into the user's type, and says so
when `max_tokens` ended it before its last brace.
"""

import json
from operator import itemgetter
from typing import Any, Literal

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.json import parse_partial_json
from pydantic import BaseModel

from langchain_swallow.engines.base import Grammar
from langchain_swallow.engines.constraints import check_grammar
from langchain_swallow.errors import IncompleteOutputError
from langchain_swallow.json_schemas import closed, for_grammar, to_json_schema
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
    made = replace_surrogates_in(to_json_schema(schema))
    check_grammar(_grammar(made))
    return {
        "type": "json_schema",
        "json_schema": {"name": made.get("title", "answer"), "schema": made},
    }


def answer_schema(given: Any) -> dict[str, Any] | None:
    """The JSON schema of a call's `response_format`; `None` for free text.

    Raises:
        ValueError: It is not of OpenAI's form.
    """
    kind = given.get("type") if isinstance(given, dict) else None
    if given is None or kind == "text":
        return None
    if kind == "json_object":
        return _ANY_OBJECT
    if kind == "json_schema":
        return dict(closed(replace_surrogates_in(given["json_schema"]["schema"])))
    raise ValueError(
        f"Unknown response_format {given!r}. Use {{'type': 'json_schema', 'json_schema': "
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
    return _INSTRUCTION + json.dumps(_without_titles(schema), ensure_ascii=False)


def traced_schema(schema: Any) -> Any:
    """The schema as LangSmith is told of it."""
    try:
        return convert_to_json_schema(schema)
    except ValueError:  # a JSON schema without a title
        return schema


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """An answer, JSON text or a tool call, as the user's type.

    Streams a dict as it grows; an object of a class comes once, when it is whole.

    Args:
        pydantic_class: Class to make (v2 or v1); `None` gives dicts.

    Raises:
        IncompleteOutputError: `max_tokens` was reached before the end.
        ValidationError: The class has checks beyond its schema, and the answer fails them.
    """

    pydantic_class: Any = None

    @property
    def _type(self) -> str:
        return "swallow_structured_output"

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The parsed answer; `None` while it is too short to be one."""
        message = result[0].message if isinstance(result[0], ChatGeneration) else None
        if not isinstance(message, AIMessage):
            return self._parse_text(result[0].text, partial=partial)
        reason = message.response_metadata.get("finish_reason")
        if reason == "length":
            partial_text = message.text or _call_text(message)
            raise IncompleteOutputError(
                f"max_tokens was reached before the JSON was whole: {partial_text[-80:]!r}. "
                "Raise max_tokens, or bound strings and lists in the schema.",
                partial_text,
            )
        partial = partial and reason is None
        if message.tool_calls:
            return self._make(message.tool_calls[0]["args"], partial)
        return self._parse_text(message.text, partial=partial)

    def parse(self, text: str) -> Any:
        """The parsed text."""
        return self._parse_text(text, partial=False)

    def _parse_text(self, text: str, *, partial: bool) -> Any:
        if partial and not text.strip():
            return None
        return self._make(parse_partial_json(text) if partial else json.loads(text), partial)

    def _make(self, value: Any, partial: bool) -> Any:
        if self.pydantic_class is None:
            return value
        if partial:
            return None
        if issubclass(self.pydantic_class, BaseModel):
            return self.pydantic_class.model_validate(value)
        return self.pydantic_class.parse_obj(value)


def with_raw(llm: Runnable[Any, AIMessage], parser: StructuredOutputParser) -> Runnable[Any, Any]:
    """The message as `raw`, what the parser makes of it as `parsed`, its error if it fails."""
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    # The model comes first: it is to get what is given with a call.
    raw: Runnable[Any, Any] = llm | RunnableMap(raw=RunnablePassthrough())
    return raw | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _call_text(message: AIMessage) -> str:
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        return message.tool_call_chunks[0]["args"] or ""
    broken = message.invalid_tool_calls
    return (broken[0]["args"] or "") if broken else ""


def _grammar(schema: dict[str, Any]) -> Grammar:
    return Grammar("json_schema", json.dumps(for_grammar(schema), ensure_ascii=False))


def _without_titles(schema: Any) -> Any:
    """Pydantic titles every property with its own name, which tells a model nothing."""
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_titles(part)
        for key, part in schema.items()
        if not (key == "title" and isinstance(part, str))
    }
