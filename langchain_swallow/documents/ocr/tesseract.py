"""Runs Tesseract on a picture, in a process of its own with limits."""

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from langchain_swallow._system.isolated import limit_memory
from langchain_swallow.documents.ocr.engine import OcrText
from langchain_swallow.documents.ocr.prepare import Prepared, prepare
from langchain_swallow.documents.ocr.words import ocr_text, parse_words
from langchain_swallow.errors import DocumentError, MissingDependencyError

if TYPE_CHECKING:
    from PIL.Image import Image

_HOW_TO_INSTALL = (
    "On Debian and Ubuntu, install it using `apt-get install tesseract-ocr tesseract-ocr-jpn "
    "tesseract-ocr-jpn-vert`, on macOS using `brew install tesseract tesseract-lang`; on Windows, "
    "use the installer of UB Mannheim and choose Japanese."
)
# Models, and page segmentation modes: blocks of lines are found; one block of lines; one block of
# vertical columns. Finding blocks where there is one loses ends of lines (an error rate of 6%
# instead of 0.6% on some pages), and takes the columns of a table for blocks.
_BLOCKS, _ONE_BLOCK, _VERTICAL = ("jpn", "3"), ("jpn", "6"), ("jpn_vert", "5")
# Below this confidence, the other writing direction is tried, too.
_MIN_CERTAIN = 0.7
_LAST_ERROR_CHARACTERS = 200


class Tesseract:
    """Tesseract's models of Japanese, `jpn` and `jpn_vert`.

    The writing direction of a page is found from the picture. Each page is read by a process of one
    thread.

    Args:
        program: The name or path of the program.
        timeout_s: Maximum seconds for one run of the program. A page takes one or two runs.
        memory_gib: Maximum address space of the program in GiB; only Linux limits it.

    Raises:
        MissingDependencyError: Pillow, the program, or one of the models is not installed.
    """

    def __init__(
        self, program: str = "tesseract", *, timeout_s: float = 120.0, memory_gib: float = 2.0
    ) -> None:
        try:
            import PIL.Image  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError(
                'OCR needs Pillow. Install it using `pip install "langchain-swallow[ocr]"`.'
            ) from error
        found = shutil.which(program)
        if found is None:
            raise MissingDependencyError(
                f"OCR needs the program {program!r}, which is not installed. {_HOW_TO_INSTALL}"
            )
        self._program = os.path.abspath(found)
        self._timeout_s, self._memory_gib = timeout_s, memory_gib
        installed = set(self._run(["--list-langs"]).split())
        if missing := sorted({"jpn", "jpn_vert"} - installed):
            raise MissingDependencyError(
                f"OCR needs Tesseract's models {' and '.join(missing)}, which are not installed. "
                f"{_HOW_TO_INSTALL}"
            )

    def read(self, image: "Image") -> OcrText:
        """Recognize the text of a picture.

        Raises:
            DocumentError: Tesseract failed, or took longer than `timeout_s`.
        """
        page = prepare(image)
        first = self._read(page, is_vertical=page.is_vertical)
        if first.confidence >= _MIN_CERTAIN:
            return first
        other = self._read(page, is_vertical=not page.is_vertical)
        return max(first, other, key=lambda read: read.confidence)

    def _read(self, page: Prepared, *, is_vertical: bool) -> OcrText:
        upright = _ONE_BLOCK if page.is_one_block else _BLOCKS
        model, mode = _VERTICAL if is_vertical else upright
        arguments = ["stdin", "stdout", "-l", model, "--psm", mode, "--oem", "1"]
        arguments += ["--dpi", str(page.dpi), "-c", "tessedit_create_tsv=1"]
        width, height = page.image.size
        # A format without compression, which needs no encoder.
        picture = b"P5 %d %d 255\n" % (width, height) + page.image.tobytes()
        return ocr_text(parse_words(self._run(arguments, picture)), is_vertical=is_vertical)

    def _run(self, arguments: list[str], data: bytes = b"") -> str:
        with subprocess.Popen(
            [self._program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Files are read in parallel already; threads within a page would only compete.
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            # Tesseract looks for files of settings in the working directory first.
            cwd=sys.base_prefix,
        ) as process:
            limit_memory(int(self._memory_gib * 2**30), process.pid)
            try:
                written, errors = process.communicate(data, self._timeout_s)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise DocumentError(f"OCR took over {self._timeout_s:g} s.") from error
        if process.returncode:
            reason = errors.decode("utf-8", "replace").strip()[-_LAST_ERROR_CHARACTERS:]
            raise DocumentError(f"Tesseract failed ({process.returncode}): {reason}")
        return written.decode("utf-8", "replace")
