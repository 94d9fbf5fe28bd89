"""Real vLLM servers for the tests: started, waited for, killed."""

import contextlib
import os
import socket
import subprocess
import time

import httpx
import pytest

ARGUMENTS = "--dtype float32 --enforce-eager --max-model-len 2048 --host 127.0.0.1"


def vllm_python():
    """The python of the environment with vLLM; skips without one."""
    python = os.environ.get("VLLM_PYTHON")
    if not python:
        pytest.skip("VLLM_PYTHON is not set: tests/make_vllm_environment.py makes what it names")
    return python


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class VLLMServer:
    """One server process.

    Args:
        folder: Of the checkpoint.
        options: Further arguments of the server.
    """

    def __init__(self, folder, log, *options):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.url}/v1"
        self.log = log
        command = [vllm_python(), "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--model", str(folder), "--port", str(self.port), *ARGUMENTS.split(), *options]
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"},
                start_new_session=True,
            )

    def wait(self, seconds=240):
        """Until it answers."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text()[-2000:])
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health").status_code == 200:
                    return self
            time.sleep(0.5)
        raise TimeoutError(self.log.read_text()[-2000:])

    def metric(self, name):
        """Sum of a Prometheus metric."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{"))

    def kill(self):
        """At once, with its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
