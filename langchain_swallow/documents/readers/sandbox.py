"""Reads files in separate processes with limits, so that a file cannot crash this program.

A process reads one file after another. It is replaced when it dies or takes too long. Pictures are
sent back for OCR, since an engine can be any object here.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from langchain_swallow._system.isolated import limit_memory, python_child
from langchain_swallow.documents.ocr.engine import OcrEngine, OcrText
from langchain_swallow.documents.readers.registry import Content, read_content
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


class _Reader:
    """One process, and those that it starts; requests and answers are lines of JSON."""

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
        file = {"name": name, "data": base64.b64encode(data).decode(), "others": [*others]}
        answer = self._ask({**file, "ocr": ocr is not None}, name, timeout_s)
        while ocr and "picture" in answer:
            answer = self._ask(_recognized(ocr, answer["picture"]), name, timeout_s)
        if "error" in answer:
            raise DocumentError(answer["error"])
        return [_content(part) for part in answer["contents"]]

    def _ask(self, message: dict[str, Any], name: str, timeout_s: float) -> dict[str, Any]:
        """Send a message and return the answer.

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

    def _exchange(self, message: dict[str, Any]) -> Any:
        """Send a message and return the answer; `None` if the process ended before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            self.kill()
            self._process.wait()
            return None
        return json.loads(line)

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


def _recognized(ocr: OcrEngine, picture: dict[str, Any]) -> dict[str, Any]:
    """The answer to a process that asks for the text of a picture."""
    try:
        return {"read": asdict(ocr.read(_image(picture)))}
    except Exception as error:  # an engine may raise anything, and the other pages can be read
        return {"error": str(error) or repr(error)}


def _image(picture: dict[str, Any]) -> "Image":
    from PIL import Image

    # Bare pixels, since a process that reads hostile files is not trusted to encode an image.
    size = int(picture["size"][0]), int(picture["size"][1])
    image = Image.frombytes("L", size, base64.b64decode(picture["pixels"]))
    if picture["dpi"]:
        image.info["dpi"] = tuple(map(float, picture["dpi"]))
    return image


class _RemoteOcr:
    """The engine of the process that started this one."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send

    def read(self, image: "Image") -> OcrText:
        picture = {
            "size": image.size,
            "dpi": image.info.get("dpi"),
            "pixels": base64.b64encode(image.tobytes()).decode(),
        }
        self._send({"picture": picture})
        answer = json.loads(sys.stdin.buffer.readline())
        if "error" in answer:
            raise DocumentError(answer["error"])
        return OcrText(**answer["read"])


def _content(part: dict[str, Any]) -> Content:
    sections = tuple(
        Section(
            **section
            | {
                "headings": tuple(section["headings"]),
                "fields": tuple(map(tuple, section["fields"])),
            }
        )
        for section in part.pop("sections")
    )
    left_out = tuple(LeftOut(**one) for one in part.pop("left_out"))
    data = base64.b64decode(part.pop("data"))
    return Content(sections, left_out=left_out, data=data, **part)


def _as_json(content: Content) -> dict[str, Any]:
    return {**asdict(content), "data": base64.b64encode(content.data).decode()}


def _serve(memory_gib: float, folder: str) -> None:
    """Answer requests until standard input is closed; temporary files are in the folder."""
    tempfile.tempdir = folder
    limit_memory(int(memory_gib * 2**30))
    # Standard output goes to standard error, since a parser that prints would corrupt the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message, ensure_ascii=True).encode() + b"\n")
        answers.flush()

    # Not by iteration, which would read ahead what answers OCR.
    while line := sys.stdin.buffer.readline():
        question = json.loads(line)
        ocr = _RemoteOcr(send) if question["ocr"] else None
        try:
            data = base64.b64decode(question["data"])
            contents = read_content(data, question["name"], question["others"], ocr)
            answer: dict[str, Any] = {"contents": list(map(_as_json, contents))}
        except DocumentError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": f"{question['name']} needs more than {memory_gib:g} GiB to be read."}
        except Exception as error:
            answer = {"error": f"{question['name']} cannot be read: {error!r}."}
        send(answer)


if __name__ == "__main__":
    _serve(float(sys.argv[1]), sys.argv[2])
