"""OpenTelemetry spans of requests and answers, as the SDK exports them."""

import json

import pytest
from langchain_core.tracers.context import collect_runs
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from langchain_swallow.chat_models.chat_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.errors import ServerConnectionError
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.tracing import Tracing
from tests.support.assistants import assistant, client
from tests.support.openai_server import CHAT
from tests.support.tokenizers import trained_tokenizer

pytestmark = pytest.mark.usefixtures("japanese")

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
QUESTION = {"question": "会議室は何階ですか。"}


class Traced:
    def __init__(self, *answers):
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        made = assistant(tracing=Tracing(provider))
        made.llm = ChatSwallow.from_engine(FakeEngine(answers, trained_tokenizer()), model=CHAT)
        self.http = client(create_app(made, page=False))

    def spans(self):
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.mark.parametrize("stream", [False, True], ids=["json", "events"])
async def test_an_answer_is_in_the_trace_of_its_caller(stream):
    traced = Traced("3階 [1]")
    async with traced.http as http:
        got = await http.post(
            "/v1/answers", json={**QUESTION, "stream": stream}, headers=TRACEPARENT
        )
    spans = traced.spans()
    assert set(spans) == {"POST /v1/answers", "retrieval", "prompt", f"chat {CHAT}"}
    request = spans["POST /v1/answers"]
    assert format(request.parent.span_id, "016x") == PARENT
    assert request.kind is SpanKind.SERVER
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/answers",
        "http.response.status_code": 200,
        "swallow.request.id": got.headers["x-request-id"],
    }
    for name in ("retrieval", "prompt", f"chat {CHAT}"):
        assert format(spans[name].context.trace_id, "032x") == TRACE
        assert spans[name].parent.span_id == request.context.span_id, name
        assert request.start_time <= spans[name].start_time <= spans[name].end_time
    assert spans["retrieval"].end_time <= spans["prompt"].start_time
    assert spans["prompt"].end_time <= spans[f"chat {CHAT}"].start_time
    assert spans["retrieval"].attributes == {"swallow.retrieval.documents": 3}
    chat = spans[f"chat {CHAT}"]
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.usage.input_tokens"] > 0
    assert chat.attributes["gen_ai.usage.output_tokens"] > 0
    assert chat.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert [event.name for event in chat.events] == ["first token"]
    assert not any("会議室" in str(json.loads(span.to_json())) for span in spans.values())


async def test_without_a_traceparent_a_request_begins_a_trace():
    traced = Traced()
    async with traced.http as http:
        await http.get("/v1/models")
        await http.get("/v1/none", headers={"traceparent": "nonsense"})
    assert set(traced.spans()) == {"GET /v1/models", "GET"}
    assert all(span.parent is None for span in traced.spans().values())


async def test_a_failure_names_its_kind_and_no_address():
    traced = Traced(ServerConnectionError("http://10.0.0.7/v1 cannot be reached"))
    async with traced.http as http:
        assert (await http.post("/v1/answers", json=QUESTION)).status_code == 503
    spans = traced.spans()
    assert spans[f"chat {CHAT}"].status.status_code is StatusCode.ERROR
    assert spans[f"chat {CHAT}"].attributes["error.type"] == "ServerConnectionError"
    assert spans["POST /v1/answers"].status.status_code is StatusCode.ERROR
    assert not any("10.0.0.7" in span.to_json() for span in spans.values())


async def test_langchains_own_callbacks_see_the_same_runs():
    """Tracing adds spans; what LangChain reports to others stays as it is."""
    seen = {}
    for tracing in (None, Tracing(TracerProvider())):
        made = assistant(tracing=tracing)
        with collect_runs() as collected:
            async with client(create_app(made, page=False)) as http:
                await http.post("/v1/answers", json=QUESTION)
        seen[tracing is None] = [names(run) for run in collected.traced_runs]
    assert seen[True] == seen[False] != []


def names(run):
    return run.name, run.run_type, [names(child) for child in run.child_runs]
