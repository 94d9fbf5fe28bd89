"""Converts documents of other office programs with LibreOffice, where it is installed.

LibreOffice runs without macros, without the network, and with a profile of its own. It is meant to
run below a process of the sandbox, which limits its time and memory and ends it.
"""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from langchain_swallow.errors import DocumentError

# The formats that are converted, and the format in which they are read.
CONVERTED = {
    **dict.fromkeys((".doc", ".dot", ".rtf", ".odt", ".ott", ".fodt"), ".docx"),
    **dict.fromkeys((".ppt", ".pps", ".pot", ".odp", ".otp", ".fodp"), ".pptx"),
}
_FILTERS = {".docx": "docx:MS Word 2007 XML", ".pptx": "pptx:Impress MS PowerPoint 2007 XML"}
# Where installers put it without adding it to PATH.
_USUAL = (
    "/Applications/LibreOffice.app/Contents/MacOS/soffice",
    r"C:\Program Files\LibreOffice\program\soffice.exe",
)
# Of the processor; the sandbox limits the time on the clock.
_MAX_CPU_S = 120
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_SETTINGS = {
    "Office.Common/Security/Scripting": {
        "DisableMacrosExecution": "true",
        "MacroSecurityLevel": "3",
        "BlockUntrustedRefererLinks": "true",
    },
    "Office.Writer/Content/Update": {"Link": "0"},
    # Where the process cannot be kept off the network: a proxy that does not exist.
    "Inet/Settings": {
        "ooInetProxyType": "2",
        "ooInetHTTPProxyName": "127.0.0.1",
        "ooInetHTTPProxyPort": "9",
        "ooInetHTTPSProxyName": "127.0.0.1",
        "ooInetHTTPSProxyPort": "9",
    },
}


@functools.cache
def find_soffice() -> str | None:
    """Return the path of LibreOffice's program; `None` if it is not installed."""
    found = shutil.which("soffice") or shutil.which("libreoffice")
    # A relative path would be in the working directory, which may hold anyone's files.
    if found and os.path.isabs(found):
        return found
    return next(filter(os.path.exists, _USUAL), None)


def how_to_read(suffix: str) -> str:
    """Tell what to do about a file that LibreOffice would have to convert."""
    return (
        f"LibreOffice reads {suffix}, and is not installed: install it (Debian: apt-get install "
        f"libreoffice-writer libreoffice-impress), or save the file as {CONVERTED[suffix]}."
    )


def convert(data: bytes, suffix: str, name: str) -> bytes:
    """Convert a document to the format of `CONVERTED`.

    Args:
        data: The bytes of the document.
        suffix: Its extension.
        name: How error messages name the file.

    Raises:
        DocumentError: LibreOffice is not installed, or could not convert the document.
    """
    program = find_soffice()
    if program is None:
        raise DocumentError(f"{name} was not read. {how_to_read(suffix)}")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"document{suffix}")
        source.write_bytes(data)
        # A reader of the sandbox has a folder for temporary files that is removed with it.
        profile = Path(tempfile.gettempdir() if tempfile.tempdir else folder, "profile")
        _write_settings(profile)
        target = Path(folder, "converted", source.with_suffix(CONVERTED[suffix]).name)
        run = subprocess.run(
            [
                program,
                f"-env:UserInstallation={profile.as_uri()}",
                *"--headless --invisible --norestore --nologo --nolockcheck".split(),
                "--convert-to",
                _FILTERS[CONVERTED[suffix]],
                "--outdir",
                str(target.parent),
                str(source),
            ],
            cwd=folder,
            env={**os.environ, "SAL_USE_VCLPLUGIN": "svp"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=None if sys.platform == "win32" else _confine,
            check=False,
        )
        if not target.exists():
            said = run.stdout.decode(errors="replace").strip().rpartition("\n")[2]
            raise DocumentError(
                f"{name} could not be converted by LibreOffice. It may be damaged or have a "
                f"password. LibreOffice said: {said or f'exit code {run.returncode}'}"
            )
        return target.read_bytes()


def _write_settings(profile: Path) -> None:
    file = profile / "user" / "registrymodifications.xcu"
    if file.exists():
        return
    file.parent.mkdir(parents=True)
    items = "".join(
        f'<item oor:path="/org.openoffice.{path}"><prop oor:name="{name}" oor:op="fuse">'
        f"<value>{value}</value></prop></item>"
        for path, settings in _SETTINGS.items()
        for name, value in settings.items()
    )
    file.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<oor:items xmlns:oor="http://openoffice.org/2001/registry">'
        f"{items}</oor:items>",
        encoding="utf-8",
    )


def _confine() -> None:
    """Limit the processor time, and leave the network where the system lets a user do so."""
    import ctypes
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (_MAX_CPU_S, _MAX_CPU_S))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NETWORK)
