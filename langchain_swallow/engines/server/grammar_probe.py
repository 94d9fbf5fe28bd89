"""Detects which grammars a server enforces, by a probe with an unlikely answer; pure functions.

llama.cpp usually converts a JSON schema to GBNF. Built with llguidance it accepts Lark, but not for
every vocabulary: where SentencePiece puts a space before a text, its mask uses other bytes than
those of its tokens, so it does not enforce anything. SGLang accepts Lark with `--grammar-backend
llguidance`, and JSON schemas by default (xgrammar). vLLM accepts Lark with every backend.
"""

from typing import Any, Literal

# What a server enforces: any grammar, JSON schemas only, or nothing.
Grammars = Literal["lark", "schema", "none"]

# Japanese text, which is several tokens.
_QUOTED = '"営業"'
_LARK = 'start: "\\"営業\\""'
_PROMPT = "引用:"
_MAX_TOKENS = 16


def build_probe(kind: str, model: str) -> dict[str, Any] | None:
    """Return the body of the probe request; `None` for servers that need no probe."""
    if kind == "llamacpp":
        grammar = {"grammar": f"%llguidance {{}}\n{_LARK}", "n_predict": _MAX_TOKENS}
    elif kind == "sglang":
        grammar = {"ebnf": _LARK, "max_tokens": _MAX_TOKENS}
    else:
        return None
    return {"model": model, "prompt": _PROMPT, "temperature": 0.0, **grammar}


def parse_grammars(answer: dict[str, Any] | None) -> Grammars:
    """Return what a server enforces, from its answer to the probe; `None` is a refusal."""
    if answer is None:
        return "schema"
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    text = answer.get("content") or (first.get("text") if isinstance(first, dict) else None)
    return "lark" if text == _QUOTED else "none"
