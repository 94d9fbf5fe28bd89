"""Checks whether the server can answer: the index is readable and the model can be reached."""

import asyncio
import time
from typing import Any

import httpx

from langchain_swallow._system.language import in_language
from langchain_swallow.serving.api_models import Ready
from langchain_swallow.serving.assistant import Assistant

_TIMEOUT_S = 3.0
# Results are cached, because anyone may send many probes.
_CACHED_S = 5.0


class Readiness:
    """Checks index and model at most once every 5 s, and on each call whether the server stops."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._lock = asyncio.Lock()
        self._looked = float("-inf")
        self._index = self._model = False

    async def state(self) -> Ready:
        """Return whether the index can be read and the model can be reached, and why not."""
        async with self._lock:
            if time.monotonic() - self._looked >= _CACHED_S:
                self._index = await asyncio.to_thread(self._has_index)
                self._model = await _has_model(self._assistant.llm)
                self._looked = time.monotonic()
        reason = self._reason()
        return Ready(
            status="unavailable" if reason else "ok",
            index=self._index,
            model=self._model,
            stopping=self._assistant.is_stopping,
            reason=reason,
        )

    def _reason(self) -> str:
        """Return what is missing, without paths, addresses or other programs' text."""
        if self._assistant.is_stopping:
            return in_language("サーバーが停止します。", "The server is stopping.")
        if not self._index:
            return in_language("索引を読めません。", "The index cannot be read.")
        if not self._model:
            return in_language("モデルから回答がありません。", "The model cannot be reached.")
        return ""

    def _has_index(self) -> bool:
        try:
            len(self._assistant.store)
        except Exception:  # any error means that it cannot be read
            return False
        return True


async def _has_model(llm: Any) -> bool:
    """Whether one of the model's servers answers, or the model in this process has not failed."""
    urls = getattr(llm, "base_url", None) or []
    urls = [urls] if isinstance(urls, str) else list(urls)
    if not urls:
        return not getattr(llm, "has_failed", False)
    # A status below 500 shows that the server runs, even a refusal for the missing key.
    async with httpx.AsyncClient(timeout=_TIMEOUT_S) as http:
        answers = await asyncio.gather(
            *(http.get(f"{url.rstrip('/')}/models") for url in urls), return_exceptions=True
        )
    return any(isinstance(got, httpx.Response) and got.status_code < 500 for got in answers)
