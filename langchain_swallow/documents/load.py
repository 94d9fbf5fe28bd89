"""Loads files and folders as Documents.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     _ = (Path(folder) / "規程.txt").write_bytes("試用期間は3か月です。".encode("cp932"))
...     documents = load_documents(folder, on_error="skip")
>>> documents[0].page_content, documents[0].metadata["encoding"], documents.failed
('試用期間は3か月です。', 'cp932', {})
"""

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Literal, TypeAlias

from langchain_core.documents import Document
from tqdm import tqdm

from langchain_swallow._system.machine import allowed_cores
from langchain_swallow.documents.access import FOLDER_GROUPS, AccessRules
from langchain_swallow.documents.custom_readers import Reader, Readers
from langchain_swallow.documents.listing import list_files, warn_of_documents
from langchain_swallow.documents.ocr.choose import choose_ocr
from langchain_swallow.documents.ocr.engine import OcrEngine
from langchain_swallow.documents.ocr.progress import ShownOcr
from langchain_swallow.documents.permissions import permitted_groups
from langchain_swallow.documents.readers.formats import UNTRUSTED, file_suffix, what_to_do
from langchain_swallow.documents.readers.registry import Content, read_content
from langchain_swallow.documents.readers.sandbox import Sandbox
from langchain_swallow.documents.readers.section import LeftOut, Section, describe_left_out
from langchain_swallow.errors import DocumentError
from langchain_swallow.text.paths import readable_path
from langchain_swallow.text.surrogates import replace_surrogates

logger = logging.getLogger(__name__)

_MIN_FILES_FOR_SANDBOX = 32


class LoadedDocuments(list[Document]):
    """The Documents, and a report of what was not read.

    `failed` maps each file that could not be read to the reason. `ignored` lists files of unknown
    formats in folders and archives, hidden files in archives, links to folders, and links to files
    outside. `left_out` maps a file to the parts that were not turned into text, such as scanned
    pages; parts with `is_loss` are logged as warnings.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failed: dict[str, str] = {}
        self.ignored: list[str] = []
        self.left_out: dict[str, tuple[LeftOut, ...]] = {}


def load_documents(
    path_or_paths: str | Path | Iterable[str | Path],
    *,
    recursive: bool = True,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    max_file_mb: float = 100,
    on_error: Literal["raise", "skip"] = "raise",
    processes: int | None = None,
    ocr: OcrEngine | bool = False,
    posix_groups: bool = False,
    progress: bool = False,
    readers: Mapping[str, Reader] | None = None,
) -> LoadedDocuments:
    """Read files and folders in any Japanese encoding and format.

    The formats are text (including Aozora Bunko), Markdown, HTML, PDF, docx, pptx, xlsx, CSV, JSON,
    JSON lines, EPUB, mail (eml, mbox) with its attachments, Jupyter notebooks, LaTeX,
    reStructuredText, source code, and zip archives of these. Where LibreOffice is installed, it
    converts doc, ppt, rtf, odt and odp. Formats whose parsers an untrusted file could attack are
    read in separate processes, with limits on memory and time.

    Args:
        path_or_paths: Files, or folders; all files of a known format in a folder are read.
        recursive: Whether to read subfolders.
        include: Patterns such as `*.pdf` or `規程/*`; a file in a folder must match one of them.
            `None` includes all.
        exclude: Patterns of files in folders to skip.
        max_file_mb: Maximum size of a file in MiB; a larger file is an error.
        on_error: `"raise"` raises at the first file that cannot be read. `"skip"` logs a warning,
            adds the reason to `.failed` of the result, and continues.
        processes: How many files are read in parallel; `None` is the number of cores, at most 4.
        ocr: Whether to recognize the text of scanned pages, of large pictures in PDFs, and of image
            files (PNG, JPEG, TIFF, BMP, WebP). `True` uses Tesseract (extra `ocr`, and the program
            with Japanese models); an `OcrEngine` is another engine.
        posix_groups: Whether files without rules get the groups that may read them by their
            permissions (Linux). Default: false.
        progress: Whether to show a progress bar.
        readers: Functions that read other formats, or these in another way, by extension: from the
            bytes of a file and its name to its text, or to Documents, whose metadata is kept.
            Example: `{".jtd": read_jtd}`. They run in this process, without limits. Default: those
            that installed packages offer as entry points `langchain_swallow.readers`, for
            extensions that are not read otherwise.

    Returns:
        One Document per section, page, slide or sheet, in the order of the paths. The metadata has
        `source`, `title`, `format`, `encoding` (of text files) and `content_hash` (SHA-256) of the
        file. Where they apply, it also has `headings` (章 > 節), `page`, the `line` at which a
        section of a text file begins, and the path `inside` an archive. CSV files have
        `row_offsets`, from which the splitter numbers the rows of a chunk. A JSON record adds its
        other fields. Pages and lines count from 1. Text that OCR recognized has `ocr=True` and
        `ocr_confidence`, from 0 to 1. `folder_groups` are the groups that the rules of its folder
        let see the file (`documents.access`); files without rules do not have it.
        `source` is the path as you wrote it. It opens the file even if its name is not UTF-8 (the
        path then has lone surrogates, as everywhere in Python); `title` has such a name decoded
        from CP932. In texts and headings, lone surrogates become U+FFFD.

    Raises:
        FileNotFoundError: A path does not exist.
        DocumentError: A file cannot be read as text, and `on_error="raise"`.
        MissingDependencyError: `ocr=True`, and Tesseract or Pillow is not installed.
    """
    loaded = LoadedDocuments()
    others = Readers(readers, choose_ocr(ocr))
    files = list_files(
        path_or_paths,
        recursive=recursive,
        include=include,
        exclude=exclude,
        ignored=loaded.ignored,
        failed=loaded.failed if on_error == "skip" else None,
        readers=others,
    )
    # Close it on errors too: otherwise its processes live as long as the traceback.
    options: dict[str, Any] = {
        "max_file_mb": max_file_mb,
        "processes": processes,
        "posix_groups": posix_groups,
        "readers": others,
        "progress": progress,
    }
    with closing(read_files(files, **options)) as read:
        for file in tqdm(read, total=len(files), desc="Reading", disable=not progress):
            loaded.extend(_checked(file, on_error))
            loaded.failed |= file.failed
            loaded.left_out |= file.left_out
            loaded.ignored.extend(file.ignored)
    return loaded


def lazy_load_documents(
    path_or_paths: str | Path | Iterable[str | Path],
    *,
    on_error: Literal["raise", "skip"] = "raise",
    max_file_mb: float = 100,
    processes: int | None = None,
    ocr: OcrEngine | bool = False,
    readers: Mapping[str, Reader] | None = None,
    **which: Any,
) -> Iterator[Document]:
    """Yield the Documents of `load_documents` one by one; only a few files are in memory.

    Args:
        path_or_paths: Files and folders.
        on_error: `"raise"`, or `"skip"` to log files that cannot be read and continue.
        max_file_mb: Maximum size of a file in MiB; a larger file is an error.
        processes: How many files are read in parallel; `None` is the number of cores, at most 4.
        ocr: Whether to recognize the text of pictures, as for `load_documents`.
        readers: Functions that read other formats, by extension, as for `load_documents`.
        **which: `recursive`, `include` and `exclude` of `load_documents`.

    Raises:
        FileNotFoundError: A path does not exist.
        DocumentError: A file cannot be read as text, and `on_error="raise"`.
    """
    others = Readers(readers, choose_ocr(ocr))
    failed: dict[str, str] | None = {} if on_error == "skip" else None
    files = list_files(path_or_paths, **which, failed=failed, readers=others)
    options: dict[str, Any] = {
        "max_file_mb": max_file_mb,
        "processes": processes,
        "readers": others,
    }
    with closing(read_files(files, **options)) as read:
        for file in read:
            yield from _checked(file, on_error)


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """The Documents of a file, and a report of what was not read.

    The report is by file, since the file may be an archive. `failed` maps files of which nothing
    was read to the reason. `left_out` maps the others to the parts that are missing. `ignored`
    lists files in an archive that are hidden or of unknown formats.
    """

    path: PurePath
    documents: tuple[Document, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, tuple[LeftOut, ...]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def read_files(
    files: Sequence[Path],
    *,
    max_file_mb: float = 100,
    processes: int | None = None,
    posix_groups: bool = False,
    readers: Readers | None = None,
    progress: bool = False,
) -> Generator[LoadedFile, None, None]:
    """Yield files in order, some of them read ahead; errors are in `LoadedFile.failed`.

    Args:
        files: The paths.
        max_file_mb: Maximum size of a file in MiB.
        processes: How many files are read in parallel; `None` is the number of cores, at most 4.
        posix_groups: Whether files without rules get the groups of their permissions.
        readers: Readers of other formats, and the OCR engine; default: the readers of installed
            packages.
        progress: Whether to show how many pictures OCR recognized.
    """
    others = readers or Readers()
    shown = ShownOcr(others.ocr) if others.ocr and progress else None
    workers = processes or min(4, allowed_cores())
    rules = AccessRules(permitted_groups if posix_groups else None)
    with Sandbox(workers, ocr=shown or others.ocr) as sandbox, ThreadPoolExecutor(workers) as pool:
        # Below this number of files, starting a process takes longer than reading the texts here.
        sandbox_all = len(files) >= _MIN_FILES_FOR_SANDBOX

        def read(path: Path) -> LoadedFile:
            untrusted = sandbox_all or path.suffix.lower() in UNTRUSTED
            try:
                read = sandbox.read if untrusted else read_content
                return _with_groups(_load_file(path, max_file_mb, read, others), rules.groups(path))
            except DocumentError as error:
                return LoadedFile(path, failed={str(path): str(error)})
            except OSError as error:
                reason = f"{readable_path(str(path))} cannot be read: {error.strerror}."
                return LoadedFile(path, failed={str(path): reason})
            except Exception as error:  # a parser may raise anything on an untrusted file
                reason = f"{readable_path(str(path))} cannot be read: {error!r}."
                return LoadedFile(path, failed={str(path): reason})

        ahead: deque[Future[LoadedFile]] = deque()
        try:
            for path in files:
                ahead.append(pool.submit(read, path))
                if len(ahead) > 2 * workers:
                    yield ahead.popleft().result()
            for future in ahead:
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            if shown:
                shown.close()


def _with_groups(file: LoadedFile, groups: list[str] | None) -> LoadedFile:
    """Set the groups that the rules of its folder give to a file."""
    if groups is not None:
        for document in file.documents:
            document.metadata[FOLDER_GROUPS] = list(groups)
    return file


def _checked(file: LoadedFile, on_error: Literal["raise", "skip"]) -> tuple[Document, ...]:
    for reason in file.failed.values():
        if on_error == "raise":
            raise DocumentError(reason)
        logger.warning("Skipped: %s", reason)
    for name, parts in file.left_out.items():
        if lost := describe_left_out(part for part in parts if part.is_loss):
            logger.warning("Left out of %s: %s", name, "; ".join(lost))
    warn_of_documents(file.ignored)
    return file.documents


def _load_file(path: Path, max_file_mb: float, read: "_Read", readers: Readers) -> LoadedFile:
    shown = readable_path(str(path))
    if (suffix := path.suffix.lower()) not in readers.readable:
        raise DocumentError(f"{shown} has an unknown format. {what_to_do(suffix)}")
    if path.stat().st_size > max_file_mb * 1024**2:
        raise DocumentError(
            f"{shown} is larger than max_file_mb={max_file_mb}. Raise it, or split the file."
        )
    return load_bytes(path.read_bytes(), path, read, readers)


def load_bytes(
    data: bytes, path: PurePath, read: "_Read" = read_content, readers: Readers | None = None
) -> LoadedFile:
    """Read the Documents of a file from its bytes.

    Args:
        data: The bytes.
        path: The name of the file, for its format and metadata; it is not opened.
        read: The reader: `read_content`, or `Sandbox.read` for an untrusted file.
        readers: Readers of other formats; default: those of installed packages.

    Raises:
        DocumentError: The file cannot be read.
    """
    shown = readable_path(str(path))
    file = {"source": str(path), "content_hash": hashlib.sha256(data).hexdigest()}
    documents: list[Document] = []
    failed: dict[str, str] = {}
    left_out: dict[str, tuple[LeftOut, ...]] = {}
    ignored: list[str] = []
    for content in _contents(data, shown, read, readers or Readers()):
        file_path = PurePosixPath(content.inside) if content.inside else Path(shown)
        place: dict[str, Any] = {
            **file,
            "title": file_path.stem,
            "format": file_path.suffix.lower()[1:],
        }
        if content.encoding:
            place["encoding"] = content.encoding
        if content.inside:
            place["inside"] = content.inside
        where = f"{path}/{content.inside}" if content.inside else str(path)
        if content.is_ignored:
            ignored.append(where)
        if content.error:
            failed[where] = content.error
        if content.left_out:
            left_out[where] = content.left_out
        documents += [
            Document(replace_surrogates(section.text), metadata={**place, **_place(section)})
            for section in content.sections
        ]
    return LoadedFile(path, tuple(documents), failed, left_out, tuple(ignored))


# `read_content` and `Sandbox.read`.
_Read: TypeAlias = Callable[[bytes, str, Collection[str]], list[Content]]


def _contents(data: bytes, name: str, read: _Read, readers: Readers) -> Iterator[Content]:
    if file_suffix(name) in readers.suffixes:
        yield readers.read(data, name)
        return
    for content in read(data, name, readers.suffixes):
        # A file in an archive, which a reader of another format reads.
        if content.data:
            try:
                yield replace(
                    readers.read(content.data, f"{name}/{content.inside}"), inside=content.inside
                )
            except DocumentError as error:
                yield replace(content, error=str(error))
        else:
            yield content


def _place(section: Section) -> dict[str, Any]:
    place: dict[str, Any] = {
        replace_surrogates(name): replace_surrogates(value) if isinstance(value, str) else value
        for name, value in section.fields
    }
    if section.headings:
        place["headings"] = replace_surrogates(" > ".join(section.headings))
    if section.page is not None:
        place["page"] = section.page
    if section.line is not None:
        place["line"] = section.line
    return place
