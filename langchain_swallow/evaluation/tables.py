"""A table of figures, and the file that keeps it with how it was made.

Such a file is JSON: the command, the day, the machine, the tables, and the data for programs.
`docs/benchmarks.md` is filled from such files.
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
    """Cells as they are shown; the first column has the names of the rows."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table alone, without its heading."""
        rule = "|---|" + "--:|" * (len(self.columns) - 1)
        return "\n".join([_line(self.columns), rule, *map(_line, self.rows)])


def markdown_page(title: str, notes: Sequence[str], tables: Sequence[Table]) -> str:
    """A title, sentences, and the tables with their headings."""
    parts = [f"# {title}", *notes]
    for table in tables:
        parts += [f"## {table.heading}", table.markdown()]
    return "\n\n".join(parts) + "\n"


def describe_run() -> dict[str, Any]:
    """The command of this process, today's date, and the machine with the versions that matter."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        # Files of figures are shared: where they lay on this machine is nobody's business.
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
    """Write figures with how they were made.

    Args:
        path: The file.
        tables: As people read them.
        data: As programs read them.
    """
    whole = {**describe_run(), **data, "tables": [asdict(table) for table in tables]}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json_text(whole, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _processor() -> str:
    """The model's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()
