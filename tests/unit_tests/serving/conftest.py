"""Fixtures for the server's tests."""

import pytest

from langchain_swallow.serving.conversations import Conversations
from tests.support.postgres import running_postgres


@pytest.fixture
def japanese(monkeypatch):
    """Texts of the server are in Japanese, unless a request asks for another language."""
    monkeypatch.setenv("SWALLOW_LANG", "ja")


@pytest.fixture(scope="session")
def postgres():
    with running_postgres() as server:
        yield server


_SLOW = (pytest.mark.slow, pytest.mark.xdist_group("postgres"))


@pytest.fixture(params=["file", pytest.param("postgres", marks=_SLOW)])
def place(request, tmp_path):
    """Where conversations are kept: a new file, and a new database."""
    if request.param == "file":
        return tmp_path / "kept.db"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def opened():
    """Opens the conversations of a place, and closes them after the test."""
    made = []

    def open_place(place):
        made.append(Conversations(place))
        return made[-1]

    yield open_place
    for one in made:
        one.close()
