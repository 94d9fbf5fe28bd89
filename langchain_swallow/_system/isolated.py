"""Python processes that run installed code only, wherever this one was started.

Python looks for modules in the working directory (`python -m`, `python -c`) and in `PYTHONPATH`. A
folder of someone's documents may hold a `json.py`, and a process that reads documents must not run
it. Only the standard library, installed packages, and the places that this package and its
dependencies were really imported from are searched here.
"""

import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

_PACKAGE = "langchain_swallow"
# Import names of what the children use. Where they were imported from is searched too: a folder of
# `pip install --target`, an archive, the source of an editable install.
_NEEDED = (
    "PIL",
    "charset_normalizer",
    "faiss",
    "gguf",
    "langchain_core",
    "lxml",
    "markdown_it",
    "numpy",
    "olefile",
    "pdfminer",
    "psutil",
    "pydantic",
    "pypdf",
    "pypdfium2",
    "torch",
    "tqdm",
    "transformers",
    "typing_extensions",
)
_INSTALLED = ("site-packages", "dist-packages")
# At import: the path of a package that was found in an archive may be a relative one.
_OWN_ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
# This package comes from where it is here, whatever has the same name in an installed place.
_START = f"""
import json, runpy, sys
from importlib.machinery import PathFinder
own, roots, module = json.loads(sys.argv.pop(1))
class Own:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [own]) if name == "{_PACKAGE}" else None
sys.meta_path.insert(0, Own)
first = [i for i, entry in enumerate(sys.path) if entry.endswith({_INSTALLED!r})]
place = first[0] if first else len(sys.path)
sys.path[place:place] = roots
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def python_child(module: str, *arguments: str) -> dict[str, Any]:
    """Arguments of `subprocess.Popen` that run a module of this package as a program.

    The child runs in Python's isolated mode, without variables like `PYTHONPATH`, in Python's own
    folder: neither the working directory nor the folder of any document is searched for modules or
    shared libraries, unless a needed package was itself imported from there. The standard library
    comes first.

    Args:
        module: Its full name.
        arguments: Of the program. Paths must be absolute.
    """
    start = json.dumps([_OWN_ROOT, trusted_path(), module])
    command = [sys.executable, "-I", "-X", "utf8", "-c", _START, start, *arguments]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    # For processes that the child starts; Python 3.11 and later.
    return {
        "args": command,
        "env": {**environment, "PYTHONSAFEPATH": "1"},
        "cwd": sys.base_prefix,
    }


def limit_memory(limit: int, process: int | None = None) -> None:
    """Limit the address space of a process where the system can.

    Args:
        limit: The maximum in bytes.
        process: The id of a child process, which only Linux can limit; `None` is this process.
    """
    try:
        import resource
    except ImportError:
        return
    # macOS has the limit and does not keep to it; some containers forbid setting it.
    try:
        if process is None:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        elif sys.platform == "linux":
            resource.prlimit(process, resource.RLIMIT_AS, (limit, limit))
    except (ValueError, OSError):
        return


def trusted_path() -> list[str]:
    """Entries of `sys.path` that hold installed packages, or that a needed one was imported from.

    The working directory is one of them only if a needed package was imported from it.
    """
    roots = {_real(root) for name in _NEEDED if (root := _root(name))}
    here = _working_directory()

    def is_trusted(entry: str) -> bool:
        if not os.path.isabs(entry):
            return False
        if _real(entry) in roots:
            return True
        return os.path.basename(entry.rstrip("/\\")) in _INSTALLED and _real(entry) != here

    found = [entry for entry in sys.path if is_trusted(entry)]
    # One that was imported by a finder or by a relative entry is not in `sys.path` as such.
    known = {_real(entry) for entry in found}
    return [*found, *sorted(roots - known)]


def forget_working_directory() -> None:
    """Stop importing from the working directory: for programs, as soon as they start.

    Modules that are imported before the call are out of its reach: those of `python -m` itself, and
    all of them where `PYTHONPATH` names the working directory. The console script does not search
    the working directory otherwise.
    """
    sys.path[:] = _without_working_directory(sys.path)
    os.environ["PYTHONSAFEPATH"] = "1"


@contextlib.contextmanager
def working_directory_forgotten() -> Iterator[None]:
    """As `forget_working_directory`, while processes of other libraries are started.

    Both settings are the whole process's: where several threads do this at once, the last one that
    ends restores them.
    """
    _forgotten.begin()
    try:
        yield
    finally:
        _forgotten.end()


class _Forgotten:
    """What is to be restored when nobody starts processes any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._removed: list[tuple[int, str]] = []
        self._safe_path: str | None = None

    def begin(self) -> None:
        with self._lock:
            if self._count == 0:
                self._safe_path = os.environ.get("PYTHONSAFEPATH")
            self._count += 1
            before = list(sys.path)
            forget_working_directory()
            gone = [(i, entry) for i, entry in enumerate(before) if entry not in sys.path]
            # Taken from the end, each comes back to where it was.
            self._removed += reversed(gone)

    def end(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count:
                return
            # Whatever else has been added or removed meanwhile stays so.
            while self._removed:
                sys.path.insert(*self._removed.pop())
            if self._safe_path is None:
                os.environ.pop("PYTHONSAFEPATH", None)
            else:
                os.environ["PYTHONSAFEPATH"] = self._safe_path


_forgotten = _Forgotten()


def _without_working_directory(path: list[str]) -> list[str]:
    here = _working_directory()
    if here == _real(_OWN_ROOT):
        # This package is in the working directory, and what it needs may be, too.
        return path
    return [entry for entry in path if os.path.isabs(entry) and _real(entry) != here]


def _root(name: str) -> str | None:
    """The folder or archive that an imported top-level package is in; `None` if not imported."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    place = os.path.dirname(os.path.abspath(spec.origin))
    return place if spec.submodule_search_locations is None else os.path.dirname(place)


def _working_directory() -> str:
    try:
        return _real(os.getcwd())
    except OSError:  # It has been removed.
        return ""


def _real(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))
