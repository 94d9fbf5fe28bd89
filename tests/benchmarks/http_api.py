"""docs/http-api.md: every request of the server, from its OpenAPI schema."""

from typing import Any

from langchain_swallow.serving.api import create_api
from tests.support.assistants import assistant

_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "maxLength": "length ≤"}


def http_api_page() -> str:
    """Requests, their fields, their responses and errors, as Markdown."""
    schema = create_api(assistant()).openapi()
    routes = [
        _route(schema, f"{method.upper()} {path}", route)
        for path, methods in sorted(schema["paths"].items())
        for method, route in methods.items()
    ]
    models = [
        _model(name, model)
        for name, model in sorted(schema["components"]["schemas"].items())
        if model.get("properties")
    ]
    return "\n\n".join([*routes, "## Objects", *models])


def _route(schema: dict[str, Any], title: str, route: dict[str, Any]) -> str:
    lines = [f"## `{title}`", ""]
    for parameter in route.get("parameters", ()):
        lines.append(f"* `{parameter['name']}` in the {parameter['in']}")
    for kind, body in route.get("requestBody", {}).get("content", {}).items():
        lines.append(f"* Body: {_type(body['schema'])} as `{kind}`")
    for status, response in sorted(route["responses"].items()):
        types = " or ".join(
            f"{_type(body['schema'])} as `{kind}`"
            for kind, body in response.get("content", {}).items()
        )
        about = response["description"].rstrip(".").replace("Successful Response", "")
        lines.append(f"* {status}: {', '.join(filter(None, [types, about]))}")
    return "\n".join(lines)


def _model(name: str, model: dict[str, Any]) -> str:
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    required = model.get("required", ())
    for field, about in model["properties"].items():
        default = "required" if field in required else f"`{about.get('default')!r}`"
        text = about.get("description", "").replace("|", "\\|")
        rows.append(f"| `{field}` | {_type(about)} | {default} | {text} |")
    about = " ".join(model.get("description", "").split())
    return "\n".join([f"### {name} {{ #{name.lower()} }}", "", about, "", *rows])


def _type(about: dict[str, Any]) -> str:
    """A type of JSON with its limits; a model as a link."""
    if "$ref" in about:
        name = about["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in about:
        return " or ".join(_type(part) for part in about["anyOf"])
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    if "const" in about:
        return f"`{about['const']}`"
    if about.get("type") == "array":
        return f"list of {_type(about['items'])}" if about.get("items") else "list"
    limits = [f"{sign} {about[key]:g}" for key, sign in _LIMITS.items() if key in about]
    return ", ".join([about.get("type", "any"), *limits])
