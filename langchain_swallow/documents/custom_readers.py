"""Readers of formats that this package does not know: those of the caller, and of other packages.

A package offers a reader as an entry point of the group `langchain_swallow.readers`, whose name is
the extension:

    [project.entry-points."langchain_swallow.readers"]
    ".jtd" = "my_package:read_jtd"
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, distributions
from typing import TypeAlias

from langchain_core.documents import Document

from langchain_swallow._system.isolated import trusted_path
from langchain_swallow.documents.ocr.current import using_ocr
from langchain_swallow.documents.ocr.engine import OcrEngine
from langchain_swallow.documents.readers.formats import file_suffix, readable_suffixes
from langchain_swallow.documents.readers.registry import Content
from langchain_swallow.documents.readers.section import LeftOut, Section
from langchain_swallow.errors import DocumentError

# From the bytes of a file and its name to its text, or to Documents.
Reader: TypeAlias = Callable[[bytes, str], str | Iterable[Document]]
_GROUP = "langchain_swallow.readers"
# What the loader knows better, and what `sync_folder` needs.
_OF_LOADER = frozenset({"source", "content_hash", "inside"})


class Readers:
    """The readers of the caller, then those of installed packages for other formats.

    Args:
        readers: Readers by extension, such as `.jtd`. They come before the package's own.
        ocr: Recognizes the text of pictures; `None` leaves them out.

    Raises:
        ValueError: An extension does not begin with a dot, or a reader cannot be called.
    """

    def __init__(
        self, readers: Mapping[str, Reader] | None = None, ocr: OcrEngine | None = None
    ) -> None:
        self.ocr = ocr
        self._given = {suffix.lower(): read for suffix, read in (readers or {}).items()}
        for suffix, read in self._given.items():
            if not suffix.startswith(".") or "/" in suffix or not callable(read):
                raise ValueError(
                    f"readers={{{suffix!r}: {read!r}}} is not a reader by extension. Pass a "
                    'function, for example readers={".jtd": read_jtd}.'
                )
        with using_ocr(ocr):
            readable = readable_suffixes()
        installed = _installed().keys() - readable
        self.suffixes = frozenset({*self._given, *installed})
        self.readable = self.suffixes | readable

    def read(self, data: bytes, name: str) -> Content:
        """Read a file with the reader for its extension, which is one of `suffixes`.

        Raises:
            DocumentError: The reader failed, or returned something else than text or Documents.
        """
        suffix = file_suffix(name)
        try:
            read = self._given.get(suffix) or _installed()[suffix].load()
            result = read(data, name)
            documents = [Document(result)] if isinstance(result, str) else list(result)
            sections = [_section(one) for one in documents if one.page_content.strip()]
        except DocumentError:
            raise
        except Exception as error:
            raise DocumentError(
                f"{name} was not read: the reader for {suffix} failed: {error!r}."
            ) from error
        empty = () if sections else (LeftOut("the file has no text", is_loss=False),)
        return Content(tuple(sections), left_out=empty)


def _section(document: Document) -> Section:
    fields = {k: v for k, v in document.metadata.items() if k not in _OF_LOADER}
    return Section(document.page_content, fields=tuple(fields.items()))


@functools.cache
def _installed() -> dict[str, EntryPoint]:
    # A folder of someone's documents may hold a description of a package, too.
    return {
        point.name.lower(): point
        for distribution in distributions(path=trusted_path())
        for point in distribution.entry_points
        if point.group == _GROUP
    }
