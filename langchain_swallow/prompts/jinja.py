"""Renders chat templates as transformers does, without transformers."""

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

# Many times the length of any checkpoint's template.
_MAX_TEMPLATE = 256 * 1024
_NOT_ASCII = re.compile("[^\0-\x7f\U000f0000-\U0010ffff]+")


def render_chat_template(template: str, **variables: Any) -> str:
    """Return the text that a template writes for a conversation.

    Args:
        template: A tokenizer's chat template.
        **variables: `messages`, `add_generation_prompt`, and the special tokens by their roles.

    Raises:
        TemplateError: The template is not valid Jinja, refuses the conversation, or exceeds the
            limits of memory or time. A template may also raise any other error.
    """
    compiled = _compiled(template)
    with budget():
        # transformers always defines these two, and templates test for either.
        return compiled.render(**{"tools": None, "documents": None} | variables)


@functools.lru_cache(maxsize=16)
def find_variables(template: str) -> frozenset[str]:
    """Return the names that a template reads but does not set.

    Raises:
        TemplateError: The template is not valid Jinja.
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
    with budget():  # Jinja evaluates constant expressions during compilation
        return environment.from_string(template)


class _Generation(Extension):
    """The tag `{% generation %}`, which marks text for training; only its content is rendered."""

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
    """Serialize to JSON; unlike Jinja's own filter, do not escape Japanese and `<`."""
    encoder = json.JSONEncoder(
        ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys
    )
    # With deep values, indentation may make the output arbitrarily large, so it is joined with a
    # limit.
    parts = [encoder.encode(value)] if indent is None else encoder.iterencode(value)
    written = bounded_concat(parts)
    written = HIDDEN.sub(lambda run: hide(_escaped(reveal(run[0]), ensure_ascii)), written)
    # Only the template's own text, outside of hidden texts, contains these characters.
    return _NOT_ASCII.sub(lambda run: _escaped(run[0], True), written) if ensure_ascii else written


def _escaped(text: str, ensure_ascii: bool) -> str:
    return json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]


def _raise(message: str) -> None:
    raise TemplateError(message)
