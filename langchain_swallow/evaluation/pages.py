"""Render Jinja templates to one HTML file that opens offline: text is escaped, figures inlined."""

import base64
from pathlib import Path
from typing import Any

import jinja2

from langchain_swallow._system.language import current_language, in_language


def write_page(path: Path, template: str, **values: Any) -> None:
    """Render a template of this package to a file.

    Args:
        path: The file to write.
        template: Name of the template in the folder `templates`.
        **values: Variables of the template; strings are escaped.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("langchain_swallow.evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = format_score
    environment.globals |= {"in_language": in_language, "language": current_language()}
    path.write_text(environment.get_template(template).render(**values) + "\n", encoding="utf-8")


def data_url(path: Path) -> str:
    """Encode an SVG or PNG file as a data URL; an SVG in an `img` element cannot run scripts."""
    kinds = {".svg": "image/svg+xml", ".png": "image/png"}
    data = base64.b64encode(path.read_bytes()).decode()
    return f"data:{kinds[path.suffix]};base64,{data}"


def format_score(value: float | None, digits: int = 3) -> str:
    """Format a number with this many decimals, default 3; `None` and NaN become a dash."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"
