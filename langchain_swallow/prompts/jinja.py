"""Chat templates, rendered as transformers renders them, without transformers."""

import functools
import json
import re
from collections.abc import Sized
from datetime import datetime
from typing import Any

from jinja2 import Template, TemplateError, meta, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from langchain_swallow.prompts.hidden_text import HIDDEN, hide, reveal

# Longer than any context window; more is a template that would fill the memory.
_MAX_CHARACTERS = 32 * 1024**2
_MAX_BITS = 4096
_NOT_ASCII = re.compile("[^\0-\x7f\U000f0000-\U0010ffff]+")


def render_chat_template(template: str, **variables: Any) -> str:
    """The text that a template makes of a conversation.

    Args:
        template: Of a tokenizer.
        **variables: `messages`, `add_generation_prompt`, and the special tokens by their roles.

    Raises:
        TemplateError: The template is not Jinja, refuses the conversation, or makes a text or a
            number that no prompt has room for. A template may raise any other error as well.
    """
    # transformers names them even if there are none; templates ask for either.
    pieces = _compiled(template).generate(**{"tools": None, "documents": None} | variables)
    rendered, size = [], 0
    for piece in pieces:
        rendered.append(piece)
        size += len(piece)
        _check_size(size)
    return "".join(rendered)


@functools.lru_cache(maxsize=16)
def variables_of(template: str) -> frozenset[str]:
    """Names that a template reads and does not set itself.

    Raises:
        TemplateError: The template is not Jinja.
    """
    environment = _compiled(template).environment
    read = meta.find_undeclared_variables(environment.parse(template))
    return frozenset(read - environment.globals.keys())


@functools.lru_cache(maxsize=16)
def _compiled(template: str) -> Template:
    environment = _Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)


class _Environment(ImmutableSandboxedEnvironment):
    """Refuses what `'x' * 10**9` and `2 ** 10**9` would make, before it is made."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length(), right.bit_length()
            if (bits[0] * right if operator == "**" else sum(bits)) > _MAX_BITS:
                raise TemplateError(f"The template computes a number of over {_MAX_BITS} bits.")
        for sequence, times in ((left, right), (right, left)):
            if isinstance(sequence, Sized) and isinstance(times, int):
                _check_size(len(sequence) * times)
        return super().call_binop(context, operator, left, right)


def _check_size(size: int) -> None:
    if size > _MAX_CHARACTERS:
        raise TemplateError(f"The template makes a text of over {_MAX_CHARACTERS} characters.")


class _Generation(Extension):
    """`{% generation %}`, which marks what is learned in training; here it is its content."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter would escape Japanese and `<`."""
    written = json.dumps(
        value, ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys
    )
    written = HIDDEN.sub(lambda run: hide(_escaped(reveal(run[0]), ensure_ascii)), written)
    # Outside of hidden texts, only the template itself can have written such characters.
    return _NOT_ASCII.sub(lambda run: _escaped(run[0], True), written) if ensure_ascii else written


def _escaped(text: str, ensure_ascii: bool) -> str:
    return json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]


def _raise(message: str) -> None:
    raise TemplateError(message)
