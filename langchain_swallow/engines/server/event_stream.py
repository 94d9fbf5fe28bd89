"""Server-sent events as the standard reads them: bytes in, events out; pure.

https://html.spec.whatwg.org/multipage/server-sent-events.html

A line ends with CR, LF or CRLF and with nothing else. `str.splitlines`, and with it httpx's
`iter_lines`, also splits at U+2028, U+0085 and others, which JSON may hold as they are. httpx-sse
splits right, but refuses a stream of another Content-Type and decodes by the charset in it.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE_END = re.compile("\r\n|\n|\r")
_FIELDS = ("data", "event", "id", "retry", "error")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its name, empty for a message, and its data."""

    name: str
    data: str


class EventDecoder:
    """Reads a stream in parts, which may end anywhere, within a character too.

    `is_event_stream` says whether a line of an event stream was seen so far.
    """

    def __init__(self) -> None:
        self.is_event_stream = False
        # Events are UTF-8 whatever the headers say; a byte order mark is left out.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._ended_with_cr = False
        self._line: list[str] = []
        self._name = ""
        self._data: list[str] = []

    def feed(self, part: bytes) -> Iterator[ServerSentEvent]:
        """The events that a part of the stream completes."""
        yield from self._read(self._decoder.decode(part))

    def end(self) -> Iterator[ServerSentEvent]:
        """An event that lacks its empty line, at the end of the stream."""
        yield from self._read(self._decoder.decode(b"", True) + "\n\n")

    def _read(self, text: str) -> Iterator[ServerSentEvent]:
        if not text:
            return
        if self._ended_with_cr:
            # A CR ends a line at once; the LF of a CRLF may come with the next part.
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
        if field in _FIELDS or not field:  # without a name it is a comment
            self.is_event_stream = True
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "error":  # llama.cpp's own
            self._name = "error"
            self._data.append(value)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        return ServerSentEvent(name, data) if data or name == "error" else None
