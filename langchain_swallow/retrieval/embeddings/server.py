"""Vectors from other machines: servers with OpenAI's embeddings API (vLLM, TEI, llama.cpp)."""

import itertools
import json
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from langchain_swallow._system.forks import begin_anew_in_children, leave_to_parent
from langchain_swallow.engines.server.connection import (
    CONNECT_TIMEOUT_S,
    authorization,
    checked_url,
    no_answer,
    typed_settings,
)
from langchain_swallow.engines.server.errors import (
    SilentServerError,
    UnreadableAnswerError,
    error_from_response,
    parse_json,
    shown_url,
    transport_error,
)
from langchain_swallow.errors import (
    EmbeddingError,
    ServerBusyError,
    ServerConnectionError,
    ServerError,
    SwallowError,
)

# Requests under way at each server: one that is computed, one that waits, one that travels.
_AT_ONCE = 3
# For one request: on a slow machine a batch of long texts takes minutes.
_TIMEOUT_S = 300.0
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
        self._urls = [checked_url(url) for url in base_urls]
        self._model = model
        self._batch_size = batch_size
        self._max_retries = max_retries
        self._turns = itertools.count()
        self._headers = authorization(api_key)
        self._connect()
        begin_anew_in_children(self)

    def _connect(self) -> None:
        with typed_settings():
            self._client = httpx.Client(
                headers=self._headers, timeout=httpx.Timeout(_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
            )
        # Connections are kept between calls, and closed when nobody can call any more.
        self._close = weakref.finalize(self, self._client.close)

    def begin_anew(self) -> None:
        """In a forked child: connections of its own."""
        self._close.detach()
        leave_to_parent(self._client)
        self._connect()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (n, dim), in the order of the texts; (0, 0) for no texts."""
        if not texts:
            return np.empty((0, 0), np.float32)
        size = self._batch_size
        batches = [list(texts[i : i + size]) for i in range(0, len(texts), size)]
        pool = ThreadPoolExecutor(_AT_ONCE * len(self._urls))
        try:
            parts = list(pool.map(self._batch, batches))
        finally:
            # After an error or Ctrl-C nothing is sent any more, and nobody waits for answers.
            pool.shutdown(wait=False, cancel_futures=True)
        if len(lengths := {part.shape[1] for part in parts}) > 1:
            raise EmbeddingError(
                f"The servers answered with vectors of lengths {sorted(lengths)}. Pass servers of "
                "one encoder as base_url=."
            )
        return np.concatenate(parts)

    def _batch(self, texts: list[str]) -> NDArray[np.float32]:
        first = next(self._turns)
        for attempt in range(self._max_retries + 1):
            try:
                return self._ask(self._urls[(first + attempt) % len(self._urls)], texts)
            except (ServerConnectionError, ServerBusyError, ServerError) as error:
                if attempt == self._max_retries or self._is_final(error, attempt):
                    raise
                # Another server is asked at once; when all have been, they are given time.
                if (attempt + 1) % len(self._urls) == 0:
                    time.sleep(_pause(error, attempt // len(self._urls)))
        raise AssertionError("unreachable")

    def _is_final(self, error: Exception, attempt: int) -> bool:
        """Whether every server was asked, and would say the same again."""
        was_last = attempt + 1 >= len(self._urls)
        return was_last and isinstance(error, SilentServerError | UnreadableAnswerError)

    def _ask(self, url: str, texts: list[str]) -> NDArray[np.float32]:
        body = {"model": self._model, "input": texts, "encoding_format": "float"}
        answer = parse_json(url, self._post(url, json.dumps(body).encode()))
        return _vectors(url, answer, texts)

    def _post(self, url: str, content: bytes) -> bytes:
        """The body of a successful response, whole within the limit."""
        end = time.monotonic() + _TIMEOUT_S
        headers, body = {"Content-Type": "application/json"}, bytearray()
        try:
            with self._client.stream(
                "POST", f"{url}/embeddings", content=content, headers=headers
            ) as response:
                for part in response.iter_bytes():
                    body += part
                    if time.monotonic() > end:
                        raise no_answer(url, _TIMEOUT_S)
        except SwallowError:
            raise
        except httpx.TimeoutException as error:
            raise no_answer(url, _TIMEOUT_S) from error
        except Exception as error:  # whatever httpx, httpcore and ssl raise
            raise transport_error(url, error) from error
        if not response.is_success:
            raise error_from_response(url, response, bytes(body))
        return bytes(body)


def _vectors(url: str, answer: Any, texts: list[str]) -> NDArray[np.float32]:
    try:
        rows = {int(item["index"]): item["embedding"] for item in answer["data"]}
        vectors = np.array([rows[i] for i in range(len(texts))], dtype=np.float32)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise _other_vectors(url, len(texts), repr(error)) from error
    if vectors.ndim != 2:
        raise _other_vectors(url, len(texts), f"their shape is {vectors.shape}")
    return vectors


def _other_vectors(url: str, count: int, why: str) -> EmbeddingError:
    return EmbeddingError(
        f"{shown_url(url)} did not answer with {count} vectors of one length: {why}."
    )


def _pause(error: Exception, rounds: int) -> float:
    wanted = getattr(error, "retry_after_s", None)
    seconds = _FIRST_BACKOFF_S * 2**rounds if wanted is None else float(wanted)
    return min(_MAX_BACKOFF_S, seconds)
