"""llama.cpp's own `/completion`, which tells what its `/v1/completions` leaves out; pure.

There the answer says which stop string ended it, and logprobs have the ids of their tokens. Its
samplers run in another order than everyone else's and are on by default, so all are named.
"""

import json
from typing import Any

from langchain_swallow.engines.protocol import Grammar, Request
from langchain_swallow.engines.server.grammar_probe import Grammars


def completion_url(base_url: str) -> str:
    """Where it stands, beside the OpenAI-compatible paths under `/v1`."""
    return f"{base_url.removesuffix('/v1')}/completion"


def build_payload(request: Request, prompt: Any, model: str) -> dict[str, Any]:
    """The body of a request, all but its grammar.

    Args:
        request: What is asked for.
        prompt: Its prompt, as token ids or text.
        model: Its name on the server.
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
        # All there will be; by default it looks at 64.
        "repeat_last_n": len(request.prompt_ids) + request.max_tokens,
        "stop": list(request.stop),
    }
    if request.stop_tokens:
        # Without this the text of a special token is not written, and no stop string is found.
        body["preserved_tokens"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.logprobs is not None:
        body["n_probs"] = max(1, request.logprobs)
    return body


def build_constraint(grammar: Grammar, grammars: Grammars) -> dict[str, Any]:
    """What constrains an answer to a grammar that the server takes."""
    if grammars == "lark":
        return {"grammar": f"%llguidance {{}}\n{grammar.as_lark}"}
    return {"json_schema": json.loads(grammar.text)}


def as_completion(data: dict[str, Any]) -> dict[str, Any]:
    """One message of the stream as `/v1/completions` of vLLM would write it."""
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
