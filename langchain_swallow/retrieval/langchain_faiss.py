"""Read a folder of LangChain's FAISS store in a separate, limited process.

Its `index.pkl` is a pickle, and unpickling can run arbitrary code. The unpickler here knows only
two class names, maps both to a stub, and refuses all others. It runs in a process with a memory and
time limit that returns JSON and a NumPy array.
"""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from langchain_swallow._system.isolated import limit_memory, python_child
from langchain_swallow.errors import IndexStoreError

_TIMEOUT_S = 600.0
_MEMORY_BYTES = 64 * 2**30
_ALLOWED_CLASSES = {"InMemoryDocstore", "Document"}
_ALLOWED_MODULES = ("langchain_community.", "langchain_core.", "langchain.", "langchain_classic.")
_PASSAGES, _VECTORS = "passages.json", "vectors.npy"


class SavedStore(NamedTuple):
    """Texts, metadatas and ids, one for each row of `vectors`, which has shape (n, dim)."""

    texts: list[str]
    metadatas: list[dict[str, Any]]
    ids: list[str]
    vectors: NDArray[np.float32]


def read_langchain_faiss(folder: Path, name: str = "index") -> SavedStore:
    """Read what `FAISS.save_local(folder, name)` wrote.

    Args:
        folder: The folder of the saved store.
        name: The `index_name` it was saved with; default `"index"`.

    Raises:
        FileNotFoundError: The `.faiss` or the `.pkl` file does not exist.
        IndexStoreError: The files cannot be read, do not belong together, or the pickle asks for
            another class.
    """
    for suffix in (".faiss", ".pkl"):
        if not (folder / f"{name}{suffix}").is_file():
            raise FileNotFoundError(
                f"{folder / name}{suffix} does not exist. Pass the folder that `save_local` of "
                "LangChain's FAISS wrote."
            )
    with TemporaryDirectory() as output:
        # The paths are absolute, because the process runs in another folder.
        base, written = str(folder.absolute() / name), str(Path(output).absolute())
        try:
            done = subprocess.run(
                **python_child(__name__, base, written),
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise IndexStoreError(
                f"{folder} was not read within {_TIMEOUT_S:g} s. Try again on an idle machine, or "
                "index the documents again."
            ) from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"its reader ended with {done.returncode}"]
            raise IndexStoreError(
                f"{folder} cannot be read as LangChain's FAISS: {lines[-1]}. Index the documents "
                "again."
            )
        rows = json.loads((Path(output) / _PASSAGES).read_text(encoding="utf-8"))
        vectors = np.load(Path(output) / _VECTORS, allow_pickle=False)
    return SavedStore(rows["texts"], rows["metadatas"], rows["ids"], vectors)


class _Stub:
    """Replaces a class of LangChain, and keeps the state that the pickle gives it."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in _ALLOWED_CLASSES and module.startswith(_ALLOWED_MODULES):
            return _Stub
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not a document class")


def _convert(base: str, output: Path) -> None:
    with open(f"{base}.pkl", "rb") as file:
        docstore, places = _Unpickler(file).load()
    data = np.fromfile(f"{base}.faiss", dtype=np.uint8)
    index = faiss.deserialize_index(data)
    passages = docstore.state["_dict"]
    if index.ntotal != len(places):
        raise ValueError(f"{index.ntotal} vectors, but {len(places)} documents")
    ids = [places[i] for i in range(len(places))]
    documents = [_fields(passages[name]) for name in ids]
    rows = {
        "ids": [str(name) for name in ids],
        "texts": [document["page_content"] for document in documents],
        "metadatas": [document.get("metadata") or {} for document in documents],
    }
    (output / _PASSAGES).write_text(json.dumps(rows), encoding="utf-8")
    vectors = index.reconstruct_n(0, index.ntotal) if ids else np.zeros((0, index.d))
    np.save(output / _VECTORS, vectors.astype(np.float32), allow_pickle=False)


def _fields(document: _Stub) -> dict[str, Any]:
    """Fields of a pickled Document; pydantic 1 and pydantic 2 both store them in `__dict__`."""
    fields: dict[str, Any] = document.state["__dict__"]
    return fields


def _main() -> None:
    limit_memory(_MEMORY_BYTES)
    try:
        _convert(sys.argv[1], Path(sys.argv[2]))
    except Exception as error:
        # This prints to stderr and exits with code 1.
        sys.exit(f"{type(error).__name__}: {error}".replace("\n", " "))


if __name__ == "__main__":
    _main()
