"""Many users of one server at once: errors, mixed sessions, memory.

    python tests/benchmarks/users.py --minutes 5 --users 20 --output docs/runs/users.json

Each user has a session, uploads a document with a word of their own, and then asks: about the
example documents, about that word, and follow-up questions; now and then one leaves in the middle
of an answer. An answer that shows another user's word is a mixed session. The server is a process
of its own (`langchain-swallow serve`, the demo model); its memory is its resident set.
"""

import argparse
import asyncio
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import psutil

from langchain_swallow.evaluation.tables import Table, write_figures

EXAMPLES = Path(__file__).parents[2] / "examples"


def questions() -> list[str]:
    lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines]


class User:
    """One simulated user; counts what happens to it."""

    def __init__(self, number: int, url: str, counts: Counter, waits: list[float]) -> None:
        self.name = f"利用者{number:02d}"
        self.session = ""
        self.word = f"{random.Random(number).getrandbits(40):010x}"
        self._random = random.Random(number)
        self._counts, self._waits = counts, waits
        self._client = httpx.AsyncClient(base_url=url, timeout=120)

    async def upload(self) -> None:
        text = f"{self.name}の合言葉は{self.word}である。"
        files = {"files": (f"{self.name}.txt", text.encode("cp932"))}
        made = await self._client.post("/v1/sessions")
        self.session = made.raise_for_status().json()["session"]
        got = await self._client.post(f"/v1/sessions/{self.session}/documents", files=files)
        got.raise_for_status()

    async def ask(self, question: str, *, leaves: bool) -> None:
        body = {"question": question, "session": self.session, "stream": True, "max_tokens": 48}
        began, first, text = time.perf_counter(), None, []
        async with self._client.stream("POST", "/v1/answers", json=body) as got:
            got.raise_for_status()
            async for line in got.aiter_lines():
                if line.startswith("event: error"):
                    self._counts["errors"] += 1
                if line.startswith("event: text") and first is None:
                    first = time.perf_counter() - began
                    if leaves:
                        self._counts["left"] += 1
                        return
                text.append(line)
        self._waits.append(first if first is not None else time.perf_counter() - began)
        shown = "\n".join(text)
        self._counts["answers"] += 1
        others = set(WORDS) - {self.word}
        self._counts["mixed"] += any(word in shown for word in others)
        self._counts["own words"] += "合言葉" in question and self.word in shown

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
                self._counts["errors"] += 1
                print(repr(error), file=sys.stderr)
            await asyncio.sleep(self._random.uniform(0, 2))
        await self._client.aclose()


WORDS: list[str] = []


async def watch(process: psutil.Process, until: float, memory: list[float]) -> None:
    while time.monotonic() < until:
        memory.append(process.memory_info().rss / 2**20)
        await asyncio.sleep(5)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "langchain_swallow.cli"]
        index = [*command, "index", str(EXAMPLES / "documents"), "-o", f"{folder}/index"]
        index += ["--embeddings", "demo"]
        subprocess.run(index, check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        serve = ["serve", "-i", f"{folder}/index", "--model", "demo", "--port", str(port)]
        server = subprocess.Popen([*command, *serve])
        try:
            url = f"http://127.0.0.1:{port}"
            await until_up(url)
            counts, waits, memory = Counter(), [], []
            users = [User(i, url, counts, waits) for i in range(arguments.users)]
            WORDS.extend(user.word for user in users)
            until = time.monotonic() + 60 * arguments.minutes
            watching = watch(psutil.Process(server.pid), until, memory)
            await asyncio.gather(watching, *(user.run(until) for user in users))
        finally:
            server.terminate()
            server.wait(30)
    waits.sort()
    rows = [
        ["answers", str(counts["answers"])],
        ["left in the middle", str(counts["left"])],
        ["errors", str(counts["errors"])],
        ["answers with another session's word", str(counts["mixed"])],
        ["first token, p50 / p95", f"{waits[len(waits) // 2]:.2f} s / "
         f"{waits[int(len(waits) * 0.95)]:.2f} s"],
        ["memory after a minute / half the time / all of it",
         " / ".join(f"{memory[i]:.0f}" for i in (12, len(memory) // 2, -1)) + " MiB"],
        ["highest", f"{max(memory):.0f} MiB"],
    ]  # fmt: skip
    table = Table("Users", [f"{arguments.users} users, {arguments.minutes:g} minutes", ""], rows)
    print(table.markdown())
    if arguments.output:
        figures = {**counts, "memory_mib": memory}
        write_figures(arguments.output, [table], {"figures": figures})


async def until_up(url: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(240):
            try:
                if (await client.get(f"{url}/health")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.5)
    raise TimeoutError("The server did not start.")


if __name__ == "__main__":
    asyncio.run(main())
