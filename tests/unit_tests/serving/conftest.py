"""Fixtures for the server's tests."""

import pytest


@pytest.fixture
def japanese(monkeypatch):
    """Texts of the server are in Japanese, unless a request asks for another language."""
    monkeypatch.setenv("SWALLOW_LANG", "ja")
