"""How long the commands take, each in a process of its own.

    python tests/benchmarks/commands.py --output docs/runs/commands.json

The demo model is assembled already; the first run after installation takes forty seconds more.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from langchain_swallow.evaluation.tables import Table, write_figures

LOAD = (
    "import time, torch, transformers; from langchain_swallow import ChatSwallow; "
    "b = time.perf_counter(); ChatSwallow(model='demo').load(); print(time.perf_counter() - b)"
)


def seconds(*arguments: str) -> float:
    """Of a command, the better of two runs."""
    times = []
    for _ in range(2):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    command = ("-m", "langchain_swallow.cli")
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True
    )
    rows = [
        ["`langchain-swallow demo`", f"{seconds(*command, 'demo'):.1f} s"],
        [
            "loading the demo model, torch and transformers imported before",
            f"{float(loaded.stdout.split()[-1]):.1f} s",
        ],
        ["`langchain-swallow --help`", f"{seconds(*command, '--help'):.2f} s"],
        ["`import langchain_swallow`", f"{seconds('-c', 'import langchain_swallow'):.2f} s"],
    ]
    table = Table("Times of the commands", ["", "measured"], rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {})


if __name__ == "__main__":
    main()
