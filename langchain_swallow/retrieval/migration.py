"""Convert stores of LangChain's FAISS and of versions before 0.2.0 without embedding them again."""

from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from tqdm import tqdm

from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index.folder import IndexFolder
from langchain_swallow.retrieval.index.metric import Metric, prepare_vectors
from langchain_swallow.retrieval.langchain_faiss import SavedStore, read_langchain_faiss
from langchain_swallow.retrieval.vectorstore import SwallowFAISS

# The same embedding model in another precision gives almost the same vector. Another model does
# not.
_MIN_COSINE = 0.98
_BATCH_SIZE = 1000


def convert_langchain_faiss(
    folder: str | Path,
    embeddings: Embeddings,
    *,
    path: str | Path | None = None,
    metric: Metric = "cosine",
    name: str = "index",
    progress: bool = False,
) -> SwallowFAISS:
    """Convert a folder of `FAISS.save_local`: keeps documents, ids, metadata and vectors.

    This process never loads the pickle of the folder. A separate process reads it with an unpickler
    that only accepts LangChain's document and docstore classes.

    Args:
        folder: Folder of the saved store.
        embeddings: Embedding model of the saved store. One document is embedded to check this.
        path: Folder for the new index; `None`, the default, keeps it in memory.
        metric: `"cosine"` (default), `"ip"` or `"l2"`, for the new index.
        name: The `index_name` of the saved store; default `"index"`.
        progress: Whether to show a progress bar on stderr; default `False`.

    Raises:
        FileNotFoundError: There is no saved store in the folder.
        IndexStoreError: It cannot be read, or was made with another embedding model.
    """
    saved = read_langchain_faiss(Path(folder), name)
    store = SwallowFAISS(embeddings, path=path, metric=metric)
    if saved.texts:
        _check_embedding_model(folder, saved, embeddings)
        with store.transaction(), tqdm(total=len(saved.texts), disable=not progress) as bar:
            for start in range(0, len(saved.texts), _BATCH_SIZE):
                batch = slice(start, start + _BATCH_SIZE)
                pairs = zip(saved.texts[batch], saved.vectors[batch].tolist(), strict=True)
                store.add_embeddings(pairs, saved.metadatas[batch], ids=saved.ids[batch])
                bar.update(len(saved.texts[batch]))
    return store


def rewrite_index(folder: str | Path, path: str | Path) -> None:
    """Rewrite an index in the current layout: one segment, with HNSW in place of IVF-PQ.

    No embedding model is needed, because chunks, ids, metadata and vectors stay as they are.

    Args:
        folder: Folder of the index.
        path: Folder for the new index. If it is the same folder, the index is replaced.

    Raises:
        FileNotFoundError: There is no index in `folder`.
        IndexStoreError: The index is damaged, or `path` holds another index or other files.
    """
    source, target = IndexFolder(Path(folder)), IndexFolder(Path(path))
    is_same = Path(folder).resolve() == Path(path).resolve()
    # Read first, so that no folder is created if there is nothing to convert.
    known = source.read().snapshot
    with target.writing():
        if not is_same and target.signature() is not None:
            raise IndexStoreError(
                f"{path} is another index. Choose a folder that does not exist yet."
            )
        # Read again: changes that other processes wrote while this one waited are kept.
        stored = source.read(known)
        facts = stored.manifest if is_same else stored.manifest.without_files()
        target.write(stored.snapshot.compacted(), facts)


def _check_embedding_model(folder: str | Path, saved: SavedStore, embeddings: Embeddings) -> None:
    embedded = np.array(embeddings.embed_documents(saved.texts[:1]), dtype=np.float32)
    if embedded.shape[1] != saved.vectors.shape[1]:
        raise IndexStoreError(
            f"{folder} has vectors of {saved.vectors.shape[1]} dimensions, but this embedding "
            f"model returns {embedded.shape[1]}. Pass the model that it was made with."
        )
    cosine = float(
        prepare_vectors(embedded, "cosine")[0] @ prepare_vectors(saved.vectors[:1], "cosine")[0]
    )
    if cosine < _MIN_COSINE:
        raise IndexStoreError(
            f"{folder} was made with another embedding model or other prefixes: the stored vector "
            f"of the first document and its vector from this model have a cosine of {cosine:.3f}, "
            f"less than {_MIN_COSINE}. Pass the model that it was made with, or index the "
            "documents again."
        )
