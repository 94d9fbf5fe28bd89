"""docs/http-api.md and its English twin: every request of the server, from its OpenAPI schema."""

from typing import Any

from langchain_swallow._system.language import current_language, in_language, use_language
from langchain_swallow.serving.api import create_api
from tests.benchmarks.http_api_japanese import JAPANESE
from tests.support.assistants import assistant

_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "maxLength": "length ≤"}


def http_api_page(language: Any) -> str:
    """Requests, their fields, their responses and errors, as Markdown.

    Args:
        language: `"ja"` or `"en"`; names and types are as in the schema.

    Raises:
        KeyError: A text of the schema has no Japanese in `http_api_japanese.py`.
    """
    use_language("en")
    schema = create_api(assistant()).openapi()
    use_language(language)
    try:
        return _page(schema)
    finally:
        use_language(None)


def _page(schema: dict[str, Any]) -> str:
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
    return "\n\n".join([*routes, in_language("## オブジェクト", "## Objects"), *models])


def _route(schema: dict[str, Any], title: str, route: dict[str, Any]) -> str:
    lines = [f"## `{title}`", ""]
    for parameter in route.get("parameters", ()):
        name, place = f"`{parameter['name']}`", parameter["in"]
        lines.append(in_language(f"* {name}（{place}）", f"* {name} in the {place}"))
    for kind, body in route.get("requestBody", {}).get("content", {}).items():
        lines.append(f"* {in_language('本文', 'Body')}: {_as(kind, body)}")
    for status, response in sorted(route["responses"].items()):
        bodies = response.get("content", {}).items()
        types = in_language("、または ", " or ").join(_as(kind, body) for kind, body in bodies)
        about = _text(response["description"].rstrip(".").replace("Successful Response", ""))
        lines.append(f"* {status}: {in_language('、', ', ').join(filter(None, [types, about]))}")
    return "\n".join(lines)


def _model(name: str, model: dict[str, Any]) -> str:
    heads = in_language(
        "| フィールド | 型 | デフォルト | 意味 |", "| field | type | default | meaning |"
    )
    rows = [heads, "|---|---|---|---|"]
    required = model.get("required", ())
    for field, about in model["properties"].items():
        default = (
            in_language("必須", "required") if field in required else f"`{about.get('default')!r}`"
        )
        text = _text(about.get("description", "")).replace("|", "\\|")
        rows.append(f"| `{field}` | {_type(about)} | {default} | {text} |")
    about = _text(" ".join(model.get("description", "").split()))
    return "\n".join([f"### {name} {{ #{name.lower()} }}", "", about, "", *rows])


def _text(text: str) -> str:
    if not text or current_language() == "en":
        return text
    if text not in JAPANESE:
        raise KeyError(
            f"{text!r} has no Japanese. Add it to tests/benchmarks/http_api_japanese.py."
        )
    return JAPANESE[text]


def _as(kind: str, body: dict[str, Any]) -> str:
    return in_language(
        f"{_type(body['schema'])}（`{kind}`）", f"{_type(body['schema'])} as `{kind}`"
    )


def _type(about: dict[str, Any]) -> str:
    """A type of JSON with its limits; a model as a link."""
    if "$ref" in about:
        name = about["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in about:
        return in_language(" か ", " or ").join(_type(part) for part in about["anyOf"])
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    if "const" in about:
        return f"`{about['const']}`"
    if about.get("type") == "array":
        if not about.get("items"):
            return in_language("リスト", "list")
        items = _type(about["items"])
        return in_language(f"{items} のリスト", f"list of {items}")
    limits = [f"{sign} {about[key]:g}" for key, sign in _LIMITS.items() if key in about]
    return ", ".join([about.get("type", "any"), *limits])
