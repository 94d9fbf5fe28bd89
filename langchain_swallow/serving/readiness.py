"""Checks whether the server can answer: the index is readable and the model can be reached."""

import asyncio
import time
from typing import Any

import httpx

from langchain_swallow.serving.assistant import Assistant

_TIMEOUT_S = 3.0
# Results are cached, because anyone may send many probes.
_CACHED_S = 5.0


class Readiness:
    """Checks at most once every 5 s."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._lock = asyncio.Lock()
        self._looked = float("-inf")
        self._state = {"index": False, "model": False}

    async def state(self) -> dict[str, bool]:
        """Return whether the `index` can be read and the `model` can be reached."""
        async with self._lock:
            if time.monotonic() - self._looked >= _CACHED_S:
                self._state = {
                    "index": await asyncio.to_thread(self._has_index),
                    "model": await _has_model(self._assistant.llm),
                }
                self._looked = time.monotonic()
            return self._state

    def _has_index(self) -> bool:
        try:
            len(self._assistant.store)
        except Exception:  # any error means that it cannot be read
            return False
        return True


async def _has_model(llm: Any) -> bool:
    """Whether one of the model's servers answers; true for a model in this process."""
    urls = getattr(llm, "base_url", None) or []
    urls = [urls] if isinstance(urls, str) else list(urls)
    if not urls:
        return True
    # A status below 500 shows that the server runs, even a refusal for the missing key.
    async with httpx.AsyncClient(timeout=_TIMEOUT_S) as http:
        answers = await asyncio.gather(
            *(http.get(f"{url.rstrip('/')}/models") for url in urls), return_exceptions=True
        )
    return any(isinstance(got, httpx.Response) and got.status_code < 500 for got in answers)
