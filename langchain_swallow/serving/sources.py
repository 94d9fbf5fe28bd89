"""Finds the source of a citation: the passage, what is around it, and the page of its PDF.

A client names a session, an answer and a number; nothing that it sends is taken for a path. What
the person may see now decides, as in a search.
"""

import asyncio
import functools
import hashlib
import io
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from langchain_swallow._system.language import in_language
from langchain_swallow.documents.page_image import PageImage, render_page
from langchain_swallow.errors import DocumentError
from langchain_swallow.rag.citation import document_place
from langchain_swallow.retrieval.index.segment import Passage
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.ratings import find_turn
from langchain_swallow.serving.refusals import Refusal
from langchain_swallow.serving.sessions import Session
from langchain_swallow.text.passages import join_chunks

_MAX_FILE_BYTES = 100 * 1024**2
_MAX_IMAGES = 32
_RENDERERS = 2
# With more, passages are shown as text.
_MAX_WAITING = 16
# Chunks before and after the passage that are shown with it.
_AROUND = 2


class UnavailableSourceError(Refusal):
    """The passage is not in the index, or not for this person."""

    status = 404

    def __init__(self) -> None:
        super().__init__(
            in_language(
                "この文書は、今は見られません。変更、削除、または権限の変更がありました。",
                "This document is not available now: it was changed or deleted, or you may no "
                "longer see it.",
            )
        )


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a citation.

    Args:
        passage: The passage, as it was in the prompt.
        citation: The citation, as in `Answer.as_dict()`; empty for a passage that is not cited.
        before: Text of the document before the passage; may be empty.
        after: Text of the document after the passage; may be empty.
        file: The PDF that the passage is from, if it has its own pages.
    """

    passage: Document
    citation: dict[str, Any] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    file: Path | None = None

    @property
    def place(self) -> str:
        """Where the passage stands: file, headings, page."""
        return document_place(self.passage)

    @property
    def marks(self) -> list[list[int]]:
        """Half-open spans of the passage's text that are cited."""
        cited = self.citation
        is_quoted = cited and cited["status"] != "not_found"
        return [[cited["start"], cited["end"]]] if is_quoted else []


@dataclass(frozen=True, slots=True)
class PngPage:
    """A page as PNG, and the rectangles around the cited words; see `PageImage`."""

    png: bytes
    boxes: list[list[float]]


class Sources:
    """Finds sources, and renders pages, at most two at a time.

    Args:
        assistant: Whose answers have the citations.
    """

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._pool = ThreadPoolExecutor(_RENDERERS, thread_name_prefix="page")
        self._images: OrderedDict[tuple[Any, ...], PngPage | None] = OrderedDict()
        self._waiting = 0

    def find(self, session: Session, answer_id: str, number: int) -> Source:
        """Return the source of a citation.

        Raises:
            UnknownAnswerError: The session has no such answer.
            UnavailableSourceError: The answer has no such passage, or the person may not see it.
        """
        answer = find_turn(self._assistant, session, answer_id).answer
        if not 1 <= number <= len(answer["documents"]):
            raise UnavailableSourceError
        shown = answer["documents"][number - 1]
        passage = Document(shown["text"], metadata=shown["metadata"])
        cited: dict[str, Any] = next(
            (one for one in answer["citations"] if one["number"] == number), {}
        )
        for same_file in self._visible(session, passage):
            parts = _parts(same_file, passage)
            if parts:
                before, after = _around(same_file, parts)
                return Source(passage, cited, before, after, _pdf(same_file[parts[0]]))
        raise UnavailableSourceError

    async def page(self, source: Source) -> PngPage | None:
        """Return the page that a passage is from; `None` if it cannot be shown as a picture."""
        if source.file is None:
            return None
        metadata = source.passage.metadata
        key = (
            metadata["content_hash"],
            metadata["page"],
            source.passage.page_content,
            str(source.marks),
        )
        if key not in self._images:
            if self._waiting >= _MAX_WAITING:
                return None
            self._waiting += 1
            try:
                work = functools.partial(_draw, source)
                drawn = await asyncio.get_running_loop().run_in_executor(self._pool, work)
            finally:
                self._waiting -= 1
            self._images[key] = drawn
            while len(self._images) > _MAX_IMAGES:
                self._images.popitem(last=False)
        return self._images.get(key)

    def _visible(self, session: Session, passage: Document) -> Iterator[list[Passage]]:
        """Yield the passages of a document that the person may see now, store by store."""
        name = str(passage.metadata.get("source", ""))
        for store in (self._assistant.documents(session.person), session.documents):
            if store is not None:
                yield store.snapshot().of_sources([name])[0]


def _parts(passages: Sequence[Passage], passage: Document) -> list[int]:
    """The numbers of the chunks that a passage was made from; none unless all of it is there.

    A passage in a prompt may be several chunks that overlap, or cut at its end.
    """
    text = passage.page_content
    places = ("page", "headings", "inside")
    near = [
        (number, one.text)
        for number, one in enumerate(passages)
        if all(one.metadata.get(key) == passage.metadata.get(key) for key in places)
    ]
    whole = [number for number, part in near if text in part]
    if whole:
        return whole[:1]
    covered = bytearray(len(text))
    parts = []
    for number, part in near:
        place = text.find(part)
        if place >= 0:
            parts.append(number)
            covered[place : place + len(part)] = b"\1" * len(part)
    is_whole = all(done or char.isspace() for done, char in zip(covered, text, strict=True))
    return parts if is_whole else []


def _around(passages: Sequence[Passage], parts: Sequence[int]) -> tuple[str, str]:
    """Text of the chunks before and after a passage, without what overlaps it."""
    first, last = parts[0], parts[-1]
    before = _joined(passages[max(0, first - _AROUND) : first + 1])
    after = _joined(passages[last : last + _AROUND + 1])
    return (
        before.removesuffix(passages[first].text),
        after.removeprefix(passages[last].text),
    )


def _joined(passages: Sequence[Passage]) -> str:
    """The texts of chunks that follow each other, what overlaps only once."""
    text, metadata = passages[0].text, passages[0].metadata
    whole = ""
    for one in passages[1:]:
        joined = join_chunks(text, metadata, one.text, one.metadata)
        if joined:
            text, metadata = joined
        else:
            whole += f"{text}\n\n"
            text, metadata = one.text, one.metadata
    return whole + text


def _pdf(passage: Passage) -> Path | None:
    metadata = passage.metadata
    has_pages = metadata.get("format") == "pdf" and isinstance(metadata.get("page"), int)
    is_file = bool(passage.origin) and "inside" not in metadata and "content_hash" in metadata
    return Path(str(passage.origin)) if has_pages and is_file else None


def _draw(source: Source) -> PngPage | None:
    data = _read(source)
    if data is None:
        return None
    passage = source.passage
    try:
        drawn = render_page(data, passage.metadata["page"], passage.page_content, source.marks)
    except DocumentError:
        return None
    return PngPage(_png(drawn), drawn.boxes)


def _read(source: Source) -> bytes | None:
    """The bytes of a file, if it is the one that is in the index."""
    assert source.file is not None
    try:
        if source.file.stat().st_size > _MAX_FILE_BYTES:
            return None
        data = source.file.read_bytes()
    except OSError:
        return None
    is_same = hashlib.sha256(data).hexdigest() == source.passage.metadata["content_hash"]
    return data if is_same else None


def _png(page: PageImage) -> bytes:
    # Imported here, because it takes long.
    from PIL import Image

    written = io.BytesIO()
    Image.frombytes("RGB", (page.width, page.height), page.pixels).save(written, "png")
    return written.getvalue()
