"""An engine on other machines: OpenAI-compatible completions servers (vLLM, SGLang, llama.cpp).

Requests go out as token ids, so a prompt is exactly what it would be in this process; answers are
streamed, from vLLM as token ids too, and become text by the same `Detokenizer`. One event loop in
one thread serves all callers over pooled connections.

Of several servers each request takes the one with the fewest of ours. A request that fails before
its first event goes to another; one that had begun to stream does not, since the caller has seen
part of an answer already.
"""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

from langchain_swallow.engines.base import Event, Request
from langchain_swallow.engines.grammar_probe import Grammars, grammars_of, probe_of
from langchain_swallow.engines.loop import LoopEngine
from langchain_swallow.engines.server_errors import error_of
from langchain_swallow.engines.server_protocol import Answer, Flavor, payload_of, prompt_text
from langchain_swallow.errors import (
    EngineError,
    ModelUnavailableError,
    ServerBusyError,
    ServerConnectionError,
    ServerError,
)
from langchain_swallow.forks import leave_to_parent

_CONNECT_TIMEOUT_S = 10.0
# How long a server that could not be reached is left alone.
_REST_S = 5.0
_FIRST_BACKOFF_S = 0.25
_MAX_BACKOFF_S = 8.0
# Text whose number of tokens tells how a server's tokenizer begins a prompt.
_PROBE = "東京工業大学の主なキャンパスについて教えてください"


@dataclass(slots=True, eq=False)
class Server:
    """One server and what is known of it."""

    url: str
    running: int = 0
    rests_until: float = 0.0
    flavor: Flavor | None = None


class ServerEngine(LoopEngine):
    """Continues token ids on one or several servers that serve the same model.

    Args:
        base_urls: Such as `http://host:8000/v1`.
        tokenizer: The checkpoint's; see `client_tokenizer`.
        model: Name of the model on the servers; a server with one model needs none.
        api_key: Sent as bearer token.
        max_retries: Tries after the first for a request that has not begun to stream.
        context_window: Most tokens of prompt and answer; `None` asks the server.
        prompt_as: `"ids"` or `"text"`; `"auto"` finds out what the server takes.

    Raises:
        ServerConnectionError: No server can be reached.
        AuthenticationError: The API key is refused.
        ModelUnavailableError: The server has no such model.
    """

    name = "server"

    def __init__(
        self,
        base_urls: Sequence[str],
        tokenizer: Any,
        *,
        model: str,
        api_key: str | None = None,
        max_retries: int = 2,
        context_window: int | None = None,
        prompt_as: str = "auto",
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self._servers = [Server(url.rstrip("/")) for url in base_urls]
        self._wanted = model
        self._max_retries = max_retries
        self._prompt_as = prompt_as
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = self._connect()
        try:
            flavor = self.wait(self._meet_any())
        except BaseException:
            self.close()
            raise
        self._context_window = context_window or flavor.context_window or 4096

    def begin_anew(self) -> None:
        """In a forked child: connections of its own."""
        super().begin_anew()
        leave_to_parent(self._client)
        self._client = self._connect()
        for server in self._servers:
            server.running = 0

    def _connect(self) -> httpx.AsyncClient:
        # The connection waits as long as an answer takes; `timeout_s` of a request limits that.
        return httpx.AsyncClient(
            headers=self._headers,
            timeout=httpx.Timeout(None, connect=_CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
        )

    @property
    def context_window(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._context_window

    async def shut_down(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def answer(self, request: Request) -> AsyncIterator[Event]:
        """The events of an answer, from the first server that gives one."""
        for attempt in range(self._max_retries + 1):
            server = self._least_loaded()
            began = False
            server.running += 1
            try:
                async with contextlib.aclosing(self._ask(server, request)) as events:
                    async for event in events:
                        began = True
                        yield event
                return
            except (ServerConnectionError, ServerBusyError, ServerError) as error:
                if began or attempt == self._max_retries:
                    raise
                await self._recover(server, error, attempt)
            finally:
                server.running -= 1

    def _least_loaded(self) -> Server:
        now = time.monotonic()
        awake = [server for server in self._servers if server.rests_until <= now]
        return min(awake or self._servers, key=lambda s: (s.running, random.random()))

    async def _recover(self, server: Server, error: EngineError, attempt: int) -> None:
        """Leave a failed server alone for a while; wait, unless there is another."""
        pause = min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * 2**attempt) * random.uniform(0.5, 1.0)
        wanted = getattr(error, "retry_after_s", None)
        pause = pause if wanted is None else min(wanted, _MAX_BACKOFF_S)
        lost = isinstance(error, ServerConnectionError)
        server.rests_until = time.monotonic() + (_REST_S if lost else pause)
        if all(other.rests_until > time.monotonic() for other in self._servers):
            await asyncio.sleep(pause)

    async def _ask(self, server: Server, request: Request) -> AsyncGenerator[Event, None]:
        flavor = server.flavor or await self._meet(server)
        answer = Answer(request, self.tokenizer, flavor)
        body = payload_of(request, self.tokenizer, flavor)
        async with self._post(flavor.completions_url(server.url), body) as response:
            async for data in _events(response):
                for event in answer.read(data):
                    yield event
        if not answer.is_whole:
            raise ServerConnectionError(f"{server.url} ended the stream within the answer.")
        for event in answer.end():
            yield event

    @contextlib.asynccontextmanager
    async def _post(self, url: str, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        try:
            async with self._client.stream("POST", url, json=body) as got:
                if got.status_code != 200:
                    await got.aread()
                    raise error_of(url, got)
                yield got
        except httpx.TransportError as error:
            raise _with_cause(
                ServerConnectionError(f"{url} cannot be reached: {error!r}."), error
            ) from error

    async def _meet_any(self) -> Flavor:
        """What the first server that answers is."""
        error: EngineError | None = None
        for attempt in range(self._max_retries + 1):
            for server in self._servers:
                try:
                    return await self._meet(server)
                except (ServerConnectionError, ServerBusyError) as met:
                    error = met
            if attempt < self._max_retries:
                await asyncio.sleep(_FIRST_BACKOFF_S * 2**attempt)
        assert error is not None
        raise error

    async def _meet(self, server: Server) -> Flavor:
        """Ask a server what it serves and how it takes prompts; once."""
        try:
            server.flavor = await self._flavor_of(server)
        except httpx.TransportError as error:
            raise _with_cause(
                ServerConnectionError(
                    f"{server.url} cannot be reached: {error!r}. Start the server, or check "
                    "base_url; it usually ends in /v1."
                ),
                error,
            ) from error
        return server.flavor

    async def _flavor_of(self, server: Server) -> Flavor:
        response = await self._client.get(f"{server.url}/models", timeout=_CONNECT_TIMEOUT_S)
        if response.status_code != 200:
            raise error_of(server.url, response)
        model = _served(server, response.json().get("data", []), self._wanted)
        kind = str(model.get("owned_by", ""))
        flavor = Flavor(
            model=model["id"],
            kind=kind,
            grammars="lark" if kind == "vllm" else "schema",
            context_window=model.get("max_model_len") or (model.get("meta") or {}).get("n_ctx"),
        )
        if probe := probe_of(kind, flavor.model):
            url = flavor.completions_url(server.url)
            flavor = replace(flavor, grammars=await self._grammars(url, probe))
        if self._prompt_as == "ids" or (self._prompt_as == "auto" and flavor.is_known):
            return flavor
        return await self._probe(server, flavor)

    async def _grammars(self, url: str, probe: dict[str, Any]) -> Grammars:
        """Find out what constrains a server's answers."""
        response = await self._client.post(url, json=probe)
        if response.status_code not in (200, 400):
            raise error_of(url, response)
        return grammars_of(response.status_code, response.json())

    async def _probe(self, server: Server, flavor: Flavor) -> Flavor:
        """Find out whether a server takes token ids, and if not, which text it takes for them."""
        if self._prompt_as == "auto" and await self._try(
            server, flavor, [self.tokenizer.bos_token_id]
        ):
            return flavor
        ids = (self.tokenizer.bos_token_id, *self.tokenizer.encode(_PROBE))
        forms = [
            replace(flavor, takes_ids=False, adds_bos=adds_bos, adds_space=adds_space)
            for adds_bos, adds_space in ((True, True), (False, True), (False, False))
        ]
        for form in forms:
            usage = await self._try(server, flavor, prompt_text(ids, self.tokenizer, form))
            if usage is not None and usage.get("prompt_tokens") == len(ids):
                return form
        return forms[0]

    async def _try(self, server: Server, flavor: Flavor, prompt: Any) -> dict[str, Any] | None:
        """The usage of a completion of one token; `None` if the prompt is refused."""
        body = {"model": flavor.model, "prompt": prompt, "max_tokens": 1}
        response = await self._client.post(f"{server.url}/completions", json=body)
        return (
            response.json().get("usage") or {"prompt_tokens": None} if response.is_success else None
        )


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each server-sent event; a body that is read to its end frees its connection."""
    async for line in response.aiter_lines():
        text = line.removeprefix("data:").strip()
        if not line.startswith("data:") or text == "[DONE]":
            continue
        data = json.loads(text)
        if "error" in data:
            raise ServerError(f"The server failed within the answer: {data['error']}")
        yield data


def _served(server: Server, models: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """The wanted model of those that a server has, or its only one."""
    for model in models:
        if model["id"] == wanted:
            return model
    if len(models) == 1:
        return models[0]
    names = ", ".join(model["id"] for model in models) or "none"
    raise ModelUnavailableError(
        f"{server.url} does not serve {wanted!r}; it serves {names}. Pass one as served_model=."
    )


def _with_cause(error: EngineError, cause: Exception) -> EngineError:
    error.__cause__ = cause
    return error
