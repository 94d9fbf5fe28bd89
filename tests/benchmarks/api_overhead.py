"""What the HTTP API adds to the RAG chain: first text and whole answer, in milliseconds.

    python -m tests.benchmarks.api_overhead --output docs/runs/api-overhead.json

The server is a process of its own, with the example documents, and an engine whose tokens come at
times that are set, as a GPU's do. That process also runs the chain without HTTP when it is asked
to, in turn with the requests, on the same event loop. `/livez` shows what HTTP itself takes,
between these two processes.
"""

import argparse
import asyncio
import contextlib
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from langchain_swallow.engines.protocol import Chunk, Finish, Request, Sink
from langchain_swallow.evaluation.tables import Table, write_figures

EXAMPLES = Path(__file__).parents[2] / "examples" / "documents"
QUESTION = "試用期間はどのくらいですか。"
ANSWER = "試用期間は3か月です[1]。"
ROUNDS = 200
# Of one token.
TOKEN_S = 0.01


async def timed(pieces: AsyncIterator[Any]) -> tuple[float, float]:
    """Milliseconds to the first piece with text, and to the end."""
    began, first = time.perf_counter(), 0.0
    async for has_text in pieces:
        first = first or (has_text and time.perf_counter() - began)
    return 1000 * first, 1000 * (time.perf_counter() - began)


class PacedEngine:
    """Sends the same answer for each request, one character at a time."""

    name = "paced"
    context_window = 4096

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def submit(self, request: Request, sink: Sink) -> "PacedEngine":
        threading.Thread(target=self._answer, args=(request, sink)).start()
        return self

    def cancel(self) -> None:
        """Answers are short."""

    def release_cpu_threads(self) -> None:
        """There are none."""

    @staticmethod
    def _answer(request: Request, sink: Sink) -> None:
        for character in ANSWER:
            time.sleep(TOKEN_S)
            sink(Chunk(character))
        sink(Finish("stop", len(request.prompt_ids), len(ANSWER)))


def run_server(port: int) -> None:
    """Serve until the process is ended; `/chain` runs the chain once."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Mount, Route
    from transformers import AutoTokenizer

    from langchain_swallow import (
        ChatSwallow,
        HybridRetriever,
        SwallowEmbeddings,
        SwallowFAISS,
        create_rag_chain,
        load_documents,
    )
    from langchain_swallow.engines.demo import demo_model_folder
    from langchain_swallow.serving.app import create_app
    from langchain_swallow.serving.assistant import Assistant

    tokenizer = AutoTokenizer.from_pretrained(demo_model_folder())
    llm = ChatSwallow.from_engine(PacedEngine(tokenizer), model="demo")
    store = SwallowFAISS.from_documents(load_documents(EXAMPLES), SwallowEmbeddings("demo"))
    chain = create_rag_chain(llm, HybridRetriever(store=store))

    async def run_chain(_: Any) -> JSONResponse:
        async def pieces() -> AsyncIterator[bool]:
            async for piece in chain.astream(QUESTION):
                yield bool(piece.text)

        return JSONResponse(await timed(pieces()))

    api = create_app(Assistant(llm, store))
    app = Starlette(routes=[Route("/chain", run_chain), Mount("/", api)])
    uvicorn.run(app, port=port, log_level="error")


async def by_answers(client: httpx.AsyncClient) -> AsyncIterator[bool]:
    body = {"question": QUESTION, "stream": True}
    async with client.stream("POST", "/v1/answers", json=body) as got:
        async for line in got.aiter_lines():
            yield line == "event: text"


async def by_openai(client: httpx.AsyncClient) -> AsyncIterator[bool]:
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": "swallow-rag", "messages": messages, "stream": True}
    async with client.stream("POST", "/v1/chat/completions", json=body) as got:
        async for line in got.aiter_lines():
            # The first chunk has the role, with empty content.
            yield re.search('"content": ?"[^"]', line) is not None


async def by_livez(client: httpx.AsyncClient) -> AsyncIterator[bool]:
    await client.get("/livez")
    yield True


async def measure(url: str) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/readyz")).status_code == 200:
                    break
            await asyncio.sleep(0.2)
        for _ in range(ROUNDS):
            chain = (await client.get("/chain")).json()
            found.setdefault("chain.astream", []).append(tuple(chain))
            for name, ask in (("/livez", by_livez), ("/v1/answers", by_answers),
                              ("/v1/chat/completions, swallow-rag", by_openai)):  # fmt: skip
                found.setdefault(name, []).append(await timed(ask(client)))
    return {name: times[ROUNDS // 10 :] for name, times in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="file of figures")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        run_server(arguments.serve)
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.benchmarks.api_overhead", "--serve", str(port)]
    with subprocess.Popen(command) as server:
        try:
            found = asyncio.run(measure(f"http://127.0.0.1:{port}"))
        finally:
            server.terminate()
    medians = {
        name: [statistics.median(column) for column in zip(*times, strict=True)]
        for name, times in found.items()
    }
    base = medians["chain.astream"]
    rows = [
        [name, f"{first:.1f}", f"{whole:.1f}", f"{first - base[0]:+.1f} / {whole - base[1]:+.1f}"]
        for name, (first, whole) in medians.items()
    ]
    head = [f"medians of {ROUNDS}, in ms", "first text", "whole answer", "more than the chain"]
    table = Table("API", head, rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"milliseconds": medians})


if __name__ == "__main__":
    main()
