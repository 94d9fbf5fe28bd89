"""Zip archives that strangers made: checked before anything of them is unpacked.

docx, pptx and xlsx are such archives too.
"""

import io
import zipfile
from pathlib import PurePosixPath

from langchain_swallow.errors import DocumentError

_MAX_ENTRIES = 10_000
_MAX_BYTES = 500 * 1024**2
_MAX_RATIO = 100
# A small file may be compressed further than that without harm.
_ANY_RATIO_BELOW = 1024**2


class Archive:
    """A zip archive whose entries can be read.

    Args:
        data: Its bytes.
        name: What to call it in an error.

    Raises:
        DocumentError: It is no archive, encrypted, has paths that lead out of it, too many
            entries, or unpacks to more than 500 MiB or to a hundred times its size.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._name = name
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise DocumentError(f"{name} is no readable archive: {error}.") from error
        self._entries = {_name(info): info for info in self._zip.infolist() if not info.is_dir()}
        self._check()

    def names(self) -> list[str]:
        """Paths of all files in it."""
        return list(self._entries)

    def read(self, entry: str) -> bytes:
        """One file's bytes.

        Raises:
            DocumentError: There is no such file, or it is damaged.
        """
        try:
            return self._zip.read(self._entries[entry])
        except KeyError:
            raise DocumentError(f"{self._name} has no {entry}.") from None
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
            raise DocumentError(f"{self._name}: {entry} is damaged: {error}.") from error
        except Exception as error:  # zlib.error and lzma.LZMAError have no common base
            raise DocumentError(f"{self._name}: {entry} cannot be unpacked: {error}.") from error

    def _check(self) -> None:
        entries = self._entries.values()
        if len(entries) > _MAX_ENTRIES:
            raise DocumentError(f"{self._name} has {len(entries)} files, over {_MAX_ENTRIES}.")
        total = sum(info.file_size for info in entries)
        if total > _MAX_BYTES:
            raise DocumentError(f"{self._name} unpacks to {total} bytes; refused as too large.")
        for path, info in self._entries.items():
            if info.flag_bits & 1:
                raise DocumentError(f"{self._name} is encrypted. Save it without a password.")
            ratio = info.file_size / max(1, info.compress_size)
            if ratio > _MAX_RATIO and info.file_size > _ANY_RATIO_BELOW:
                raise DocumentError(
                    f"{self._name}: {path} unpacks to {info.file_size} bytes, {ratio:.0f} times "
                    "its size; refused as too large."
                )
            parts = PurePosixPath(path.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or path[1:2] == ":":
                raise DocumentError(f"{self._name} has a path that leads out of it: {path!r}.")


def _name(info: zipfile.ZipInfo) -> str:
    """An entry's path; Japanese Windows writes CP932 and does not say so."""
    if info.flag_bits & 0x800:
        return info.filename
    raw = info.filename.encode("cp437", "replace")
    for codec in ("utf-8", "cp932"):
        try:
            return raw.decode(codec).replace("\\", "/")
        except UnicodeDecodeError:
            continue
    return info.filename
