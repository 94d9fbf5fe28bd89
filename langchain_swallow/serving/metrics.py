"""The server's metrics in Prometheus's format, with OpenTelemetry's names where it has some."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models import BaseChatModel
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from langchain_swallow.rag import Answer
from langchain_swallow.serving.admission import Admission
from langchain_swallow.serving.refusals import AnswerTimeoutError, BusyError, StoppingError
from langchain_swallow.serving.request_record import RequestRecord
from langchain_swallow.serving.sessions import Sessions

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 600)
# A client can send any word as its method, and each would be another time series.
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE"})


class Metrics:
    """Counts and times what a server does.

    Args:
        admission, sessions, llm: Their state is read when the metrics are.

    Attributes:
        retrieval: Times searches; a callback of LangChain.
    """

    def __init__(self, admission: Admission, sessions: Sessions, llm: BaseChatModel) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_State(admission, sessions, llm))
        self._requests = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP requests, streams until their end",
            ("http_request_method", "http_route", "http_response_status_code"),
            registry=registry,
            buckets=_SECONDS,
        )
        self._first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "From the question to the first text of the answer, waiting and retrieval included",
            registry=registry,
            buckets=_SECONDS,
        )
        self._answers = Histogram(
            "gen_ai_server_request_duration_seconds",
            "From the question to the end of the answer, by how it ended",
            ("outcome",),
            registry=registry,
            buckets=_SECONDS,
        )
        self._tokens = Counter(
            "swallow_tokens",
            "Tokens of prompts (input) and answers (output)",
            ("gen_ai_token_type",),
            registry=registry,
        )
        retrievals = Histogram(
            "swallow_retrieval_duration_seconds",
            "Duration of searches",
            registry=registry,
            buckets=_SECONDS,
        )
        self.retrieval = _RetrievalTimer(retrievals.observe)
        self._refused = Counter(
            "swallow_refused_requests",
            "Requests refused because a limit was reached: quota, queue or uploads",
            ("limit",),
            registry=registry,
        )
        self._uploads = Counter(
            "swallow_uploaded_files", "Uploaded files", ("outcome",), registry=registry
        )

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics and their content type, in the format that a scraper accepts."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def request(self, record: RequestRecord) -> None:
        """Count a request that has been answered."""
        method = record.method if record.method in _METHODS else "_OTHER"
        self._requests.labels(method, record.route, record.status).observe(record.duration_s)

    def upload(self, *, is_added: bool) -> None:
        """Count an uploaded file."""
        self._uploads.labels("added" if is_added else "failed").inc()

    @contextlib.contextmanager
    def refusals(self, limit: str) -> Iterator[None]:
        """Count a `BusyError` within the block."""
        try:
            yield
        except BusyError:
            self._refused.labels(limit).inc()
            raise

    @contextlib.contextmanager
    def answer(self) -> Iterator["_AnswerTimer"]:
        """Time the answer whose pieces are passed to `piece` within the block."""
        timer, outcome = _AnswerTimer(), "left"
        try:
            yield timer
            outcome = "refused" if timer.is_refused else "answered"
        except AnswerTimeoutError:
            outcome = "timeout"
            raise
        except StoppingError:
            outcome = "stopped"
            raise
        except Exception:
            outcome = "failed"
            raise
        finally:
            if timer.first_s is not None:
                self._first_token.observe(timer.first_s)
            for kind, tokens in timer.tokens.items():
                self._tokens.labels(kind).inc(tokens)
            self._answers.labels(outcome).observe(timer.elapsed_s())


class _AnswerTimer:
    """Time, tokens and end of one answer."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.first_s: float | None = None
        self.tokens = {"input": 0, "output": 0}
        self.is_refused = False

    def elapsed_s(self) -> float:
        return time.perf_counter() - self._began

    def piece(self, piece: Any) -> None:
        """Take a piece of an `Answer`, or a chunk of the chat model."""
        usage: Any
        if isinstance(piece, Answer):
            usage, has_text = piece.usage, bool(piece.text or piece.reasoning)
            self.is_refused |= piece.refused
        else:
            usage, has_text = piece.usage_metadata, True
        if has_text and self.first_s is None:
            self.first_s = self.elapsed_s()
        for kind in self.tokens:
            self.tokens[kind] += (usage or {}).get(f"{kind}_tokens", 0)


class _RetrievalTimer(AsyncCallbackHandler):
    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._began: dict[UUID, float] = {}

    async def on_retriever_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._began[run_id] = time.perf_counter()

    async def on_retriever_end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._observe(time.perf_counter() - self._began.pop(run_id))

    async def on_retriever_error(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._began.pop(run_id, None)


class _State(Collector):
    """The queue, the engine and the sessions as they are when the metrics are read."""

    def __init__(self, admission: Admission, sessions: Sessions, llm: BaseChatModel) -> None:
        self._admission, self._sessions, self._llm = admission, sessions, llm

    def collect(self) -> Iterator[GaugeMetricFamily]:
        admission = self._admission
        yield _gauge("swallow_answers_running", "Answers being generated", admission.running)
        yield _gauge("swallow_answers_waiting", "Answers that wait", admission.waiting)
        yield _gauge("swallow_sessions", "Sessions", len(self._sessions))
        measure = getattr(self._llm, "engine_load", None)
        if measure is None or (load := measure()) is None:
            return
        yield _gauge("swallow_engine_running", "Requests that the engine computes", load.running)
        yield _gauge("swallow_engine_waiting", "Requests that wait in the engine", load.waiting)
        if load.kv_cache_usage is not None:
            yield _gauge(
                "swallow_engine_kv_cache_usage_ratio",
                "Share of the KV cache's budget that running requests may use",
                load.kv_cache_usage,
            )


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)
