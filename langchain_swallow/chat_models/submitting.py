"""Submits a request, or a thought and its answer, to an engine."""

import threading
import time
from dataclasses import replace

from langchain_swallow.chat_models.thinking import ThinkingRequest
from langchain_swallow.engines.protocol import (
    Checking,
    Chunk,
    Engine,
    Event,
    Finish,
    Request,
    Sink,
    Ticket,
)
from langchain_swallow.errors import GenerationTimeoutError, MissingAnswerError


def submit(engine: Engine, request: Request | ThinkingRequest, sink: Sink) -> Ticket:
    """Queue a request; see `Engine.submit`.

    Chunks of a thought have `is_thought` set; white space around the thought is removed.

    Raises:
        GrammarError: The engine cannot enforce the answer's grammar.

    Raises (to the sink):
        MissingAnswerError: The model ended after or within its thought.
    """
    if isinstance(request, Request):
        return engine.submit(request, sink)
    return _Thinking(engine, request, sink)


class _Thinking:
    """A running thought, followed by its answer; the ticket of both."""

    def __init__(self, engine: Engine, request: ThinkingRequest, sink: Sink) -> None:
        self._engine, self._request, self._sink = engine, request, sink
        self._began = time.monotonic()
        self._thought = _TrimmedText()
        self._thought_end: Finish | None = None
        # The start of the answer, as much as shows whether there is one.
        self._answer = ""
        self._lock = threading.Lock()
        self._is_cancelled = False
        # An engine may send events before `submit` returns the ticket.
        self._tickets: list[Ticket] = []
        # Check the grammar first: an invalid one must not cost a thought, and compiling it must not
        # cost the engine's time.
        if isinstance(engine, Checking):
            engine.check(request.answer)
        thought = replace(request.thought, part_of=self)
        self._keep(engine.submit(thought, self._take_thought))

    def cancel(self) -> None:
        """Stop generation; does nothing if both have ended."""
        with self._lock:
            self._is_cancelled = True
            tickets = list(self._tickets)
        for ticket in tickets:
            ticket.cancel()

    def _keep(self, ticket: Ticket) -> None:
        with self._lock:
            self._tickets.append(ticket)
            is_late = self._is_cancelled
        if is_late:
            ticket.cancel()

    def _take_thought(self, event: Event) -> None:
        if isinstance(event, Chunk):
            if text := self._thought.push(event.text):
                self._sink(Chunk(text, is_thought=True))
        elif not isinstance(event, Finish):
            self._sink(event)
        elif event.reason == "length" or self._request.form.is_closed_by(event):
            self._begin_answer(event)
        else:
            self._sink(_missing("within its thought", self._thought.text))

    def _begin_answer(self, end: Finish) -> None:
        self._thought_end = end
        if self._is_cancelled:
            return
        try:
            request = self._request.form.answer_request(self._request, self._thought.written, end)
            limit = request.timeout_s
            if limit is not None:
                limit -= time.monotonic() - self._began
                if limit <= 0:
                    raise self._timed_out(end)
            request = replace(request, timeout_s=limit, part_of=self)
            self._keep(self._engine.submit(request, self._take_answer))
        except Exception as error:  # raised in the engine's thread
            self._sink(error)

    def _take_answer(self, event: Event) -> None:
        thought = self._thought_end
        channel = self._request.form.channel
        if isinstance(event, Chunk):
            # Log probabilities may come without text, and a channel header without an answer.
            if len(self._answer) <= len(channel):
                self._answer += event.text
        elif (
            isinstance(event, GenerationTimeoutError) and thought and self._request.answer.timeout_s
        ):
            # The engine knows only the time that the thought has left.
            event = self._timed_out(thought)
        elif isinstance(event, Finish) and thought is not None:
            is_cut = event.reason == "length" or event.stop_sequence is not None
            if self._answer in ("", channel) and not is_cut:
                event = _missing("after its thought", self._thought.text)
            else:
                event = replace(
                    event,
                    prompt_tokens=thought.prompt_tokens,
                    completion_tokens=thought.completion_tokens + event.completion_tokens,
                    cached_tokens=thought.cached_tokens,
                    thought_tokens=thought.completion_tokens,
                )
        self._sink(event)

    def _timed_out(self, thought: Finish) -> GenerationTimeoutError:
        return GenerationTimeoutError(
            f"No complete answer within timeout={self._request.answer.timeout_s} s: the thought "
            f"alone has {thought.completion_tokens} tokens. Raise timeout, or lower "
            "max_reasoning_tokens or max_tokens."
        )


class _TrimmedText:
    """Strips white space from both ends of a text that arrives in pieces.

    `text` is the stripped text so far, `written` the whole text.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._sent: list[str] = []
        self._held = ""

    @property
    def written(self) -> str:
        return "".join(self._pieces)

    @property
    def text(self) -> str:
        return "".join(self._sent)

    def push(self, piece: str) -> str:
        """Return the text that can be sent; white space is held back until text follows it."""
        self._pieces.append(piece)
        ready = (self._held + piece).rstrip()
        self._held = (self._held + piece)[len(ready) :]
        if not self._sent:
            ready = ready.lstrip()
        if ready:
            self._sent.append(ready)
        return ready


def _missing(where: str, thought: str) -> MissingAnswerError:
    return MissingAnswerError(
        f"The model ended {where} and gave no answer. The thought, which is this error's "
        f"`reasoning`, ends with {thought[-80:]!r}. Ask again, or use reasoning=False.",
        thought,
    )
