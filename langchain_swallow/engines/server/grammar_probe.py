"""Find out what constrains a server's answers, by asking for a quotation it would not make; pure.

llama.cpp usually turns a JSON schema into its own GBNF. Built with llguidance it takes Lark, but
not for every vocabulary: where SentencePiece puts a space before a text, it takes tokens for other
bytes than it writes, and then lets anything pass. SGLang takes Lark with `--grammar-backend
llguidance`, and JSON schemas by default (xgrammar). vLLM takes Lark whatever its backend.
"""

from typing import Any, Literal

# What a server takes: any grammar, JSON schemas, or nothing.
Grammars = Literal["lark", "schema", "none"]

# Japanese, so of several tokens.
_QUOTED = '"営業"'
_LARK = 'start: "\\"営業\\""'
_PROMPT = "引用:"
_MAX_TOKENS = 16


def build_probe(kind: str, model: str) -> dict[str, Any] | None:
    """The body of a completion request that tells; `None` for servers that are not asked."""
    if kind == "llamacpp":
        grammar = {"grammar": f"%llguidance {{}}\n{_LARK}", "n_predict": _MAX_TOKENS}
    elif kind == "sglang":
        grammar = {"ebnf": _LARK, "max_tokens": _MAX_TOKENS}
    else:
        return None
    return {"model": model, "prompt": _PROMPT, "temperature": 0.0, **grammar}


def parse_grammars(answer: dict[str, Any] | None) -> Grammars:
    """What constrains answers, by the answer to the probe; `None` if it was refused."""
    if answer is None:
        return "schema"
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    text = answer.get("content") or (first.get("text") if isinstance(first, dict) else None)
    return "lark" if text == _QUOTED else "none"
