"""Run the notebooks of `examples/` and save them with what they print.

    python -m tests.benchmarks.notebooks

Progress bars and times of execution are left out, so that only what changed differs.
"""

import sys
from typing import Any

from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
NEEDS_A_GPU = frozenset({"08_swallow_7b_4bit_colab.ipynb"})


def is_result(output: Any) -> bool:
    """Whether an output is neither a progress bar nor a remark on stderr."""
    return output.get("name") != "stderr" and output.output_type != "display_data"


def joined(outputs: list[Any]) -> list[Any]:
    """Pieces of a stream as one."""
    kept: list[Any] = []
    for output in outputs:
        if output.output_type == "stream" and kept and kept[-1].output_type == "stream":
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def main() -> None:
    import nbformat
    from nbclient import NotebookClient

    names = sys.argv[1:] or [
        path.name for path in EXAMPLES.glob("*.ipynb") if path.name not in NEEDS_A_GPU
    ]
    for name in names:
        path = EXAMPLES / name
        notebook = nbformat.read(path, as_version=4)
        resources = {"metadata": {"path": str(EXAMPLES)}}
        NotebookClient(notebook, timeout=900, resources=resources).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                cell.outputs = joined([output for output in cell.outputs if is_result(output)])
        notebook.metadata.pop("widgets", None)
        nbformat.validate(notebook)
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
