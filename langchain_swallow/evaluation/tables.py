"""Tables of results, and JSON files that store them with a description of the run.

Such a file contains the command, the date, the machine, the tables, and the data for programs.
`docs/benchmarks.md` is generated from these files.
"""

import platform
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from langchain_swallow._system.machine import allowed_cores, allowed_memory
from langchain_swallow.text.json_text import json_text

_PACKAGES = ("langchain-swallow", "langchain-core", "torch", "transformers", "faiss-cpu", "vllm")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of formatted cells; the first column contains the names of the rows."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table in Markdown, without its heading."""
        rule = "|---|" + "--:|" * (len(self.columns) - 1)
        return "\n".join([_line(self.columns), rule, *map(_line, self.rows)])


def markdown_page(title: str, notes: Sequence[str], tables: Sequence[Table]) -> str:
    """A Markdown page with a title, paragraphs, and the tables with their headings."""
    parts = [f"# {title}", *notes]
    for table in tables:
        parts += [f"## {table.heading}", table.markdown()]
    return "\n\n".join(parts) + "\n"


def describe_run() -> dict[str, Any]:
    """The command of this process, the date, the machine, and versions of the main packages."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        # These files are published, so absolute paths of this machine are shortened to file names.
        "command": shlex.join(Path(a).name if Path(a).is_absolute() else a for a in sys.argv),
        "date": time.strftime("%Y-%m-%d"),
        "machine": {
            "processor": _processor(),
            "cores": allowed_cores(),
            "memory_gib": round(allowed_memory() / 2**30),
            "system": platform.system(),
            "python": platform.python_version(),
            **versions,
        },
    }


def write_figures(path: Path, tables: Sequence[Table], data: Mapping[str, Any]) -> None:
    """Write results with a description of the run, as JSON.

    Args:
        path: The file to write; its folder is created if it does not exist.
        tables: The results as formatted tables, for people.
        data: The results as values, for programs.
    """
    whole = {**describe_run(), **data, "tables": [asdict(table) for table in tables]}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json_text(whole, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _processor() -> str:
    """Model name of the processor, as far as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()
