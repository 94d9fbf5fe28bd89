"""From LangChain's FAISS and from versions before 0.2.0, without embedding anything again."""

from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from tqdm import tqdm

from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index.folder import IndexFolder
from langchain_swallow.retrieval.index.metric import Metric, prepare_vectors
from langchain_swallow.retrieval.langchain_faiss import SavedStore, read_langchain_faiss
from langchain_swallow.retrieval.vectorstore import SwallowFAISS

# An encoder in another precision gives nearly the same vector; another encoder does not.
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
    """A store with the passages, ids, metadata and vectors of a folder of `FAISS.save_local`.

    The folder's pickle is never loaded in this process, nor by pickle's own rules anywhere.

    Args:
        folder: What was saved.
        embeddings: The encoder it was made with; one passage is embedded to see that it is.
        path: Where the new index is kept; `None` keeps it in memory.
        metric: Of the new index.
        name: The `index_name` it was saved with.
        progress: Whether to show how many passages are taken over.

    Raises:
        FileNotFoundError: There is no such index.
        IndexStoreError: It cannot be read, or was made with another encoder.
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
    """Write an index as this version lays it out: in one segment, IVF-PQ of earlier ones as HNSW.

    No encoder is needed: passages, ids, metadata and vectors stay as they are.

    Args:
        folder: The index.
        path: Where the new one goes; the same folder replaces it.

    Raises:
        FileNotFoundError: There is no index.
        IndexStoreError: It is damaged, or `path` holds something else, such as another index.
    """
    source, target = IndexFolder(Path(folder)), IndexFolder(Path(path))
    is_same = Path(folder).resolve() == Path(path).resolve()
    # Before the folder is made, so that nothing is made where there is nothing to convert.
    known = source.read().snapshot
    with target.writing():
        if not is_same and target.signature() is not None:
            raise IndexStoreError(f"{path} holds another index. Choose another folder.")
        # What others wrote while this waited is kept.
        stored = source.read(known)
        facts = stored.manifest if is_same else stored.manifest.without_files()
        target.write(stored.snapshot.compacted(), facts)


def _check_embedding_model(folder: str | Path, saved: SavedStore, embeddings: Embeddings) -> None:
    embedded = np.array(embeddings.embed_documents(saved.texts[:1]), dtype=np.float32)
    if embedded.shape[1] != saved.vectors.shape[1]:
        raise IndexStoreError(
            f"{folder} has vectors of {saved.vectors.shape[1]} dimensions, this encoder makes "
            f"{embedded.shape[1]}. Give the one it was made with."
        )
    cosine = float(
        prepare_vectors(embedded, "cosine")[0] @ prepare_vectors(saved.vectors[:1], "cosine")[0]
    )
    if cosine < _MIN_COSINE:
        raise IndexStoreError(
            f"{folder} was made with another encoder, or with other prefixes: the first passage's "
            f"vector has a cosine of {cosine:.3f} with this one's. Give the one it was made with, "
            "or index the documents again."
        )
