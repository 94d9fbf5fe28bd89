"""Reads image files by OCR: PNG, JPEG, TIFF and others, one page per frame."""

import contextlib
import io
from collections.abc import Generator
from typing import TYPE_CHECKING

from langchain_swallow.documents.ocr.current import current_ocr
from langchain_swallow.documents.ocr.engine import OcrText
from langchain_swallow.documents.readers.paged import paged_sections
from langchain_swallow.documents.readers.recognized import ocr_fields, recognize
from langchain_swallow.documents.readers.section import Sections
from langchain_swallow.errors import DocumentError

if TYPE_CHECKING:
    from PIL.Image import Image

# File name endings, and what Pillow calls the format.
IMAGES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".webp": "WEBP",
}
NEEDS_OCR = "It is a picture: OCR (`ocr=True`, `--ocr`) reads its text."
# A page of A0 at 200 dpi has 62 million.
_MAX_PIXELS = 65_000_000
# Pictures in documents may also be GIF.
_FORMATS = sorted({*IMAGES.values(), "GIF"})


def read_image(data: bytes, name: str) -> Sections:
    """Recognize the text of an image file; the frames of a TIFF are its pages.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: The file is damaged, a frame has more than 65 million pixels, or there is no
            `current_ocr`.
    """
    ocr = current_ocr()
    if ocr is None:
        raise DocumentError(f"{name} was not read. {NEEDS_OCR}")
    pages: list[str] = []
    fields = {}
    left_out = []
    for number, image in enumerate(_frames(data, name), 1):
        read = recognize(image, ocr, number)
        if isinstance(read, OcrText):
            fields[number] = ocr_fields(read)
        else:
            left_out.append(read)
        pages.append(read.text if isinstance(read, OcrText) else "")
    sections = paged_sections(pages, fields=fields)
    return Sections(sections, [*left_out, *sections.left_out])


def open_picture(data: bytes, name: str) -> "Image":
    """Return a picture, or its first frame, in grayscale.

    Args:
        data: The bytes of the file.
        name: How error messages name it.

    Raises:
        DocumentError: It is damaged, of another format, or has more than 65 million pixels.
    """
    frames = _frames(data, name)
    with contextlib.closing(frames):
        return next(frames)


def _frames(data: bytes, name: str) -> Generator["Image"]:
    """The frames in grayscale, turned as a camera says they are."""
    from PIL import Image, ImageOps, ImageSequence

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as file:
            for frame in ImageSequence.Iterator(file):
                if frame.width * frame.height > _MAX_PIXELS:
                    raise DocumentError(
                        f"{name} has {frame.width} × {frame.height} pixels, more than "
                        f"{_MAX_PIXELS:,}. Save it with a lower resolution."
                    )
                yield _gray(ImageOps.exif_transpose(frame))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"{name} is not a readable image: {error}") from error


def _gray(image: "Image") -> "Image":
    """A picture in grayscale, with white where it is transparent."""
    from PIL import Image

    gray = image.convert("L")
    if image.has_transparency_data:
        white = Image.new("L", image.size, 255)
        white.paste(gray, mask=image.convert("RGBA").getchannel("A"))
        gray = white
    dots = image.info.get("dpi", (0, 0))
    gray.info = {"dpi": (float(dots[0]), float(dots[1]))} if min(dots) > 1 else {}
    return gray
