"""Real vLLM servers for the tests."""

import os

import httpx
import pytest

from tests.support.server_process import ServerProcess

ARGUMENTS = "--dtype float32 --enforce-eager --max-model-len 2048 --host 127.0.0.1"


def vllm_python():
    """The python of the environment with vLLM; skips without one."""
    python = os.environ.get("VLLM_PYTHON")
    if not python:
        pytest.skip("VLLM_PYTHON is not set: tests/make_vllm_environment.py makes what it names")
    return python


class VLLMServer(ServerProcess):
    """One server process.

    Args:
        folder: Of the checkpoint.
        log: File for its output.
        options: Further arguments of the server.
    """

    def __init__(self, folder, log, *options):
        command = [vllm_python(), "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--model", str(folder), *ARGUMENTS.split(), *options]
        super().__init__(command, "--port", log, VLLM_CPU_KVCACHE_SPACE="1")

    def metric(self, name):
        """Sum of a Prometheus metric."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{"))
