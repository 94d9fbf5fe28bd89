"""Discovers which model a server serves, how it takes prompts, and which grammars it enforces."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx

from langchain_swallow.engines.server.connection import CONNECT_TIMEOUT_S, Connection
from langchain_swallow.engines.server.errors import (
    CHECK_URL,
    error_from_response,
    parse_json,
    shorten,
    shown_url,
)
from langchain_swallow.engines.server.grammar_probe import build_probe, parse_grammars
from langchain_swallow.engines.server.protocol import Flavor, parse_count, prompt_text
from langchain_swallow.errors import ModelUnavailableError, ServerError
from langchain_swallow.prompts.tokenizer import Tokenizer

# Time limit of a completion of a few tokens, which may queue behind other requests.
_PROBE_LIMIT_S = 20.0
# Status codes for a prompt in a form that the server does not accept; some servers crash on it.
_REFUSALS = (400, 405, 413, 415, 422, 500, 501)
# The number of tokens of this text shows how a server's tokenizer starts a prompt.
_PROBE = "東京工業大学の主なキャンパスについて教えてください"


async def discover(
    connection: Connection, url: str, *, model: str, tokenizer: Tokenizer, prompt_encoding: str
) -> Flavor:
    """Query a server for what it serves and how it takes prompts.

    Args:
        connection: The connection to use.
        url: The server's address.
        model: Name of the model on the server; a server with only one model accepts any name.
        tokenizer: The checkpoint's tokenizer.
        prompt_encoding: `"ids"`, `"text"`, or `"auto"`, which detects what the server accepts.

    Raises:
        EngineError: The server reports an error or does not answer.
        ModelUnavailableError: The server does not have the model.
    """
    reply = await connection.ask("GET", f"{url}/models", limit_s=CONNECT_TIMEOUT_S)
    served = _served(url, _models(url, _read(f"{url}/models", reply)), model)
    kind = str(served.get("owned_by", ""))
    meta = served.get("meta")
    flavor = Flavor(
        model=served["id"],
        kind=kind,
        grammars="lark" if kind == "vllm" else "schema",
        context_window=parse_count(served.get("max_model_len"))
        or parse_count(meta.get("n_ctx") if isinstance(meta, dict) else None),
    )
    if probe := build_probe(kind, flavor.model):
        answer = await _complete(connection, flavor.completions_url(url), probe, [400])
        flavor = replace(flavor, grammars=parse_grammars(answer))
    if prompt_encoding == "ids" or (prompt_encoding == "auto" and flavor.is_known):
        return flavor
    return await _detect_prompt_encoding(connection, url, flavor, tokenizer, prompt_encoding)


def _read(url: str, response: httpx.Response) -> Any:
    """Return the JSON of a successful response."""
    if not response.is_success:
        raise error_from_response(url, response, response.content)
    return parse_json(url, response.content)


async def _complete(
    connection: Connection, url: str, body: dict[str, Any], refusals: Sequence[int]
) -> dict[str, Any] | None:
    """Return the answer to a short completion; `None` if its status is one of `refusals`."""
    response = await connection.ask("POST", url, body, limit_s=_PROBE_LIMIT_S)
    if response.status_code in refusals:
        return None
    data = _read(url, response)
    if not isinstance(data, dict):
        raise ServerError(
            f"{shown_url(url)} answered with a body that is not a completion: {shorten(data)}."
        )
    return data


def _models(url: str, data: Any) -> list[dict[str, Any]]:
    """Return the models of a server's list."""
    listed = data.get("data") if isinstance(data, dict) else None
    models = listed if isinstance(listed, list) else None
    named = [m for m in models or () if isinstance(m, dict) and isinstance(m.get("id"), str)]
    if models is None or (models and not named):
        raise ServerError(
            f"{shown_url(url)}/models does not list models as OpenAI's API does: {shorten(data)}. "
            f"{CHECK_URL}"
        )
    return named


def _served(url: str, models: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the model with this name, or the only model of the server."""
    for model in models:
        if model["id"] == name:
            return model
    if len(models) == 1:
        return models[0]
    names = ", ".join(model["id"] for model in models) or "none"
    raise ModelUnavailableError(
        f"{shown_url(url)} does not serve {name!r}; it serves {shorten(names)}. "
        "Pass one as served_model_name=."
    )


async def _detect_prompt_encoding(
    connection: Connection, url: str, flavor: Flavor, tokenizer: Tokenizer, prompt_encoding: str
) -> Flavor:
    """Detect whether a server takes token ids, and if not, which text gives the same ids."""
    bos = tokenizer.bos_token_id
    ids = (*([] if bos is None else [bos]), *tokenizer.encode(_PROBE))
    if prompt_encoding == "auto" and await _usage(connection, url, flavor, [ids[0]]) is not None:
        return flavor
    forms = [
        replace(flavor, takes_ids=False, adds_bos=adds_bos, adds_space=adds_space)
        for adds_bos, adds_space in ((True, True), (False, True), (False, False))
    ]
    for form in forms:
        usage = await _usage(connection, url, flavor, prompt_text(ids, tokenizer, form))
        if usage is not None and usage.get("prompt_tokens") == len(ids):
            return form
    return forms[0]


async def _usage(
    connection: Connection, url: str, flavor: Flavor, prompt: Any
) -> dict[str, Any] | None:
    """Return the usage of a completion of one token; `None` if the prompt is refused."""
    body = {"model": flavor.model, "prompt": prompt, "max_tokens": 1}
    answer = await _complete(connection, f"{url}/completions", body, _REFUSALS)
    if answer is None:
        return None
    usage = answer.get("usage")
    return usage if isinstance(usage, dict) else {}
