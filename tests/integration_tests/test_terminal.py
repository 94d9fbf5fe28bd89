"""`chat` in a pseudo-terminal, with the demo model."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

pyte = pytest.importorskip("pyte", reason="pyte is not installed")
# Keys are typed while an answer is drawn.
pytestmark = pytest.mark.alone

WIDTH, HEIGHT = 40, 20
# An answer of 180 lines, three times as fast as it can be drawn.
ANSWER = """
import time
from langchain_swallow.cli.terminal import Rich

def pieces():
    for i in range(1, 61):
        yield f"**{i}番目**は全角の文字で書かれている`長い`行で"
        time.sleep(0.03)
        yield "す。途中で切れて続きます。\\n\\n"

Rich([]).show(pieces())
"""


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

    def wait_until_asked(self, seconds=120):
        """Read until the program has taken the question over: it is no longer at its prompt."""
        deadline = time.monotonic() + seconds
        while not termios.tcgetattr(self._master)[3] & termios.ICANON:
            assert time.monotonic() < deadline, f"it is at its prompt: {self.text[-2000:]}"
            self._read(0.01)
        # What is drawn of the prompt is written before the terminal is given back.
        while self._read(0):
            pass
        self._seen = len(self.text)

    def _read(self, seconds):
        """Read what comes next; whether anything came."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        raw = os.read(self._master, 65536).decode(errors="replace")
        # The cursor's place is asked for, and known to nobody here.
        if "\x1b[6n" in raw:
            self.type("\x1b[1;1R")
        self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)
        return True

    def wait_for(self, wanted, seconds=120):
        """Read until this comes after what was waited for last."""
        deadline = time.monotonic() + seconds
        while wanted not in self.text[self._seen :]:
            left = deadline - time.monotonic()
            assert left > 0, f"{wanted!r} did not come: {self.text[-2000:]}"
            self._read(left)
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
    screen.wait_for("Saved 2 messages to")
    screen.wait_for(">")
    assert (tmp_path / "会話.json").exists()
    screen.type("\x04")
    assert screen.process.wait(60) == 0


@pytest.mark.usefixtures("demo_folder")
@pytest.mark.parametrize("shown", ["", "。"], ids=["before the first token", "within the answer"])
def test_ctrl_c_stops_an_answer_and_not_the_program(tmp_path, shown):
    screen = Screen("chat", "--model", "demo", "--max-tokens", "1500", home=tmp_path)
    screen.wait_for(">")
    screen.type("一から百までの数字を、漢数字ですべて順番に書いてください。\r")
    screen.wait_until_asked()
    screen.wait_for(shown)
    os.killpg(screen.process.pid, signal.SIGINT)
    # A key that comes before the prompt is there would be lost.
    screen.wait_for(">", seconds=30)
    assert screen.process.poll() is None
    screen.type("\x04")
    assert screen.process.wait(60) == 0


def drawn(tmp_path, **environment):
    """What a terminal has shown of `ANSWER`, line by line, and the bytes that it was sent."""
    master, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-c", ANSWER],
        stdin=child, stdout=child, stderr=child, close_fds=True,
        env={**inherited, "TERM": "xterm-256color", "XDG_STATE_HOME": str(tmp_path), **environment},
    )  # fmt: skip
    os.close(child)
    screen = pyte.HistoryScreen(WIDTH, HEIGHT, history=5000)
    stream, sent = pyte.ByteStream(screen), b""
    while True:
        try:
            read = os.read(master, 65536)
        except OSError:
            # Linux says so when the other end is closed.
            break
        if not read:
            break
        sent += read
        stream.feed(read)
    os.close(master)
    assert process.wait(60) == 0
    gone = ["".join(line[i].data for i in range(WIDTH)) for line in screen.history.top]
    return [line.rstrip() for line in [*gone, *screen.display]], sent


def test_an_answer_longer_than_the_screen_is_there_once(tmp_path):
    lines, sent = drawn(tmp_path)
    # Two columns to each full-width letter.
    wanted = [
        line
        for i in range(1, 61)
        for text in (f"{i}番目は全角の文字で書かれている長い行です。途中で切れて続きます。",)
        for line in wrapped(text)
    ]
    assert [line for line in lines if line] == wanted
    assert re.search(rb"\x1b\[[0-9;]*3[0-9]", sent)


def wrapped(text):
    """Lines of at most `WIDTH` columns."""
    lines, used = [""], 0
    for letter in text:
        wide = 1 if letter.isascii() else 2
        if used + wide > WIDTH:
            lines, used = [*lines, ""], 0
        lines[-1] += letter
        used += wide
    return lines


def test_no_color(tmp_path):
    lines, sent = drawn(tmp_path, NO_COLOR="1")
    assert any("60番目" in line for line in lines)
    assert not re.search(rb"\x1b\[(?:[0-9;]*;)?[34][0-9]", sent)
