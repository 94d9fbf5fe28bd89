"""Whether the server can answer: its index is readable, and its model can be reached."""

import asyncio
import time
from typing import Any

import httpx

from langchain_swallow.serving.assistant import Assistant

_TIMEOUT_S = 3.0
# Probes are many, and anybody may send them.
_CACHED_S = 5.0


class Readiness:
    """Looks at most every few seconds."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._lock = asyncio.Lock()
        self._looked = float("-inf")
        self._state = {"index": False, "model": False}

    async def state(self) -> dict[str, bool]:
        """Whether the `index` can be read and the `model` can be reached."""
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
        except Exception:  # whatever is wrong with it, there is none
            return False
        return True


async def _has_model(llm: Any) -> bool:
    """Whether one of the model's servers answers; a model of this process has none."""
    urls = getattr(llm, "base_url", None) or []
    urls = [urls] if isinstance(urls, str) else list(urls)
    if not urls:
        return True
    # Whatever it answers to one without a key, it is there.
    async with httpx.AsyncClient(timeout=_TIMEOUT_S) as http:
        answers = await asyncio.gather(
            *(http.get(f"{url.rstrip('/')}/models") for url in urls), return_exceptions=True
        )
    return any(isinstance(got, httpx.Response) and got.status_code < 500 for got in answers)
