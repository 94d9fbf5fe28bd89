"""Unit tests never touch the network; a tiny checkpoint laid out as the hub's.

Torch is imported in fixtures: pytest reads this file before it starts workers, which import it too.
"""

import gc

import pytest
import pytest_socket


@pytest.fixture(autouse=True, scope="module")
def _freeze():
    """Modules stay; `close()` collects, and would walk through all of torch's each time.

    Once for each module of tests: libraries are imported on the way.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Threads have nothing to share in models this small, and wait for each other at every product.

    Beside one busy process 181 tests took 77 s with two threads and 29 with one.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    """Whatever this machine's user has set."""
    monkeypatch.setenv("SWALLOW_CONFIG", str(tmp_path / "none.toml"))


@pytest.fixture(autouse=True)
def _no_network():
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A folder called as a Swallow checkpoint: sharded safetensors, config, tokenizer files."""
    from tests.support.tiny_models import tiny
    from tests.support.tokenizers import trained_tokenizer

    folder = tmp_path_factory.mktemp("models") / "Swallow-7b-instruct-v0.1"
    tiny().save_pretrained(folder, max_shard_size="200KB")
    trained_tokenizer().save_pretrained(folder)
    return folder
