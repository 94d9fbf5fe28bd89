"""Parses server-sent events by the standard, from bytes to events; without I/O.

https://html.spec.whatwg.org/multipage/server-sent-events.html

A line ends only with CR, LF or CRLF. `str.splitlines`, and with it httpx's `iter_lines`, also
splits at U+2028, U+0085 and others, which JSON may contain unescaped. httpx-sse splits correctly,
but rejects other Content-Types and decodes by their charset.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE_END = re.compile("\r\n|\n|\r")
_FIELDS = ("data", "event", "id", "retry", "error")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its name, which is empty for a message, and its data."""

    name: str
    data: str


class EventDecoder:
    """Decodes a stream in parts, which may end anywhere, even within a character.

    `is_event_stream` says whether the stream has contained an event-stream line so far.
    """

    def __init__(self) -> None:
        self.is_event_stream = False
        # Events are always UTF-8, whatever the headers say; a byte order mark is skipped.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._ended_with_cr = False
        self._line: list[str] = []
        self._name = ""
        self._data: list[str] = []

    def feed(self, part: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that a part of the stream completes."""
        yield from self._read(self._decoder.decode(part))

    def end(self) -> Iterator[ServerSentEvent]:
        """Yield a last event without its empty line, at the end of the stream."""
        yield from self._read(self._decoder.decode(b"", True) + "\n\n")

    def _read(self, text: str) -> Iterator[ServerSentEvent]:
        if not text:
            return
        if self._ended_with_cr:
            # A CR ends a line immediately; the LF of a CRLF may come with the next part.
            text = text.removeprefix("\n")
        self._ended_with_cr = text.endswith("\r")
        first, *others = _LINE_END.split(text)
        self._line.append(first)
        for line in others:
            if event := self._complete("".join(self._line)):
                yield event
            self._line = [line]

    def _complete(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        if field in _FIELDS or not field:  # a line without a name is a comment
            self.is_event_stream = True
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "error":  # an extension of llama.cpp
            self._name = "error"
            self._data.append(value)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        return ServerSentEvent(name, data) if data or name == "error" else None
