"""Files → Documents → chunk Documents with offsets.

documents = load_documents("規程/")
chunks = JapaneseTextSplitter(max_tokens=300).split_documents(documents)
"""

import hashlib
import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter
from tqdm import tqdm

from langchain_swallow.errors import DocumentError
from langchain_swallow.formats.docx import read_docx
from langchain_swallow.formats.html import read_html
from langchain_swallow.formats.markdown import read_markdown
from langchain_swallow.formats.pdf import read_pdf
from langchain_swallow.formats.section import Section
from langchain_swallow.formats.tables import read_csv
from langchain_swallow.text.chunks import Counter, chunk_spans, estimate_tokens
from langchain_swallow.text.encoding import decode
from langchain_swallow.text.layout import join_wrapped_lines, split_at_headings

logger = logging.getLogger(__name__)


def _read_plain(text: str) -> list[Section]:
    return [Section(body, path) for path, body in split_at_headings(join_wrapped_lines(text))]


_TEXT_FORMATS: dict[str, Callable[[str], list[Section]]] = {
    ".txt": _read_plain,
    ".text": _read_plain,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".csv": read_csv,
    ".tsv": read_csv,
}
_BINARY_FORMATS: dict[str, Callable[[bytes, str], list[Section]]] = {
    ".pdf": read_pdf,
    ".docx": read_docx,
}
SUFFIXES = frozenset({*_TEXT_FORMATS, *_BINARY_FORMATS})


def load_documents(
    path_or_paths: str | Path | Iterable[str | Path],
    *,
    recursive: bool = True,
    max_file_mb: float = 100,
    on_error: Literal["raise", "skip"] = "raise",
    progress: bool = False,
) -> list[Document]:
    """Read files and folders in any Japanese encoding and format.

    Args:
        path_or_paths: Files, or folders whose files of a known format are read.
        recursive: Whether to read folders inside folders.
        max_file_mb: A larger file is an error.
        on_error: `"skip"` logs a file that cannot be read as a warning and goes on.
        progress: Show a progress bar.

    Returns:
        One Document per section or page, in order of the paths. Metadata: `source`, `title`,
        `format`, `encoding`, `content_hash` of the file; `headings` (章 > 節) and `page` where
        there are any.

    Raises:
        FileNotFoundError: A path does not exist.
        DocumentError: A file cannot be read as text, and `on_error="raise"`.
    """
    documents: list[Document] = []
    files = list_files(path_or_paths, recursive=recursive)
    for path in tqdm(files, desc="Reading", disable=not progress):
        try:
            documents += _load_file(path, max_file_mb)
        except DocumentError as error:
            if on_error == "raise":
                raise
            logger.warning("Skipped: %s", error)
    return documents


def list_files(
    path_or_paths: str | Path | Iterable[str | Path], *, recursive: bool = True
) -> list[Path]:
    """Files, and in folders those of a known format, as `load_documents` reads them.

    Raises:
        FileNotFoundError: A path does not exist.
    """
    paths = [path_or_paths] if isinstance(path_or_paths, str | Path) else path_or_paths
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist.")
        if path.is_dir():
            inside = sorted(path.glob("**/*" if recursive else "*"))
            files += [p for p in inside if p.is_file() and p.suffix.lower() in SUFFIXES]
        else:
            files.append(path)
    return files


def _load_file(path: Path, max_file_mb: float) -> list[Document]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DocumentError(
            f"{path} has an unknown format. Known are {', '.join(sorted(SUFFIXES))}."
        )
    if path.stat().st_size > max_file_mb * 1024**2:
        raise DocumentError(f"{path} is larger than max_file_mb={max_file_mb}.")
    data = path.read_bytes()
    file = {
        "source": str(path),
        "title": path.stem,
        "format": suffix[1:],
        "content_hash": hashlib.sha256(data).hexdigest(),
    }
    if suffix in _BINARY_FORMATS:
        sections = _BINARY_FORMATS[suffix](data, str(path))
    else:
        decoded = decode(data, name=str(path))
        file["encoding"] = decoded.encoding
        plain = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
        sections = _TEXT_FORMATS[suffix](plain)
    return [Document(section.text, metadata={**file, **_place(section)}) for section in sections]


def _place(section: Section) -> dict[str, Any]:
    place: dict[str, Any] = {}
    if section.headings:
        place["headings"] = " > ".join(section.headings)
    if section.page is not None:
        place["page"] = section.page
    return place


class JapaneseTextSplitter(TextSplitter):
    """Splits Japanese text at sentence ends, within a token budget.

    Args:
        max_tokens: Budget of a chunk.
        counter: A function from text to tokens, a tokenizer, or a chat model; `None` estimates.
        overlap: Sentences repeated at the start of the next chunk.

    Chunk Documents carry `start_index` and `end_index`, half-open, in the Document they are from.
    """

    def __init__(self, max_tokens: int = 300, counter: Any = None, *, overlap: int = 1) -> None:
        if max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, not {max_tokens!r}.")
        self._count = as_counter(counter)
        super().__init__(chunk_size=max_tokens, chunk_overlap=0, length_function=self._count)
        self._max_tokens = max_tokens
        self._overlap = overlap

    def split_text(self, text: str) -> list[str]:
        """Chunks of one text."""
        return [text[start:end] for start, end in self._spans(text)]

    def create_documents(
        self, texts: list[str], metadatas: list[dict[Any, Any]] | None = None
    ) -> list[Document]:
        """Chunk Documents of several texts, each with its text's metadata."""
        sources: Sequence[dict[Any, Any]] = metadatas or [{}] * len(texts)
        return [
            Document(text[start:end], metadata={**metadata, "start_index": start, "end_index": end})
            for text, metadata in zip(texts, sources, strict=True)
            for start, end in self._spans(text)
        ]

    def _spans(self, text: str) -> list[tuple[int, int]]:
        return chunk_spans(text, self._max_tokens, self._count, overlap=self._overlap)


def as_counter(counter: Any) -> Counter:
    """A function from text to tokens.

    Raises:
        TypeError: Nothing that can count.
    """
    if counter is None:
        return estimate_tokens
    if hasattr(counter, "get_num_tokens"):
        return counter.get_num_tokens
    if hasattr(counter, "encode"):
        parameters = inspect.signature(counter.encode).parameters
        if "add_special_tokens" in parameters:
            return lambda text: len(counter.encode(text, add_special_tokens=False))
        return lambda text: len(counter.encode(text))
    if callable(counter):
        return counter
    raise TypeError(
        f"counter must be a function, a tokenizer or a chat model, not {type(counter).__name__}."
    )
