"""OpenTelemetry spans: a request, and in it retrieval, prompt and generation (extra `otel`).

Spans have names, counts and times, and no text of questions, documents or answers.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.outputs import LLMResult
from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from starlette.datastructures import Headers
from starlette.types import Scope

from langchain_swallow._system.version import __version__
from langchain_swallow.serving.request_record import RequestRecord

_NAME = "langchain-swallow"


class Tracing:
    """Makes the spans of a server.

    Args:
        provider: Gets the spans. `None`, the default, sends them to an OTLP endpoint over HTTP,
            which OpenTelemetry's environment variables configure
            (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, …).
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        if provider is None:
            resource = Resource({SERVICE_NAME: _NAME}).merge(OTELResourceDetector().detect())
            provider = TracerProvider(resource=resource)
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._provider = provider
        self._tracer = provider.get_tracer(_NAME, __version__)

    @contextlib.contextmanager
    def request(self, scope: Scope, record: RequestRecord) -> Iterator[None]:
        """Make the span of a request, which continues the trace of its `traceparent`."""
        context = propagate.extract(Headers(scope=scope))
        with self._tracer.start_as_current_span(
            record.method, context, SpanKind.SERVER, record_exception=False
        ) as span:
            span.set_attribute("http.request.method", record.method)
            span.set_attribute("swallow.request.id", record.id)
            try:
                yield
            finally:
                span.update_name(f"{record.method} {record.route}".strip())
                span.set_attribute("http.response.status_code", record.status)
                if record.route:
                    span.set_attribute("http.route", record.route)
                if record.status >= 500:
                    span.set_status(StatusCode.ERROR)

    def callback(self) -> "AnswerSpans":
        """Return a callback of LangChain that makes the spans of one answer."""
        return AnswerSpans(self._tracer)

    def close(self) -> None:
        """Send the last spans."""
        self._provider.shutdown()


class AnswerSpans(AsyncCallbackHandler):
    """Makes the spans of one answer, below the current span.

    The prompt is made between retrieval and generation, without a callback of its own.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[UUID, Span] = {}
        # Generations without a token yet.
        self._silent: set[UUID] = set()
        self._retrieved_ns: int | None = None

    async def on_retriever_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._open[run_id] = self._tracer.start_span("retrieval")

    async def on_retriever_end(
        self, documents: Sequence[Document], *, run_id: UUID, **_: Any
    ) -> None:
        self._end(run_id, {"swallow.retrieval.documents": len(documents)})
        self._retrieved_ns = time.time_ns()

    async def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self._fail(run_id, error)

    async def on_chat_model_start(
        self, *_: Any, run_id: UUID, metadata: dict[str, Any] | None = None, **__: Any
    ) -> None:
        if self._retrieved_ns is not None:
            self._tracer.start_span("prompt", start_time=self._retrieved_ns).end()
            self._retrieved_ns = None
        model = (metadata or {}).get("ls_model_name") or "model"
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
        self._silent.add(run_id)
        self._open[run_id] = self._tracer.start_span(f"chat {model}", attributes=attributes)

    async def on_llm_new_token(self, *_: Any, run_id: UUID, **__: Any) -> None:
        if run_id in self._silent:
            self._silent.remove(run_id)
            self._open[run_id].add_event("first token")

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        message = getattr(response.generations[0][0], "message", None)
        attributes: dict[str, Any] = {}
        if isinstance(message, AIMessage):
            if usage := message.usage_metadata:
                attributes["gen_ai.usage.input_tokens"] = usage["input_tokens"]
                attributes["gen_ai.usage.output_tokens"] = usage["output_tokens"]
            if reason := message.response_metadata.get("finish_reason"):
                attributes["gen_ai.response.finish_reasons"] = [reason]
        self._end(run_id, attributes)

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self._fail(run_id, error)

    def _fail(self, run_id: UUID, error: BaseException) -> None:
        # Its text may have addresses and parts of the question; the log has it.
        name = type(error).__name__
        if (span := self._open.get(run_id)) is not None:
            span.set_status(StatusCode.ERROR, name)
        self._end(run_id, {"error.type": name})

    def _end(self, run_id: UUID, attributes: dict[str, Any]) -> None:
        self._silent.discard(run_id)
        if (span := self._open.pop(run_id, None)) is not None:
            span.set_attributes(attributes)
            span.end()
