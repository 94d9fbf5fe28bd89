"""A server in a process of its own: started, waited for, killed."""

import contextlib
import os
import socket
import subprocess
import time

import httpx


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServerProcess:
    """One process that serves OpenAI's API.

    Args:
        command: Its command line, without the port.
        port_option: What goes before the port.
        log: File for its output.
        environment: Beside this process's.
    """

    def __init__(self, command, port_option, log, **environment):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.url}/v1"
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [*command, port_option, str(self.port)],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
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
            time.sleep(0.2)
        raise TimeoutError(self.log.read_text()[-2000:])

    def kill(self):
        """At once, with its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
