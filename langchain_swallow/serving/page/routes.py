"""Serves the page and its files; each is a fixed file of this package, whatever is asked for."""

import hashlib
import json
import re
from html import escape
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from langchain_swallow._system.language import current_language, in_language
from langchain_swallow.prompts.presets import get_preset
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.identity import requester
from langchain_swallow.serving.own_data import MAX_TITLE_CHARS
from langchain_swallow.serving.page.texts import page_texts
from langchain_swallow.serving.settings import (
    BOUNDS,
    MAX_QUESTION_CHARS,
    MAX_SYSTEM_PROMPT_CHARS,
    MIN_ANSWER_TOKENS,
    Settings,
    rag_presets,
)
from langchain_swallow.serving.visitors import new_visitor

# Not from `mimetypes`: on Windows, a registry may say that scripts are text.
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_BLANK = re.compile(r"\{\{(\w+)\}\}")


def add_page(app: FastAPI, assistant: Assistant, *, can_sign_out: bool) -> None:
    """Add the routes of the page.

    Args:
        app: The application of the API.
        assistant: Who answers.
        can_sign_out: Whether people log in with a token.
    """
    folder = resources.files(__package__).joinpath("static")
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    template = files.pop("index.html").decode()

    @app.get("/", include_in_schema=False)
    def page(request: Request) -> HTMLResponse:
        texts = page_texts()
        config = {"texts": texts, **_config(assistant), "person": requester(request.scope).name}
        blanks = {
            **texts,
            "lang": current_language(),
            "accept": ",".join(sorted(assistant.readable)),
            "shared": "" if assistant.shared_uploads else "hidden",
            "signed": "" if can_sign_out else "hidden",
        }
        filled = {name: escape(text) for name, text in blanks.items()}
        filled["config"] = json.dumps(config, ensure_ascii=False).replace("<", "\\u003c")
        html = _BLANK.sub(lambda blank: filled[blank[1]], template)
        response = HTMLResponse(html, headers={"Cache-Control": "no-store"})
        if cookie := new_visitor(request):
            response.headers.append("set-cookie", cookie)
        return response

    @app.get("/static/{name}", include_in_schema=False)
    def file(request: Request, name: str) -> Response:
        data = files.get(name)
        if data is None:
            return Response(status_code=404)
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=_TYPES[name.rsplit(".", 1)[1]], headers=headers)


def _preset(name: str) -> dict[str, str]:
    english = get_preset(name).english_name or name
    return {"name": name, "label": in_language(name, english)}


def _config(assistant: Assistant) -> dict[str, Any]:
    """What the scripts need to know of the server."""
    lengths, defaults = assistant.lengths, Settings(lengths=assistant.lengths)
    return {
        "ratings": assistant.takes_ratings,
        "durable": assistant.sessions.conversations.is_durable,
        "maxQuestion": MAX_QUESTION_CHARS,
        "maxSystem": MAX_SYSTEM_PROMPT_CHARS,
        "maxTitle": MAX_TITLE_CHARS,
        "presets": [_preset(name) for name in rag_presets()],
        "bounds": {**BOUNDS, "max_tokens": (MIN_ANSWER_TOKENS, lengths.maximum)},
        "defaults": {
            "preset": defaults.preset,
            "system_prompt": "",
            "k": defaults.k,
            "max_tokens": lengths.default,
            # 0 is the model's default: greedy, or sampling for a model that thinks.
            "temperature": 0,
        },
    }
