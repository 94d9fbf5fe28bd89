"""Vectors from other machines: servers with OpenAI's embeddings API (vLLM, TEI, llama.cpp)."""

import itertools
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from langchain_swallow.engines.server_errors import error_of
from langchain_swallow.errors import (
    EmbeddingError,
    ServerBusyError,
    ServerConnectionError,
    ServerError,
)
from langchain_swallow.forks import begin_anew_in_children, leave_to_parent

# Requests under way at each server: one that is computed, one that waits, one that travels.
_AT_ONCE = 3
_TIMEOUT_S = 300.0
_CONNECT_TIMEOUT_S = 10.0
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 8.0


class EmbeddingServers:
    """One or several servers of the same encoder; batches are spread over them.

    Args:
        base_urls: Such as `http://host:8000/v1`.
        model: The encoder's name on the servers.
        api_key: Sent as bearer token.
        batch_size: Texts of a request.
        max_retries: Tries after the first, each at the next server.

    Raises:
        ServerConnectionError: No server could be reached.
        AuthenticationError: The API key is refused.
        ModelUnavailableError: The server has no such model.
        PromptOverflowError: A text is longer than the encoder's window.
        InvalidRequestError: The server refuses a request for another reason.
        EmbeddingError: The answer has other vectors than were asked for.
    """

    def __init__(
        self,
        base_urls: Sequence[str],
        model: str,
        *,
        api_key: str | None = None,
        batch_size: int = 32,
        max_retries: int = 3,
    ) -> None:
        self._urls = [url.rstrip("/") for url in base_urls]
        self._model = model
        self._batch_size = batch_size
        self._max_retries = max_retries
        self._turns = itertools.count()
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._connect()
        begin_anew_in_children(self)

    def _connect(self) -> None:
        self._client = httpx.Client(
            headers=self._headers, timeout=httpx.Timeout(_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
        )
        # Connections are kept between calls, and closed when nobody can call any more.
        self._close = weakref.finalize(self, self._client.close)

    def begin_anew(self) -> None:
        """In a forked child: connections of its own."""
        self._close.detach()
        leave_to_parent(self._client)
        self._connect()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (n, dim), in the order of the texts."""
        size = self._batch_size
        batches = [list(texts[i : i + size]) for i in range(0, len(texts), size)]
        with ThreadPoolExecutor(_AT_ONCE * len(self._urls)) as pool:
            return np.concatenate(list(pool.map(self._batch, batches)))

    def _batch(self, texts: list[str]) -> NDArray[np.float32]:
        first = next(self._turns)
        for attempt in range(self._max_retries + 1):
            try:
                return self._ask(self._urls[(first + attempt) % len(self._urls)], texts)
            except (ServerConnectionError, ServerBusyError, ServerError) as error:
                if attempt == self._max_retries:
                    raise
                # Another server is asked at once; when all have been, they are given time.
                if (attempt + 1) % len(self._urls) == 0:
                    time.sleep(_pause(error, attempt // len(self._urls)))
        raise AssertionError("unreachable")

    def _ask(self, url: str, texts: list[str]) -> NDArray[np.float32]:
        body = {"model": self._model, "input": texts, "encoding_format": "float"}
        try:
            response = self._client.post(f"{url}/embeddings", json=body)
        except httpx.TransportError as error:
            raise ServerConnectionError(
                f"{url} cannot be reached: {error!r}. Start the server, or check base_url; it "
                "usually ends in /v1."
            ) from error
        if response.status_code != 200:
            raise error_of(url, response)
        return _vectors(url, response.json(), len(texts))


def _vectors(url: str, answer: Any, count: int) -> NDArray[np.float32]:
    try:
        rows = {int(item["index"]): item["embedding"] for item in answer["data"]}
        return np.array([rows[i] for i in range(count)], dtype=np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise EmbeddingError(
            f"{url} did not answer with {count} vectors of one length: {error!r}."
        ) from error


def _pause(error: Exception, rounds: int) -> float:
    wanted = getattr(error, "retry_after_s", None)
    seconds = _FIRST_BACKOFF_S * 2**rounds if wanted is None else float(wanted)
    return min(_MAX_BACKOFF_S, seconds)
