"""`chat` in a pseudo-terminal, with the demo model."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest


class Screen:
    """A program in a terminal; what it wrote so far, without the control sequences."""

    def __init__(self, *arguments, home):
        self._master, child = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "langchain_swallow.cli", *arguments],
            stdin=child, stdout=child, stderr=child, start_new_session=True, close_fds=True,
            env={**os.environ, "TERM": "xterm", "XDG_STATE_HOME": str(home), "COLUMNS": "80"},
        )  # fmt: skip
        os.close(child)
        self.text, self._seen = "", 0

    def type(self, keys):
        os.write(self._master, keys.encode())

    def wait_for(self, wanted, seconds=120):
        """Read until this comes after what was waited for last."""
        deadline = time.monotonic() + seconds
        while wanted not in self.text[self._seen :]:
            left = deadline - time.monotonic()
            assert left > 0, f"{wanted!r} did not come: {self.text[-2000:]}"
            if select.select([self._master], [], [], left)[0]:
                # The cursor's place is asked for, and known to nobody here.
                raw = os.read(self._master, 65536).decode(errors="replace")
                if "\x1b[6n" in raw:
                    self.type("\x1b[1;1R")
                self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)
        self._seen = self.text.index(wanted, self._seen) + len(wanted)


@pytest.mark.usefixtures("demo_folder")
def test_a_conversation_by_keyboard(tmp_path):
    screen = Screen("chat", "--model", "demo", "--max-tokens", "200", home=tmp_path)
    screen.wait_for(">")
    screen.type("/help\r")
    screen.wait_for("/sources")
    screen.type("こんにちは。\r")
    screen.wait_for(">")
    screen.type(f"/save {tmp_path / '会話.json'}\r")
    screen.wait_for("件の発言を")
    screen.wait_for(">")
    assert (tmp_path / "会話.json").exists()
    screen.type("\x04")
    assert screen.process.wait(60) == 0


@pytest.mark.usefixtures("demo_folder")
def test_ctrl_c_stops_an_answer_and_not_the_program(tmp_path):
    screen = Screen("chat", "--model", "demo", "--max-tokens", "1500", home=tmp_path)
    screen.wait_for(">")
    screen.type("一から百までの数字を、漢数字ですべて順番に書いてください。\r")
    time.sleep(1.5)
    os.killpg(screen.process.pid, signal.SIGINT)
    screen.wait_for(">", seconds=30)
    assert screen.process.poll() is None
    screen.type("\x04")
    assert screen.process.wait(60) == 0
