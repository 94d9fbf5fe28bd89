"""Reads untrusted zip archives, and checks them before unpacking anything.

docx, pptx and xlsx files are zip archives too.
"""

import contextlib
import io
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import PurePosixPath

from langchain_swallow.documents.readers.container import numbered_path
from langchain_swallow.errors import DocumentError

_MAX_ENTRIES = 10_000
_MAX_BYTES = 500 * 1024**2
_MAX_PICTURE_BYTES = 64 * 1024**2
_MAX_RATIO = 100
# A smaller file may have any compression ratio without harm.
_ANY_RATIO_BELOW = 1024**2
# Old Office files, and new ones with a password, are OLE compound files instead of archives.
_COMPOUND_FILE = bytes.fromhex("D0CF11E0A1B11AE1")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
# The parts of Office files that hold text; the rest are pictures, fonts and embedded files.
_PARTS = (".xml", ".rels")


class Archive:
    """A zip archive.

    Args:
        data: The bytes of the archive.
        name: How error messages name the archive.
        reads: Decides by its path whether an entry can be read; `None` allows all. The size limits
            do not apply to the other entries, such as pictures, which only `read_picture` unpacks.

    If several entries have the same path, the last one keeps it, as when unpacking; the path of an
    earlier one gets a number. `others` are the paths of entries that cannot be read.

    Raises:
        DocumentError: The file is not a zip archive or is encrypted; a path leads out of it; it
            has more than 10,000 entries; or the entries that can be read unpack to more than
            500 MiB, or one of over 1 MiB to more than 100 times its compressed size.
    """

    def __init__(
        self, data: bytes, name: str, *, reads: Callable[[str], bool] | None = None
    ) -> None:
        self._name = name
        if data.startswith(_COMPOUND_FILE):
            raise DocumentError(f"{name} {_describe_compound_file(data)}")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise DocumentError(f"{name} is not a readable archive: {error}.") from error
        infos = [(_name(info), info) for info in self._zip.infolist()]
        files = [(path, info) for path, info in infos if path and not path.endswith("/")]
        if len(files) > _MAX_ENTRIES:
            raise DocumentError(
                f"{self._name} has {len(files)} files, over {_MAX_ENTRIES}. Split the archive."
            )
        entries = _distinct(files)
        self._check_paths(entries)
        self._entries = {
            path: info for path, info in entries.items() if reads is None or reads(path)
        }
        self._others = {path: info for path, info in entries.items() if path not in self._entries}
        self.others = list(self._others)
        self._check_sizes()

    def __contains__(self, entry: str) -> bool:
        return entry in self._entries

    def names(self) -> list[str]:
        """Paths of all entries that can be read, in the order of the archive."""
        return list(self._entries)

    def read(self, entry: str) -> bytes:
        """Unpack one entry.

        Args:
            entry: Its path, one of `names()`.

        Raises:
            DocumentError: There is no such entry, or it is damaged.
        """
        return self._unpack(entry, self._entries)

    def read_picture(self, entry: str) -> bytes:
        """Unpack one of `others`.

        Args:
            entry: Its path.

        Raises:
            DocumentError: There is no such entry, it is damaged, or it has over 64 MiB.
        """
        info = self._others.get(entry)
        if info is not None and info.file_size > _MAX_PICTURE_BYTES:
            raise DocumentError(f"{entry} unpacks to {info.file_size} bytes; refused as too large.")
        return self._unpack(entry, self._others)

    def _unpack(self, entry: str, entries: dict[str, zipfile.ZipInfo]) -> bytes:
        try:
            return self._zip.read(entries[entry])
        except KeyError:
            raise DocumentError(f"{self._name} has no {entry}.") from None
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
            raise DocumentError(f"{self._name}: {entry} is damaged: {error}.") from error
        except Exception as error:  # zlib.error and lzma.LZMAError have no common base
            raise DocumentError(f"{self._name}: {entry} cannot be unpacked: {error}.") from error

    def _check_paths(self, entries: dict[str, zipfile.ZipInfo]) -> None:
        for path, info in entries.items():
            if info.flag_bits & 1:
                raise DocumentError(f"{self._name} is encrypted. Save it without a password.")
            if path.startswith("/") or ".." in path.split("/") or path[1:2] == ":":
                raise DocumentError(f"{self._name} has a path that leads out of it: {path!r}.")

    def _check_sizes(self) -> None:
        total = sum(info.file_size for info in self._entries.values())
        if total > _MAX_BYTES:
            raise DocumentError(f"{self._name} unpacks to {total} bytes; refused as too large.")
        for path, info in self._entries.items():
            ratio = info.file_size / max(1, info.compress_size)
            if ratio > _MAX_RATIO and info.file_size > _ANY_RATIO_BELOW:
                raise DocumentError(
                    f"{self._name}: {path} unpacks to {info.file_size} bytes, {ratio:.0f} times "
                    "its size; refused as too large."
                )


def open_office_file(data: bytes, name: str) -> Archive:
    """Open a docx, pptx or xlsx file, of which only the parts that hold text can be read.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: As for `Archive`.
    """
    return Archive(data, name, reads=lambda path: path.lower().endswith(_PARTS))


def _describe_compound_file(data: bytes) -> str:
    """Describe why a file in Office's other container format cannot be read."""
    if _ENCRYPTED in data:
        return "is encrypted with a password. Open it in Office and save it without the password."
    return (
        "is an Office 97-2003 file (.doc, .xls, .ppt) or an Outlook message with another "
        "extension. Save it in a current format, such as .docx, .xlsx or .pptx."
    )


def _name(info: zipfile.ZipInfo) -> str:
    """Decode an entry's path; Japanese Windows writes CP932 without saying so."""
    # `orig_filename`, since on Windows `filename` has slashes in place of the bytes of backslashes,
    # which may be the second bytes of CP932 characters.
    name = info.orig_filename.split("\0")[0]
    if not info.flag_bits & 0x800:
        raw = name.encode("cp437", "replace")
        for codec in ("utf-8", "cp932"):
            with contextlib.suppress(UnicodeDecodeError):
                name = raw.decode(codec)
                break
    path = name.replace("\\", "/")
    if "//" not in path and "/." not in path and not path.startswith(("/", ".")):
        # Nothing to normalize; creating path objects for thousands of names would be slow.
        return path
    folder = "/" if path.endswith("/") else ""
    return f"{PurePosixPath(path)}{folder}" if path.strip("./") else folder


def _distinct(files: list[tuple[str, zipfile.ZipInfo]]) -> dict[str, zipfile.ZipInfo]:
    """Entries by path; an earlier entry of a repeated path becomes `name (2).txt`."""
    last = dict(files)
    entries: dict[str, zipfile.ZipInfo] = {}
    numbers: Counter[str] = Counter()
    for path, info in files:
        free = path
        while free in entries or (last.get(free, info) is not info):
            numbers[path] += 1
            free = numbered_path(path, numbers[path] + 1)
        entries[free] = info
    return entries
