"""Many users of one server at once: errors, refusals, mixed sessions, memory.

    python -m tests.benchmarks.users --minutes 20 --users 50 --output docs/runs/users.json

Each user has a session, uploads a document with a word of their own, and then asks: about the
example documents, about that word, and follow-up questions; now and then one leaves in the middle
of an answer. An answer that shows another user's word is a mixed session. Who is refused with 429
asks again after the time in Retry-After. The server is a process of its own (`langchain-swallow
serve`, the demo model); its memory is its resident set. Ends with an error if a request failed
otherwise, if a session was mixed, or if memory grew after the first quarter of the time.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from langchain_swallow.evaluation.tables import Table, write_figures
from tests.support.server_process import ServerProcess

EXAMPLES = Path(__file__).parents[2] / "examples"
# More than the allocator's own coming and going, and less than a leak of a session per answer.
MAX_GROWTH = 1.10


def questions() -> list[str]:
    lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines]


@dataclass
class Figures:
    """What happened to all users."""

    counts: Counter = field(default_factory=Counter)
    first_token_s: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)

    def growth(self) -> float:
        """Memory in the last quarter of the time over that at the end of the first one."""
        quarter = len(self.memory_mib) // 4
        return max(self.memory_mib[-quarter:]) / max(self.memory_mib[: quarter + 1])

    def faults(self) -> list[str]:
        """What must not happen."""
        counts = self.counts
        found = [f"{counts[name]} {name}" for name in ("errors", "mixed") if counts[name]]
        if self.growth() > MAX_GROWTH:
            found.append(f"memory grew {self.growth():.2f} times")
        return found


class User:
    """One simulated user; counts what happens to it."""

    def __init__(self, number: int, url: str, words: Collection[str], figures: Figures) -> None:
        self.name = f"利用者{number:02d}"
        self.session = ""
        self.word = own_word(number)
        self._others = set(words) - {self.word}
        self._random = random.Random(number)
        self._figures = figures
        self._client = httpx.AsyncClient(base_url=url, timeout=600)

    async def upload(self) -> None:
        text = f"{self.name}の合言葉は{self.word}である。"
        files = {"files": (f"{self.name}.txt", text.encode("cp932"))}
        made = await self._client.post("/v1/sessions")
        self.session = made.raise_for_status().json()["session"]
        path = f"/v1/sessions/{self.session}/documents"
        while (got := await self._client.post(path, files=files)).status_code in (429, 503):
            await self._refused(got)
        got.raise_for_status()

    async def ask(self, question: str, *, leaves: bool) -> None:
        counts = self._figures.counts
        body = {"question": question, "session": self.session, "stream": True, "max_tokens": 48}
        began, first, text = time.perf_counter(), None, []
        async with self._client.stream("POST", "/v1/answers", json=body) as got:
            if got.status_code == 429:
                await self._refused(got)
                return
            got.raise_for_status()
            async for line in got.aiter_lines():
                if line.startswith("event: error"):
                    counts["errors"] += 1
                if line.startswith("event: text") and first is None:
                    first = time.perf_counter() - began
                    if leaves:
                        counts["left"] += 1
                        return
                text.append(line)
        self._figures.first_token_s.append(first or time.perf_counter() - began)
        shown = "\n".join(text)
        counts["answers"] += 1
        counts["mixed"] += any(word in shown for word in self._others)
        counts["own words"] += "合言葉" in question and self.word in shown

    async def _refused(self, got: httpx.Response) -> None:
        self._figures.counts["refused"] += 1
        await asyncio.sleep(float(got.headers["retry-after"]))

    async def run(self, until: float) -> None:
        await self.upload()
        known = questions()
        while time.monotonic() < until:
            kind = self._random.random()
            question = self._random.choice(known)
            if kind < 0.2:
                question = f"{self.name}の合言葉は何ですか。"
            elif kind < 0.3:
                question = "それはいつからですか。"
            try:
                await self.ask(question, leaves=self._random.random() < 0.1)
            except httpx.HTTPError as error:
                self._figures.counts["errors"] += 1
                print(repr(error), file=sys.stderr)
            await asyncio.sleep(self._random.uniform(0, 2))
        await self._client.aclose()


def own_word(number: int) -> str:
    return f"{random.Random(number).getrandbits(40):010x}"


async def watch(process: psutil.Process, until: float, figures: Figures) -> None:
    while time.monotonic() < until:
        figures.memory_mib.append(process.memory_info().rss / 2**20)
        await asyncio.sleep(1)


def measure(users: int, seconds: float, options: Sequence[str] = ()) -> Figures:
    """Let users ask a server of their own for some time.

    Args:
        users: Number of users.
        seconds: How long they ask; answers that have begun then are awaited.
        options: More options of `serve`.
    """
    command = [sys.executable, "-m", "langchain_swallow.cli"]
    with tempfile.TemporaryDirectory() as folder:
        index = [*command, "index", str(EXAMPLES / "documents"), "-o", f"{folder}/index"]
        subprocess.run([*index, "--embeddings", "demo"], check=True)
        serve = [*command, "serve", "-i", f"{folder}/index", "--model", "demo", *options]
        server = ServerProcess(serve, "--port", Path(folder) / "log")
        try:
            server.wait()
            return asyncio.run(_ask(server, users, seconds))
        finally:
            server.process.terminate()
            server.process.wait(60)


async def _ask(server: ServerProcess, users: int, seconds: float) -> Figures:
    figures, words = Figures(), [own_word(number) for number in range(users)]
    until = time.monotonic() + seconds
    watching = watch(psutil.Process(server.process.pid), until, figures)
    asking = (User(number, server.url, words, figures).run(until) for number in range(users))
    await asyncio.gather(watching, *asking)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    figures = measure(arguments.users, 60 * arguments.minutes)
    counts, waits, memory = figures.counts, sorted(figures.first_token_s), figures.memory_mib
    rows = [
        ["answers", str(counts["answers"])],
        ["left in the middle", str(counts["left"])],
        ["refused (429) and asked again", str(counts["refused"])],
        ["errors", str(counts["errors"])],
        ["answers with another session's word", str(counts["mixed"])],
        ["first token, p50 / p95", f"{waits[len(waits) // 2]:.2f} s / "
         f"{waits[int(len(waits) * 0.95)]:.2f} s"],
        ["memory after a quarter / half the time / all of it",
         " / ".join(f"{memory[i]:.0f}" for i in (len(memory) // 4, len(memory) // 2, -1)) + " MiB"],
        ["highest", f"{max(memory):.0f} MiB"],
    ]  # fmt: skip
    table = Table("Users", [f"{arguments.users} users, {arguments.minutes:g} minutes", ""], rows)
    print(table.markdown())
    if arguments.output:
        shown = {**counts, "memory_mib": memory}
        write_figures(arguments.output, [table], {"figures": shown})
    if faults := figures.faults():
        sys.exit("; ".join(faults))


if __name__ == "__main__":
    main()
