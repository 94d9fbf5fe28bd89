"""Limits how many requests a person sends in a minute."""

import math
import threading
import time
from collections import deque

from langchain_swallow._system.language import in_language
from langchain_swallow.serving.refusals import BusyError

_WINDOW_S = 60.0
# Above this number, those who have not sent anything within the window are forgotten.
_MAX_KNOWN = 1000


class Quota:
    """Counts questions, searches and uploads of the last minute.

    Args:
        per_minute: Maximum number of a person; `None` is unlimited.
    """

    def __init__(self, per_minute: int | None = None) -> None:
        self._per_minute = per_minute
        self._sent: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def take(self, who: str) -> None:
        """Count a request.

        Args:
            who: Name of the person, or address of the client if people are not known.

        Raises:
            BusyError: The limit is reached (429); `retry_after_s` is when there is room again.
        """
        if self._per_minute is None:
            return
        now = time.monotonic()
        with self._lock:
            if len(self._sent) > _MAX_KNOWN:
                self._sent = {k: v for k, v in self._sent.items() if now - v[-1] < _WINDOW_S}
            sent = self._sent.setdefault(who, deque())
            while sent and now - sent[0] >= _WINDOW_S:
                sent.popleft()
            if len(sent) < self._per_minute:
                sent.append(now)
                return
            wait_s = math.ceil(sent[0] + _WINDOW_S - now)
        raise BusyError(
            in_language(
                f"1 分間に {self._per_minute} 件までです。{wait_s} 秒後にもう一度送ってください。",
                f"{self._per_minute} requests a minute are the limit. Try again in {wait_s} s.",
            ),
            status=429,
            retry_after_s=wait_s,
        )
