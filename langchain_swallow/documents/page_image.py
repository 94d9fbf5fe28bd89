"""Renders a page of a PDF in a separate process, with the places of quoted words.

pdfium reads a file that may be hostile, so a process with limits runs it, and sends back bare
pixels and numbers.
"""

import base64
import json
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from langchain_swallow._system.isolated import limit_memory, python_child
from langchain_swallow.documents.readers.pdf_fonts import open_pdf
from langchain_swallow.errors import DocumentError

_TIMEOUT_S = 30.0
_MEMORY_BYTES = 2 * 2**30
# Sharp on a screen with two pixels per point, at the width of a side panel.
_WIDTH = 1400
_MAX_PIXELS = 6_000_000
# Characters before a quote that tell apart places with the same words.
_BEFORE = 20
# A shorter part of a quote is found in the wrong places.
_MIN_PART = 4


@dataclass(frozen=True, slots=True)
class PageImage:
    """A rendered page.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        pixels: Red, green and blue of each pixel, from the top left one.
        boxes: Rectangles around the quoted words: left, top, width and height, as shares of the
            page's width and height.
    """

    width: int
    height: int
    pixels: bytes
    boxes: list[list[float]]


def render_page(data: bytes, number: int, text: str, quotes: Sequence[Sequence[int]]) -> PageImage:
    """Render a page.

    Args:
        data: The bytes of the PDF.
        number: Number of the page, from 1.
        text: A text that was read from the page.
        quotes: Half-open spans of `text` whose words are looked for on the page.

    Raises:
        DocumentError: The page cannot be rendered, or not within the limits.
    """
    request = {"number": number, "text": text, "quotes": [list(span) for span in quotes]}
    header = json.dumps(request).encode() + b"\n"
    try:
        done = subprocess.run(
            **python_child("langchain_swallow.documents.page_image"),
            input=header + data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=True,
        )
        answer = json.loads(done.stdout)
        pixels = base64.b64decode(answer["pixels"])
        width, height = int(answer["width"]), int(answer["height"])
        boxes = [[float(value) for value in box] for box in answer["boxes"]]
    except (subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        raise DocumentError(f"Page {number} cannot be rendered.") from error
    if len(pixels) != 3 * width * height or any(len(box) != 4 for box in boxes):
        raise DocumentError(f"Page {number} cannot be rendered: its process sent another size.")
    return PageImage(width, height, pixels, boxes)


def _render(data: bytes, number: int, text: str, quotes: Sequence[Sequence[int]]) -> dict[str, Any]:
    with closing(open_pdf(data, is_shown=True)) as document:
        document.init_forms()
        with closing(document[number - 1]) as page, closing(page.get_textpage()) as textpage:
            width, height = page.get_size()
            scale = min(_WIDTH / width, (_MAX_PIXELS / (width * height)) ** 0.5)
            bitmap = page.render(scale=scale, rev_byteorder=True)
            image = bitmap.to_pil().convert("RGB")
            to_image = bitmap.get_posconv(page)
            characters = _PageText(textpage)
            boxes = [
                box
                for start, end in quotes
                for box in _lines(characters, characters.find(text, start, end), to_image)
            ]
    size = image.width, image.height, image.width, image.height
    return {
        "width": image.width,
        "height": image.height,
        "pixels": base64.b64encode(image.tobytes()).decode(),
        "boxes": [[value / whole for value, whole in zip(box, size, strict=True)] for box in boxes],
    }


class _PageText:
    """The characters of a page, without spaces and in compatibility forms.

    Reading joins lines and removes spaces, so only the other characters can be compared.
    """

    def __init__(self, textpage: Any) -> None:
        import pypdfium2.raw as pdfium

        self._textpage = textpage
        plain = [
            _plain(chr(pdfium.FPDFText_GetUnicode(textpage.raw, number)))
            for number in range(textpage.count_chars())
        ]
        self._text = "".join(plain)
        self._numbers = [number for number, text in enumerate(plain) for _ in text]

    def find(self, text: str, start: int, end: int) -> Iterator[int]:
        """Yield the numbers of the characters of `text[start:end]`; of its lines, if it is cut."""
        before = _plain(text[:start])
        for part in (text[start:end], *text[start:end].split("\n")):
            place = self._place(before, _plain(part))
            if place is not None:
                yield from self._numbers[place : place + len(_plain(part))]
                if part == text[start:end]:
                    return

    def _place(self, before: str, words: str) -> int | None:
        for count in (_BEFORE, 5, 0):
            known = before[len(before) - min(count, len(before)) :]
            place = self._text.find(known + words)
            if words and place >= 0 and (count or len(words) >= _MIN_PART):
                return place + len(known)
        # Short words are marked only where they are on the page once.
        return self._text.find(words) if words and self._text.count(words) == 1 else None

    def box(self, number: int) -> tuple[float, float, float, float]:
        """Return left, bottom, right and top of a character, in the coordinates of the file."""
        box: tuple[float, float, float, float] = self._textpage.get_charbox(number, loose=True)
        return box


def _lines(characters: _PageText, numbers: Iterator[int], to_image: Any) -> Iterator[list[float]]:
    """Yield left, top, width and height of the lines that these characters are on, in pixels."""
    lines: list[list[float]] = []
    for number in numbers:
        left, bottom, right, top = characters.box(number)
        corners = [to_image.to_bitmap(left, top), to_image.to_bitmap(right, bottom)]
        xs, ys = ([float(corner[axis]) for corner in corners] for axis in (0, 1))
        box = [min(xs), min(ys), max(xs), max(ys)]
        if lines and _is_beside(lines[-1], box):
            lines[-1] = [*map(min, lines[-1][:2], box[:2]), *map(max, lines[-1][2:], box[2:])]
        else:
            lines.append(box)
    for left, top, right, bottom in lines:
        yield [left, top, right - left, bottom - top]


def _is_beside(line: list[float], box: list[float]) -> bool:
    """Whether a character continues a line, horizontal or vertical."""
    size = max(box[2] - box[0], box[3] - box[1], 1.0)
    for along, across in ((0, 1), (1, 0)):
        overlap = min(line[across + 2], box[across + 2]) - max(line[across], box[across])
        gap = max(box[along] - line[along + 2], line[along] - box[along + 2])
        if overlap > 0.5 * (box[across + 2] - box[across]) and gap < size:
            return True
    return False


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def _serve() -> None:
    limit_memory(_MEMORY_BYTES)
    request = json.loads(sys.stdin.buffer.readline())
    sys.stdout.write(json.dumps(_render(sys.stdin.buffer.read(), **request)))


if __name__ == "__main__":
    _serve()
