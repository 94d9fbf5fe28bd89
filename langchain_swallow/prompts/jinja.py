"""Chat templates, rendered as transformers renders them, without transformers."""

import functools
import json
import re
from datetime import datetime
from typing import Any

from jinja2 import Template, TemplateError, meta, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser

from langchain_swallow.prompts.bounded_jinja import BoundedEnvironment, bounded_concat, budget
from langchain_swallow.prompts.hidden_text import HIDDEN, hide, reveal

# Many times the longest template of a checkpoint.
_MAX_TEMPLATE = 256 * 1024
_NOT_ASCII = re.compile("[^\0-\x7f\U000f0000-\U0010ffff]+")


def render_chat_template(template: str, **variables: Any) -> str:
    """The text that a template makes of a conversation.

    Args:
        template: Of a tokenizer.
        **variables: `messages`, `add_generation_prompt`, and the special tokens by their roles.

    Raises:
        TemplateError: The template is not Jinja, refuses the conversation, or takes more memory
            or time than any prompt needs. A template may raise any other error as well.
    """
    compiled = _compiled(template)
    with budget():
        # transformers names them even if there are none; templates ask for either.
        return compiled.render(**{"tools": None, "documents": None} | variables)


@functools.lru_cache(maxsize=16)
def find_variables(template: str) -> frozenset[str]:
    """Names that a template reads and does not set itself.

    Raises:
        TemplateError: The template is not Jinja.
    """
    environment = _compiled(template).environment
    read = meta.find_undeclared_variables(environment.parse(template))
    return frozenset(read - environment.globals.keys())


@functools.lru_cache(maxsize=16)
def _compiled(template: str) -> Template:
    if len(template) > _MAX_TEMPLATE:
        raise TemplateError(f"The template has over {_MAX_TEMPLATE} characters.")
    environment = BoundedEnvironment(
        {"tojson": _to_json},
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, loopcontrols],
    )
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    with budget():  # Jinja computes what is constant
        return environment.from_string(template)


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
    encoder = json.JSONEncoder(
        ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys
    )
    # Every line of a deep value begins with its indentation, which may be any number.
    parts = [encoder.encode(value)] if indent is None else encoder.iterencode(value)
    written = bounded_concat(parts)
    written = HIDDEN.sub(lambda run: hide(_escaped(reveal(run[0]), ensure_ascii)), written)
    # Outside of hidden texts, only the template itself can have written such characters.
    return _NOT_ASCII.sub(lambda run: _escaped(run[0], True), written) if ensure_ascii else written


def _escaped(text: str, ensure_ascii: bool) -> str:
    return json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]


def _raise(message: str) -> None:
    raise TemplateError(message)
