"""Checks whether the server can answer: index, conversations and model can be used."""

import asyncio
import time
from typing import Any

import httpx
from starlette.concurrency import run_in_threadpool

from langchain_swallow._system.language import in_language
from langchain_swallow.serving.api_models import Ready
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.refusals import ConversationsUnavailableError

_TIMEOUT_S = 3.0
# Results are cached, because anyone may send many probes.
_CACHED_S = 5.0


class Readiness:
    """Checks index, conversations and model at most once every 5 s.

    Whether the server stops is checked on each call.
    """

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._lock = asyncio.Lock()
        self._looked = float("-inf")
        self._index = self._conversations = self._model = False

    async def state(self) -> Ready:
        """Return whether index, conversations and model can be used, and why not."""
        async with self._lock:
            if time.monotonic() - self._looked >= _CACHED_S:
                self._index = await asyncio.to_thread(self._has_index)
                self._conversations = await run_in_threadpool(self._has_conversations)
                self._model = await _has_model(self._assistant.llm)
                self._looked = time.monotonic()
        reason = self._reason()
        return Ready(
            status="unavailable" if reason else "ok",
            index=self._index,
            conversations=self._conversations,
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
        if not self._conversations:
            return str(ConversationsUnavailableError())
        if not self._model:
            return in_language("モデルから回答がありません。", "The model cannot be reached.")
        return ""

    def _has_index(self) -> bool:
        try:
            len(self._assistant.store)
        except Exception:  # any error means that it cannot be read
            return False
        return True

    def _has_conversations(self) -> bool:
        try:
            self._assistant.sessions.conversations.check()
        except ConversationsUnavailableError:
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
