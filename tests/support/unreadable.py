"""Files and folders that this process may not read, whoever runs the tests."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

_NOBODY = 65534


@contextlib.contextmanager
def shared_folder():
    """A folder that others may read too; pytest's own are for its user alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def unreadable(path):
    """Take the right to read a path away, from root too."""
    if os.name != "posix":
        pytest.skip("rights to read are another matter here")
    mode, user = path.stat().st_mode, os.geteuid()
    path.chmod(0)
    try:
        if user == 0:
            try:
                os.seteuid(_NOBODY)
            except OSError:
                pytest.skip("root reads everything here, and may not be another user")
        yield
    finally:
        os.seteuid(user)
        path.chmod(mode)
