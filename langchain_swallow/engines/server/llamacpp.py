"""llama.cpp's `/completion` API, which reports more than its `/v1/completions`; pure functions.

Its answers say which stop string ended them, and their log probabilities have token ids. Its
samplers are on by default and run in an unusual order, so requests set all of them.
"""

import json
from typing import Any

from langchain_swallow.engines.protocol import Grammar, Request
from langchain_swallow.engines.server.grammar_probe import Grammars


def completion_url(base_url: str) -> str:
    """Return the URL of `/completion`, which is outside of the OpenAI-compatible `/v1`."""
    return f"{base_url.removesuffix('/v1')}/completion"


def build_payload(request: Request, prompt: Any, model: str) -> dict[str, Any]:
    """Return the body of a request without its grammar.

    Args:
        request: The request.
        prompt: Its prompt, as token ids or text.
        model: The model's name on the server.
    """
    body: dict[str, Any] = {
        "model": model,
        "prompt": prompt,
        "n_predict": request.max_tokens,
        "stream": True,
        "samplers": ["penalties", "temperature", "top_k", "top_p", "min_p"],
        "temperature": request.temperature,
        "top_k": request.top_k,
        "top_p": request.top_p,
        "min_p": request.min_p,
        "repeat_penalty": request.repetition_penalty,
        "presence_penalty": request.presence_penalty,
        # Covers the whole sequence; the default covers only 64 tokens.
        "repeat_last_n": len(request.prompt_ids) + request.max_tokens,
        "stop": list(request.stop),
    }
    if request.stop_tokens:
        # Without this, special tokens have no text, and stop strings in them are not found.
        body["preserved_tokens"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.logprobs is not None:
        body["n_probs"] = max(1, request.logprobs)
    return body


def build_constraint(grammar: Grammar, grammars: Grammars) -> dict[str, Any]:
    """Return the parameters that constrain an answer to a grammar."""
    if grammars == "lark":
        return {"grammar": f"%llguidance {{}}\n{grammar.as_lark}"}
    return {"json_schema": json.loads(grammar.text)}


def as_completion(data: dict[str, Any]) -> dict[str, Any]:
    """Convert one message of the stream to the form of vLLM's `/v1/completions`."""
    choice: dict[str, Any] = {"text": data.get("content", "")}
    if tokens := data.get("completion_probabilities"):
        choice["logprobs"] = {
            "tokens": [_name(token) for token in tokens],
            "token_logprobs": [token["logprob"] for token in tokens],
            "top_logprobs": [
                {_name(top): top["logprob"] for top in token["top_logprobs"]} for token in tokens
            ],
        }
    if not data.get("stop"):
        return {"choices": [choice]}
    choice["finish_reason"] = "length" if data.get("stop_type") == "limit" else "stop"
    choice["stop_reason"] = data.get("stopping_word") or None
    usage = {
        "prompt_tokens": data.get("tokens_evaluated"),
        "completion_tokens": data.get("tokens_predicted"),
        "prompt_tokens_details": {"cached_tokens": data.get("timings", {}).get("cache_n")},
    }
    return {"choices": [choice], "usage": usage}


def _name(token: dict[str, Any]) -> str:
    return f"token_id:{token['id']}"
