"""Engines by their settings: who starts one, and what interrupts that."""

import os
import signal
import time

import pytest

from langchain_swallow.engines.local import loading
from langchain_swallow.engines.registry import shared_engine, started_engine
from langchain_swallow.engines.settings import LoadSettings


def test_ctrl_c_ends_loading_at_once(monkeypatch, tmp_path):
    def slow(settings):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    monkeypatch.setattr(loading, "load_local_engine", slow)
    settings = LoadSettings(model=str(tmp_path), engine="transformers")
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        shared_engine(settings)
    assert time.monotonic() - began < 30
    assert started_engine(settings) is None
