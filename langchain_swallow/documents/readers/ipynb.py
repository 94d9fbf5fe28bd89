"""Reads Jupyter notebooks as Markdown: texts, code, and the text of outputs."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from langchain_swallow.documents.readers.markdown import read_markdown
from langchain_swallow.documents.readers.section import LeftOut, Section, Sections
from langchain_swallow.errors import DocumentError

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_ipynb(text: str) -> Sections:
    """Read the cells of a notebook in order, by the headings of its Markdown cells.

    Outputs without text, such as pictures, are counted in `left_out`.

    Raises:
        DocumentError: The text is not a notebook.
    """
    left_out: Counter[str] = Counter()
    read = read_markdown(_as_markdown(text, left_out))
    # The lines are those of the Markdown text, which is not in the file.
    sections = (Section(section.text, section.headings) for section in read)
    counts = (LeftOut(f"output without text ({kind})", count=n) for kind, n in left_out.items())
    return Sections(sections, [*read.left_out, *counts])


def _as_markdown(text: str, left_out: Counter[str]) -> str:
    """Join the cells of a notebook, whose JSON is freed when this returns."""
    try:
        notebook = json.loads(text)
        worksheets = notebook.get("worksheets") or [notebook]  # Format 3 had worksheets.
        cells = (cell for sheet in worksheets for cell in sheet["cells"])
        return "\n\n".join(block for cell in cells for block in _blocks(cell, left_out))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError(f"It is not a Jupyter notebook: {error!r}.") from error


def _blocks(cell: Any, left_out: Counter[str]) -> Iterator[str]:
    source = _joined(cell.get("source", cell.get("input", "")))
    if cell["cell_type"] == "code":
        yield from _fenced(source)
    elif cell["cell_type"] == "heading":
        yield f"{'#' * cell.get('level', 1)} {source}"
    else:
        # An open fence would make the rest of the notebook code.
        fences = _FENCE.findall(source)
        yield f"{source}\n{fences[-1]}" if len(fences) % 2 else source
    for output in cell.get("outputs", ()):
        yield from _fenced(_output(output, left_out))
    for name in cell.get("attachments", ()):
        left_out[f"attached {name.rpartition('.')[2]}"] += 1


def _output(output: Any, left_out: Counter[str]) -> str:
    if "traceback" in output:
        return _ANSI.sub("", "\n".join(output["traceback"]))
    # Format 3 had the data in the output itself.
    data = output.get("data", output)
    for kind in ("text/plain", "text/markdown", "text/html", "text"):
        if kind in data:
            shown = _joined(data[kind])
            break
    else:
        shown = ""
    pictures = [kind for kind in data if kind.startswith("image/")]
    if pictures:
        left_out[pictures[0]] += 1
    elif not shown and (kinds := [kind for kind in data if "/" in kind]):
        left_out[kinds[0]] += 1
    return _ANSI.sub("", shown)


def _fenced(text: str) -> Iterator[str]:
    if text.strip():
        longest = max(map(len, re.findall("`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        yield f"{fence}\n{text.rstrip()}\n{fence}"


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text)
