"""Reads files in separate processes with limits, so that a file cannot crash this program.

A process reads one file after another. It is replaced when it dies or takes too long. Pictures are
sent back for OCR, since an engine can be any object here.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from typing_extensions import Self

from langchain_swallow._system.isolated import limit_memory, python_child
from langchain_swallow.documents.ocr.engine import OcrEngine, OcrText
from langchain_swallow.documents.readers.registry import Content, read_content_once
from langchain_swallow.documents.readers.section import LeftOut, Section
from langchain_swallow.errors import DocumentError

if TYPE_CHECKING:
    from PIL.Image import Image

_MEMORY_GIB = 4
_TIMEOUT_S = 120.0


class Sandbox:
    """A pool of processes that read files.

    Args:
        processes: Maximum number of processes; each is started when it is first needed.
        timeout_s: Maximum seconds for one file, or with OCR from one picture to the next.
        memory_gib: Maximum address space of a process in GiB. It has no effect on Windows and
            macOS, which cannot limit it.
        ocr: Recognizes the text of pictures, in this process; `None` leaves them out.

    Use it as a context manager: leaving it ends the processes. Several threads may call `read` in
    parallel.
    """

    def __init__(
        self,
        processes: int,
        *,
        timeout_s: float = _TIMEOUT_S,
        memory_gib: float = _MEMORY_GIB,
        ocr: OcrEngine | None = None,
    ) -> None:
        self._timeout_s, self._memory_gib, self._ocr = timeout_s, memory_gib, ocr
        self._idle: SimpleQueue[_Reader] = SimpleQueue()
        self._free = threading.Semaphore(processes)
        self._reading: set[_Reader] = set()

    def read(self, data: bytes, name: str, others: Collection[str] = ()) -> list[Content]:
        """Read a file as `read_content` does, in one of the processes.

        Args:
            data: The bytes of the file.
            name: Its path, for its format and for error messages.
            others: Extensions for which the caller has readers.

        Raises:
            DocumentError: The file cannot be read; or its process died, ran out of memory, or took
                more than `timeout_s`.
        """
        with self._reader() as reader:
            return reader.read(data, name, others, self._timeout_s, self._ocr)

    def kill(self) -> None:
        """End the processes that are reading; their calls of `read` raise `DocumentError`."""
        for reader in list(self._reading):
            reader.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while True:
            try:
                self._idle.get_nowait().end()
            except Empty:
                return

    @contextmanager
    def _reader(self) -> Iterator["_Reader"]:
        with self._free:
            try:
                reader = self._idle.get_nowait()
            except Empty:
                reader = _Reader(self._memory_gib)
            self._reading.add(reader)
            try:
                yield reader
            finally:
                self._reading.discard(reader)
                if reader.is_alive():
                    self._idle.put(reader)
                else:
                    reader.end()


class _Message(NamedTuple):
    """What is sent to a process and back: a line of JSON, and bytes.

    Texts and files are sent as bytes, since as JSON a file of 50 MB takes 0.3 GiB more.
    """

    values: dict[str, Any]
    data: bytes = b""

    def send(self, stream: IO[bytes]) -> None:
        line = json.dumps({**self.values, "size": len(self.data)})
        stream.write(line.encode() + b"\n")
        stream.write(self.data)

    @classmethod
    def receive(cls, stream: IO[bytes]) -> "_Message | None":
        """The next message; `None` if the stream ended before."""
        line = stream.readline()
        if not line.endswith(b"\n"):
            return None
        values = json.loads(line)
        data = stream.read(values["size"])
        return cls(values, data) if len(data) == values["size"] else None


class _Reader:
    """One process, and those that it starts.

    It answers a file with its contents: a message for each section, then one for the `Content` that
    they belong to, and one at the end. Or it asks for the text of a picture.
    """

    def __init__(self, memory_gib: float) -> None:
        # It is removed even if the process, which is killed, has left files in it.
        self._folder = tempfile.TemporaryDirectory(prefix="langchain-swallow-")
        self._process = subprocess.Popen(
            **python_child(
                "langchain_swallow.documents.readers.sandbox", str(memory_gib), self._folder.name
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # LibreOffice, which it may start, is killed with it.
            start_new_session=True,
        )

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def read(
        self,
        data: bytes,
        name: str,
        others: Collection[str],
        timeout_s: float,
        ocr: OcrEngine | None,
    ) -> list[Content]:
        request = {"name": name, "others": [*others], "ocr": ocr is not None}
        answer, contents = self._ask(_Message(request, data), name, timeout_s)
        while ocr and "picture" in answer.values:
            answer, contents = self._ask(_recognized(ocr, answer), name, timeout_s)
        if "error" in answer.values:
            raise DocumentError(answer.values["error"])
        return contents

    def _ask(
        self, message: _Message, name: str, timeout_s: float
    ) -> tuple[_Message, list[Content]]:
        """Send a message; return the last one of the answer, and the contents before it.

        Raises:
            DocumentError: The process ended before, or took longer than `timeout_s`.
        """
        timer = threading.Timer(timeout_s, self.kill)
        timer.start()
        try:
            answer = self._exchange(message)
        finally:
            ended_itself = timer.is_alive()
            timer.cancel()
        if answer is None:
            reason = "its reader died" if ended_itself else f"it took over {timeout_s:g} s"
            raise DocumentError(
                f"{name} was not read: {reason}. It may be damaged or made to do harm."
            )
        return answer

    def _exchange(self, message: _Message) -> tuple[_Message, list[Content]] | None:
        """Send a message and return the answer; `None` if the process ended before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        contents: list[Content] = []
        sections: list[Section] = []
        try:
            message.send(self._process.stdin)
            self._process.stdin.flush()
            while answer := _Message.receive(self._process.stdout):
                if "section" in answer.values:
                    sections.append(_section(answer))
                elif "content" in answer.values:
                    contents.append(_content(answer, sections))
                    sections = []
                else:
                    return answer, contents
        except Exception:  # it died, or sends what is not an answer, in any way
            pass
        self.kill()
        self._process.wait()
        return None

    def kill(self) -> None:
        """End the process and those that it started."""
        if self._process.returncode is not None:
            return
        if sys.platform == "win32":
            self._process.kill()
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        # Another process may still be writing there.
        with suppress(OSError):
            self._folder.cleanup()


def _recognized(ocr: OcrEngine, asked: _Message) -> _Message:
    """The answer to a process that asks for the text of a picture."""
    try:
        return _Message({"read": asdict(ocr.read(_image(asked)))})
    except Exception as error:  # an engine may raise anything, and the other pages can be read
        return _Message({"error": str(error) or repr(error)})


def _image(asked: _Message) -> "Image":
    from PIL import Image

    # Bare pixels, since a process that reads hostile files is not trusted to encode an image.
    picture = asked.values["picture"]
    size = int(picture["size"][0]), int(picture["size"][1])
    image = Image.frombytes("L", size, asked.data)
    if picture["dpi"]:
        image.info["dpi"] = tuple(map(float, picture["dpi"]))
    return image


class _RemoteOcr:
    """The engine of the process that started this one."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers

    def read(self, image: "Image") -> OcrText:
        picture = {"size": image.size, "dpi": image.info.get("dpi")}
        _Message({"picture": picture}, image.tobytes()).send(self._answers)
        self._answers.flush()
        answer = _Message.receive(sys.stdin.buffer)
        if answer is None:
            sys.exit()  # the process that started this one has ended
        if "error" in answer.values:
            raise DocumentError(answer.values["error"])
        return OcrText(**answer.values["read"])


def _section(message: _Message) -> Section:
    place = message.values["section"]
    headings, fields = tuple(place.pop("headings")), tuple(map(tuple, place.pop("fields")))
    return Section(_text(message.data), headings, fields=fields, **place)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _content(message: _Message, sections: list[Section]) -> Content:
    about = message.values["content"]
    left_out = tuple(LeftOut(**one) for one in about.pop("left_out"))
    return Content(tuple(sections), left_out=left_out, data=message.data, **about)


def _messages(content: Content) -> Iterator[_Message]:
    for section in content.sections:
        place = asdict(replace(section, text=""))
        del place["text"]
        yield _Message({"section": place}, section.text.encode("utf-8", "surrogatepass"))
    about = asdict(replace(content, sections=(), data=b""))
    del about["sections"], about["data"]
    yield _Message({"content": about}, content.data)


def _serve(memory_gib: float, folder: str) -> None:
    """Answer requests until standard input is closed; temporary files are in the folder."""
    tempfile.tempdir = folder
    limit_memory(int(memory_gib * 2**30))
    # Standard output goes to standard error, since a parser that prints would corrupt the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    while request := _Message.receive(sys.stdin.buffer):
        values, data = request.values, [request.data]
        del request
        for message in _answer(values, data.pop, memory_gib, answers):
            message.send(answers)
        answers.flush()


def _answer(
    request: dict[str, Any], take: Callable[[], bytes], memory_gib: float, answers: IO[bytes]
) -> Iterator[_Message]:
    name, others = request["name"], request["others"]
    ocr = _RemoteOcr(answers) if request["ocr"] else None
    try:
        contents = read_content_once(take, name, others, ocr)
    except DocumentError as error:
        yield _Message({"error": str(error)})
    except MemoryError:
        yield _Message({"error": f"{name} needs more than {memory_gib:g} GiB to be read."})
    except Exception as error:
        yield _Message({"error": f"{name} cannot be read: {error!r}."})
    else:
        yield from itertools.chain.from_iterable(map(_messages, contents))
        yield _Message({"end": True})


if __name__ == "__main__":
    _serve(float(sys.argv[1]), sys.argv[2])
