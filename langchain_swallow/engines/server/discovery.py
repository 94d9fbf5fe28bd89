"""What a server is: which model it serves, how it takes prompts, what constrains its answers."""

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

# A completion of a few tokens, of a server that may have others to finish before.
_PROBE_LIMIT_S = 20.0
# What a server answers to a prompt of a kind that it does not take; some fail over it.
_REFUSALS = (400, 405, 413, 415, 422, 500, 501)
# Text whose number of tokens tells how a server's tokenizer begins a prompt.
_PROBE = "東京工業大学の主なキャンパスについて教えてください"


async def discover(
    connection: Connection, url: str, *, model: str, tokenizer: Tokenizer, prompt_as: str
) -> Flavor:
    """Ask a server what it serves and how it takes prompts.

    Args:
        connection: To ask through.
        url: The server's address.
        model: The name of the model there; a server with one model needs none.
        tokenizer: The checkpoint's.
        prompt_as: `"ids"`, `"text"`, or `"auto"` to find out.

    Raises:
        EngineError: As the server answers, or does not.
        ModelUnavailableError: It does not have the model.
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
    if prompt_as == "ids" or (prompt_as == "auto" and flavor.is_known):
        return flavor
    return await _detect_prompt_encoding(connection, url, flavor, tokenizer, prompt_as)


def _read(url: str, response: httpx.Response) -> Any:
    """The JSON of a successful response."""
    if not response.is_success:
        raise error_from_response(url, response, response.content)
    return parse_json(url, response.content)


async def _complete(
    connection: Connection, url: str, body: dict[str, Any], refusals: Sequence[int]
) -> dict[str, Any] | None:
    """The answer to a completion of a few tokens; `None` for one of these status codes."""
    response = await connection.ask("POST", url, body, limit_s=_PROBE_LIMIT_S)
    if response.status_code in refusals:
        return None
    data = _read(url, response)
    if not isinstance(data, dict):
        raise ServerError(f"{shown_url(url)} sent what is not a completion: {shorten(data)}.")
    return data


def _models(url: str, data: Any) -> list[dict[str, Any]]:
    """The models of a list that has names."""
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
    """The wanted model of those that a server has, or its only one."""
    for model in models:
        if model["id"] == name:
            return model
    if len(models) == 1:
        return models[0]
    names = ", ".join(model["id"] for model in models) or "none"
    raise ModelUnavailableError(
        f"{shown_url(url)} does not serve {name!r}; it serves {shorten(names)}. "
        "Pass one as served_model=."
    )


async def _detect_prompt_encoding(
    connection: Connection, url: str, flavor: Flavor, tokenizer: Tokenizer, prompt_as: str
) -> Flavor:
    """Find out whether a server takes token ids, and if not, which text it takes for them."""
    bos = tokenizer.bos_token_id
    ids = (*([] if bos is None else [bos]), *tokenizer.encode(_PROBE))
    if prompt_as == "auto" and await _usage(connection, url, flavor, [ids[0]]) is not None:
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
    """The usage of a completion of one token; `None` if the prompt is refused."""
    body = {"model": flavor.model, "prompt": prompt, "max_tokens": 1}
    answer = await _complete(connection, f"{url}/completions", body, _REFUSALS)
    if answer is None:
        return None
    usage = answer.get("usage")
    return usage if isinstance(usage, dict) else {}
