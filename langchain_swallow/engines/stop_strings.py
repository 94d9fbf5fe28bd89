"""Ends a stream of text at the first stop string.

Text that may be the start of a stop string is held back until the next text shows whether it is
one.
"""

from collections.abc import Sequence


class StopStrings:
    """Releases a text piece by piece, up to the first stop string, which is not released.

    Args:
        stop: The stop strings. Where two begin at the same place, the longer one counts.

    `found` is the stop string that was found, or `None`.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self.found: str | None = None
        self._stop = tuple(s for s in stop if s)
        self._held = ""

    def push(self, text: str) -> str:
        """Add text; return what is certainly before a stop string."""
        if not self._stop or self.found:
            return "" if self.found else text
        self._held += text
        matches = [(self._held.find(s), -len(s), s) for s in self._stop if s in self._held]
        if matches:
            position, _, self.found = min(matches)
            released, self._held = self._held[:position], ""
            return released
        keep = max(overlap(self._held, s) for s in self._stop)
        cut = len(self._held) - keep
        released, self._held = self._held[:cut], self._held[cut:]
        return released

    def finish(self) -> str:
        """Return the text that was held back."""
        held, self._held = self._held, ""
        return "" if self.found else held


def overlap(text: str, stop: str) -> int:
    """Length of the longest suffix of `text` that is a proper prefix of `stop`."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[-size:]):
            return size
    return 0
