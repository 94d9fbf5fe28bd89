"""Jinja templates → one HTML file that opens offline; texts are escaped, figures are inlined."""

import base64
from pathlib import Path
from typing import Any

import jinja2


def write_page(path: Path, template: str, **values: Any) -> None:
    """Fill a template of this package and write it.

    Args:
        path: The file.
        template: Name in `templates`.
        **values: For the template; strings are text and never markup.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("langchain_swallow.evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = format_score
    path.write_text(environment.get_template(template).render(**values) + "\n", encoding="utf-8")


def data_url(path: Path) -> str:
    """A figure as a data URL. As an image, an SVG cannot run scripts."""
    kinds = {".svg": "image/svg+xml", ".png": "image/png"}
    data = base64.b64encode(path.read_bytes()).decode()
    return f"data:{kinds[path.suffix]};base64,{data}"


def format_score(value: float | None, digits: int = 3) -> str:
    """A figure for people; nothing and not-a-number are a dash."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"
