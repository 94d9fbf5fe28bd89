"""Converts tools that users pass to OpenAI's format, without changing their schemas.

The input is functions, LangChain tools, classes, and dicts of several providers. LangChain's own
conversion inlines references, and replaces a recursive class by `{}`, which allows anything. Here
such a class keeps its references.
"""

from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.tools import BaseTool, create_schema_from_function
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic.errors import PydanticUserError
from typing_extensions import is_typeddict

from langchain_swallow.chat_models.json_schemas import (
    root_resolved,
    schema_beyond_core,
    without_titles,
)
from langchain_swallow.errors import GrammarError

_NAMING = ("title", "description")
_ACCEPTED = (
    "Pass functions, LangChain tools, pydantic classes, TypedDicts, or dicts such as "
    "{'type': 'function', 'function': {'name': …, 'description': …, 'parameters': …}}; tools that "
    "a provider runs itself, such as web_search, do not exist here."
)


def to_openai_tools(tools: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the tools in OpenAI's format.

    Raises:
        GrammarError: A value is not a tool, or two different tools have the same name.
    """
    if isinstance(tools, (str, dict)) or not isinstance(tools, Iterable):
        raise GrammarError(f"tools must be a list, not {tools!r}. {_ACCEPTED}")
    converted: dict[str, dict[str, Any]] = {}
    for tool in map(_openai_tool, tools):
        name = tool["function"]["name"]
        if name in converted and _schema(tool) != _schema(converted[name]):
            raise GrammarError(f"Two tools are named {name!r}. Give each a name of its own.")
        converted.setdefault(name, tool)
    return list(converted.values())


def _schema(tool: dict[str, Any]) -> Any:
    return without_titles(tool["function"].get("parameters"))


def _openai_tool(tool: Any) -> dict[str, Any]:
    function = _from_dict(tool) if isinstance(tool, dict) else _from_python(tool)
    name, parameters = function.get("name"), function.get("parameters")
    if not isinstance(name, str) or not name:
        raise GrammarError(f"The tool {tool!r} has no name. {_ACCEPTED}")
    if not isinstance(parameters, (dict, bool, type(None))):
        raise GrammarError(
            f"The parameters of the tool {name!r} are {parameters!r}. Pass a JSON schema."
        )
    return {"type": "function", "function": function}


def _from_dict(tool: dict[str, Any]) -> dict[str, Any]:
    if isinstance(tool.get("function"), dict):
        return dict(tool["function"])
    if tool.get("type") == "function":  # OpenAI's Responses API has no inner dict
        return {key: part for key, part in tool.items() if key != "type"}
    is_schema = "title" in tool and "name" not in tool
    if is_schema:
        rest = {key: part for key, part in tool.items() if key not in _NAMING}
        return {
            "name": tool["title"],
            "description": tool.get("description", ""),
            "parameters": rest,
        }
    # A dict with only a type and a name is a tool that its provider runs.
    is_provided = "type" in tool and not {"input_schema", "parameters"} & tool.keys()
    return {} if is_provided else _converted(tool)


def _from_python(tool: Any) -> dict[str, Any]:
    if not callable(tool) and not isinstance(tool, BaseTool):
        raise GrammarError(f"{tool!r} is not a tool. {_ACCEPTED}")
    try:
        schema = schema_beyond_core(_arguments_type(tool))
    except (ValueError, TypeError, NameError, PydanticUserError) as error:
        raise GrammarError(f"The tool {tool!r} has no JSON schema: {error}") from error
    if schema is None:
        return _converted(tool)
    root = root_resolved(schema)
    parameters = {key: part for key, part in root.items() if key not in _NAMING}
    if is_typeddict(tool):  # langchain-core's conversion would never end
        named = {"name": tool.__name__, "description": root.get("description", "")}
    else:
        named = _converted(tool)
    return {**named, "parameters": parameters}


def _arguments_type(tool: Any) -> Any:
    """Return the class or the schema of a tool's arguments."""
    if isinstance(tool, BaseTool):
        return tool.tool_call_schema
    return tool if isinstance(tool, type) else _arguments_class(tool)


def _arguments_class(function: Callable[..., Any]) -> Any:
    # As langchain-core does for functions.
    return create_schema_from_function(
        getattr(function, "__name__", type(function).__name__),
        function,
        filter_args=(),
        parse_docstring=True,
        error_on_invalid_docstring=False,
        include_injected=False,
    )


def _converted(tool: Any) -> dict[str, Any]:
    try:
        return dict(convert_to_openai_tool(tool).get("function") or {})
    except (ValueError, TypeError, LookupError, AttributeError, PydanticUserError) as error:
        raise GrammarError(f"{tool!r} is not a tool: {error}. {_ACCEPTED}") from error
