"""Chat templates, rendered as transformers renders them, without transformers."""

import functools
import json
from datetime import datetime
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


def render_chat_template(template: str, **variables: Any) -> str:
    """The text that a template makes of a conversation.

    Args:
        template: Of a tokenizer.
        **variables: `messages`, `add_generation_prompt`, and the special tokens by their roles.

    Raises:
        TemplateError: The template is not Jinja, or refuses the conversation. A template may raise
            any other error as well.
    """
    # transformers names them even if there are none; templates ask for either.
    return _compiled(template).render(**{"tools": None, "documents": None} | variables)


@functools.lru_cache(maxsize=16)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
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
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise(message: str) -> None:
    raise TemplateError(message)
