"""Whatever a server does wrong is an error of this package, in time; what it does right is read."""

import asyncio
import gzip
import itertools
import json
import threading
import time
import traceback

import httpx
import pytest
import pytest_socket

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.server import connection as server_connection
from langchain_swallow.engines.server import errors as server_errors
from langchain_swallow.engines.server import servers
from langchain_swallow.engines.server.discovery import discover
from langchain_swallow.engines.server.event_stream import EventDecoder, ServerSentEvent
from langchain_swallow.errors import (
    AuthenticationError,
    EngineError,
    GenerationTimeoutError,
    InvalidRequestError,
    ModelUnavailableError,
    PromptOverflowError,
    ServerBusyError,
    ServerConnectionError,
    ServerError,
    SwallowError,
)
from tests.support.broken_servers import (
    MODELS,
    UNKNOWN_MODELS,
    Reply,
    Server,
    events,
    text_events,
)
from tests.support.tokenizers import trained_tokenizer

GOOD = Reply(text_events("はい"))
NOT_UTF8 = "東京".encode("euc_jp")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """The same limits, in less time than a person would give them."""
    pytest_socket.enable_socket()
    monkeypatch.setattr(servers, "_FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(server_connection, "_ERROR_BODY_LIMIT_S", 0.3)


@pytest.fixture
def serve():
    started = []

    def start(post=GOOD, get=None):
        started.append(Server(post, get))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def ask(checkpoint):
    """A function that makes a chat model of servers."""
    made = []

    def chat(*servers, **fields):
        urls = [s if isinstance(s, str) else s.url for s in servers]
        fields = {"max_tokens": 9, "engine": "server", **fields}
        made.append(ChatSwallow(base_url=urls, model=str(checkpoint), **fields))
        return made[-1]

    yield chat
    for llm in made:
        llm.unload()


def _invoke(llm):
    return llm.invoke("q").text


def _stream(llm):
    return "".join(chunk.text for chunk in llm.stream("q"))


def _ainvoke(llm):
    async def call():
        return (await llm.ainvoke("q")).text

    return asyncio.run(call())


def _astream(llm):
    async def call():
        return "".join([chunk.text async for chunk in llm.astream("q")])

    return asyncio.run(call())


WAYS = pytest.mark.parametrize("way", [_invoke, _stream, _ainvoke, _astream])


# Events


LINE_LIKE = "一\u2028二\u2029三\x85四\x0b五\x0c六\x1c七\x1d八\x1e九"


def _all(parts):
    decoder = EventDecoder()
    return [e for part in parts for e in decoder.feed(part)] + list(decoder.end())


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("space", ["", " "])
def test_events_are_read_however_they_are_cut(line_end, space):
    lines = [
        *(f"data:{space}{LINE_LIKE}", "", ": comment", "event: error", f"data:{space}a"),
        *(f"data:{space}b", "id: 3", "retry: 4", "other: c", "", "data", "", "data:x", ""),
    ]
    whole = ("\ufeff" + "".join(line + line_end for line in lines)).encode()
    expected = [
        ServerSentEvent("", LINE_LIKE),
        ServerSentEvent("error", "a\nb"),
        ServerSentEvent("", "x"),
    ]
    assert _all([whole]) == expected
    assert _all([whole[i : i + 1] for i in range(len(whole))]) == expected
    for cut in range(len(whole)):
        assert _all([whole[:cut], b"", whole[cut:]]) == expected


def test_an_event_is_given_as_soon_as_its_last_line_ends():
    decoder = EventDecoder()
    assert list(decoder.feed(b"data: a\r\r")) == [ServerSentEvent("", "a")]
    assert list(decoder.feed(b"\ndata: b\r\n\r")) == [ServerSentEvent("", "b")]


def test_what_is_not_utf8_is_replaced():
    assert _all([b"data: \xe6\x9d\n\n"]) == [ServerSentEvent("", "\ufffd")]


def test_a_long_event_takes_time_that_grows_with_its_length():
    decoder, part = EventDecoder(), b"a" * 1000
    list(decoder.feed(b"data: "))
    start = time.process_time()
    for _ in range(20_000):
        list(decoder.feed(part))
    assert [len(event.data) for event in decoder.feed(b"\n\n")] == [20_000_000]
    assert time.process_time() - start < 5


KINDS = {
    "vllm": ("vllm", lambda text: {"choices": [{"text": text}]}),
    "sglang": ("sglang", lambda text: {"choices": [{"text": text}]}),
    "openai": ("somebody", lambda text: {"choices": [{"text": text}]}),
    "llamacpp": ("llamacpp", lambda text: {"content": text}),
}


@pytest.mark.slow
@WAYS
@pytest.mark.parametrize("kind", KINDS)
def test_text_that_looks_like_line_ends_arrives(serve, ask, kind, way):
    owner, message = KINDS[kind]
    last = {"choices": [{"text": "", "finish_reason": "stop"}], "content": "", "stop": True}
    body = events(message(LINE_LIKE), last)
    # A probe asks for no stream, and accepts what it is answered.
    get = Reply({"data": [{"id": "m", "owned_by": owner}]})
    answers = itertools.chain([Reply({"content": "x"})], itertools.repeat(Reply(body)))
    post = Reply(body) if kind == "vllm" else lambda _: next(answers)
    assert way(ask(serve(post, get))) == LINE_LIKE


def test_text_is_read_where_ids_are_left_out(serve, ask):
    choices = ({"text": LINE_LIKE}, {"text": "", "finish_reason": "stop"})
    body = events(*({"choices": [{**choice, "token_ids": []}]} for choice in choices))
    assert _invoke(ask(serve(Reply(body)))) == LINE_LIKE


@pytest.mark.parametrize("size", [1, 7])
def test_an_answer_may_come_in_any_pieces(serve, ask, size):
    whole = b"\xef\xbb\xbf" + text_events(LINE_LIKE).replace(b"\n", b"\r\n")
    parts = tuple(whole[i : i + size] for i in range(0, len(whole), size))
    assert _invoke(ask(serve(Reply(parts)))) == LINE_LIKE


@WAYS
@pytest.mark.parametrize(
    ("texts", "read"),
    [
        (["了解\ud83d"], "了解\ufffd"),
        (["\ud83d", "\ude00。"], "😀。"),
        (["\ude00", "a\ud83d", "b"], "\ufffda\ufffdb"),
    ],
    ids=ascii,
)
def test_half_a_character_in_an_answer_is_joined_or_replaced(serve, ask, texts, read, way):
    parts = [{"choices": [{"text": text}]} for text in texts]
    body = "".join(f"data: {json.dumps(part)}\n\n" for part in parts).encode()
    assert way(ask(serve(Reply(body + text_events())))) == read


def test_a_completion_that_is_not_streamed_is_read(serve, ask):
    whole = {"choices": [{"text": "はい", "finish_reason": "stop"}], "usage": {"prompt_tokens": 7}}
    one = serve(Reply(whole))
    answer = ask(one).invoke("q")
    assert (answer.text, answer.usage_metadata["input_tokens"]) == ("はい", 7)
    assert one.posts == 1


# What a server says wrong

BEGUN = {"choices": [{"text": "は"}]}
COMPLETIONS = {
    "HTML": Reply(b"<!doctype html><title>Open WebUI</title>"),
    "nothing": Reply(b""),
    "a list": Reply([]),
    "null": Reply(b"null"),
    "an object": Reply({}),
    "200 with error": Reply({"error": {"message": "out of memory"}}),
    "201 with error": Reply({"error": "out of memory"}, 201),
    "204": Reply(b"", 204),
    "an error": Reply(events(BEGUN, {"error": {"message": "out of memory"}})),
    "an error as text": Reply(events(BEGUN, {"error": "out of memory"})),
    "an object error": Reply(events(BEGUN, {"object": "error", "message": "out of memory"})),
    "a detail": Reply(events(BEGUN, {"detail": "out of memory"})),
    "details": Reply(events(BEGUN, {"detail": [{"msg": "out of memory"}]})),
    "a message": Reply(events(BEGUN, {"message": "out of memory", "code": 500})),
    "an event": Reply(events(BEGUN) + b"event: error\ndata: out of memory\n\n"),
    "an event of JSON": Reply(b'event: error\ndata: {"message": "out of memory"}\n\n'),
    "a field": Reply(b'error: {"code": 500, "message": "out of memory"}\n\n'),
    "no JSON": Reply(b"data: {'choices'\n\n"),
    "deep JSON": Reply(b"data: " + b"[" * 100_000 + b"\n\n"),
    "a long number": Reply(b"data: " + b"9" * 5000 + b"\n\n"),
    "an event that is a list": Reply(events([1])),
    "an event that is null": Reply(events(None)),
    "choices that are text": Reply(events({"choices": "x"})),
    "choices that are null": Reply(events({"choices": [None]})),
    "choices that are a number": Reply(events({"choices": 3})),
    "text that is a number": Reply(events({"choices": [{"text": 3}]})),
    "text that is a list": Reply(events({"choices": [{"text": ["x"]}]})),
    "ids that are text": Reply(events({"choices": [{"token_ids": ["x"]}]})),
    "ids that are none": Reply(events({"choices": [{"token_ids": [10**12, -5]}]})),
    "ids of another tokenizer": Reply(events({"choices": [{"text": "字", "token_ids": [10**6],
                                                            "finish_reason": "stop"}]})),
    "a chat completion": Reply({"choices": [{"message": {"content": "x"},
                                              "finish_reason": "stop"}]}),
    "parts of a chat completion": Reply(events({"choices": [{"delta": {"content": "x"}}]},
                                               {"choices": [{"finish_reason": "stop"}]})),
    "abort": Reply(events(BEGUN, {"choices": [{"text": "", "finish_reason": "abort"}]})),
    "error": Reply(events(BEGUN, {"choices": [{"text": "", "finish_reason": "error"}]})),
    "a filter": Reply(events({"choices": [{"text": "x", "finish_reason": "content_filter"}]})),
    "ids that are a number": Reply(events({"choices": [{"token_ids": 3}]})),
    "not UTF-8": Reply(b"data: " + NOT_UTF8 + b"\n\n"),
    "not gzip": Reply(b"data: x", headers={"content-encoding": "gzip"}),
    "half of a gzip": Reply(gzip.compress(events(*[BEGUN] * 999))[:80],
                            headers={"content-encoding": "gzip"}),
    "too short a body": Reply(events(BEGUN), headers={"content-length": "9999"}),
    "no length": Reply(events(BEGUN), headers={"content-length": "x"}),
    "a wrong chunk": Reply(b"zz\r\n", headers={"transfer-encoding": "chunked"}),
    "the end": Reply(events(BEGUN, end="")),
    "DONE only": Reply(events(BEGUN)),
    "301": Reply(b"", 301, {"location": "https://elsewhere.example/v1"}),
    "307": Reply(b"", 307, {"location": "https://elsewhere.example/v1"}),
    "308": Reply(b"", 308),
    **{str(code): Reply(b"out of memory", code) for code in
       (400, 401, 402, 403, 404, 405, 408, 409, 413, 418, 422, 425, 429, 500, 501, 502, 503, 504,
        505, 520, 599)},
    "an error that is a list": Reply([1], 400),
    "an error that is not UTF-8": Reply(NOT_UTF8, 500),
    "an error of nothing": Reply({"error": None}, 500),
    "a redirect of nothing": Reply(b"", 302, {"location": ""}),
    "retry after what": Reply(b"", 429, {"retry-after": "nan"}),
    "retry after a date": Reply(b"", 429, {"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}),
    "retry before": Reply(b"", 503, {"retry-after": "-5"}),
}  # fmt: skip
HAVE_REASON = {name for name in COMPLETIONS if name.startswith(("an error", "200", "201", "a me"))}
HAVE_REASON |= {"an object error", "a detail", "details", "an event", "an event of JSON", "a field"}
HAVE_REASON -= {"an error that is a list", "an error that is not UTF-8", "an error of nothing"}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPLETIONS)
def test_a_wrong_answer_is_an_error_of_this_package(serve, ask, name):
    with pytest.raises(SwallowError) as met:
        _invoke(ask(serve(COMPLETIONS[name]), max_retries=0))
    assert isinstance(met.value, EngineError)
    assert not str(met.value).startswith("Generation failed"), "not typed, only caught"
    if name in HAVE_REASON:
        assert "out of memory" in str(met.value)


SOME = ("HTML", "an error", "deep JSON", "too short a body", "307", "500")


@pytest.mark.slow
@WAYS
@pytest.mark.parametrize("name", SOME)
def test_a_wrong_answer_is_an_error_in_every_way_of_asking(serve, ask, name, way):
    with pytest.raises(SwallowError):
        way(ask(serve(COMPLETIONS[name]), max_retries=0))


LISTS = {
    "HTML": Reply(b"<!doctype html>"),
    "nothing": Reply(b""),
    "a list": Reply([]),
    "null": Reply(b"null"),
    "a number": Reply(b"3"),
    "an object": Reply({}),
    "no data": Reply({"data": None}),
    "data that is an object": Reply({"data": {}}),
    "data that is text": Reply({"data": "m"}),
    "a model that is null": Reply({"data": [None]}),
    "a model that is text": Reply({"data": ["m"]}),
    "no id": Reply({"data": [{"owned_by": "vllm"}]}),
    "an id that is a number": Reply({"data": [{"id": 3}]}),
    "no model": Reply({"data": []}),
    "other models": Reply({"data": [{"id": "a"}, {"id": "b"}]}),
    "not UTF-8": Reply(NOT_UTF8),
    "deep": Reply(b"[" * 100_000),
    "an error": Reply({"error": "out of memory"}),
    "not gzip": Reply(b"x", headers={"content-encoding": "gzip"}),
    "too short": Reply(b"{", headers={"content-length": "99"}),
    "307": Reply(b"", 307, {"location": "https://elsewhere.example/v1"}),
    **{str(code): Reply(b"x", code) for code in (204, 400, 401, 403, 404, 408, 429, 500, 503)},
}


@pytest.mark.parametrize("name", LISTS)
def test_a_wrong_list_of_models_is_an_error_of_this_package(serve, ask, name):
    with pytest.raises(SwallowError) as met:
        _invoke(ask(serve(get=LISTS[name]), max_retries=0))
    assert isinstance(met.value, EngineError | ModelUnavailableError)
    assert "is not understood" not in str(met.value), "not typed, only caught"


@pytest.mark.parametrize(
    "fields",
    [
        {"max_model_len": "4096"}, {"max_model_len": -1}, {"max_model_len": True},
        {"meta": [1]}, {"meta": {"n_ctx": None}}, {"owned_by": None}, {"owned_by": ["vllm"]},
    ],
    ids=repr,
)  # fmt: skip
def test_what_a_model_lacks_is_done_without(serve, ask, fields):
    llm = ask(serve(get=Reply({"data": [{"id": "m", **fields}]})), prompt_encoding="ids")
    assert _invoke(llm) == "はい"
    assert llm.context_window == 4096


@pytest.mark.slow
@pytest.mark.parametrize("owner", ["llamacpp", "sglang", "somebody"])
@pytest.mark.parametrize("name", [*SOME, "nothing", "a list", "null", "401", "429", "503"])
def test_a_wrong_answer_to_a_probe_is_an_error_of_this_package(serve, ask, owner, name):
    get = Reply({"data": [{"id": "m", "owned_by": owner}]})
    with pytest.raises(SwallowError) as met:
        _invoke(ask(serve(COMPLETIONS[name], get), max_retries=0))
    assert "is not understood" not in str(met.value), "not typed, only caught"
    assert not str(met.value).startswith("Generation failed"), "not typed, only caught"


@pytest.mark.parametrize(
    "usage",
    ["x", 3, [1], {"prompt_tokens": "x"}, {"completion_tokens": -1}, {"prompt_tokens_details": 3}],
    ids=repr,
)
def test_a_usage_that_cannot_be_read_is_done_without(serve, ask, usage):
    body = events({"choices": [{"text": "はい", "finish_reason": "stop"}], "usage": usage})
    answer = ask(serve(Reply(body))).invoke("q")
    assert answer.text == "はい"
    assert answer.usage_metadata["output_tokens"] == 1


@pytest.mark.parametrize(
    "logprobs",
    [3, "x", {}, {"tokens": ["a"], "token_logprobs": []}, {"tokens": [1], "token_logprobs": [0]},
     {"tokens": ["a"], "token_logprobs": ["x"]},
     {"tokens": ["a"], "token_logprobs": [0], "top_logprobs": [{"a": "x"}]}],
    ids=repr,
)  # fmt: skip
def test_logprobs_that_cannot_be_read_are_an_error(serve, ask, logprobs):
    body = events({"choices": [{"text": "は", "logprobs": logprobs}]})
    with pytest.raises(ServerError, match="that is not a completion"):
        _invoke(ask(serve(Reply(body)), logprobs=True, top_logprobs=1, max_retries=0))


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        (Reply(b"", 307, {"location": "https://a.example/v1"}), ServerError,
         "redirects to 'https://a.example/v1'"),
        (Reply(b"", 408), ServerError, "answered 408"),
        (Reply(b"", 429), ServerBusyError, "answered 429"),
        (Reply(b"<html>", 200), ServerError, "'<html>'. Check base_url"),
        (Reply(events({"error": {"code": 429, "message": "slow down"}})), ServerBusyError, "slow"),
        (Reply(events({"error": {"code": 401, "message": "no"}})), AuthenticationError, "no"),
        (Reply(events({"error": {"code": 400, "message": "maximum context length"}})),
         PromptOverflowError, "maximum context length"),
        (Reply(events({"error": {"code": 400, "message": "no"}})), InvalidRequestError, "no"),
        (Reply(events({"error": {"code": "x", "message": "no"}})), ServerError, "no"),
    ],
)  # fmt: skip
def test_which_error_it_is(serve, ask, reply, error, text):
    with pytest.raises(error) as met:
        _invoke(ask(serve(reply), max_retries=0))
    assert text in str(met.value)


def test_a_field_that_is_no_error_is_none(serve, ask):
    ended = {"choices": [{"text": "はい", "finish_reason": "stop"}], "error": None, "detail": ""}
    assert _invoke(ask(serve(Reply(events(ended))))) == "はい"


def test_what_would_be_the_same_again_is_asked_once(serve, ask):
    one = serve(Reply(b"<html>"))
    with pytest.raises(ServerError):
        _invoke(ask(one, max_retries=3))
    assert one.posts == 1


URLS = [
    "localhost:8000/v1", "ftp://a/v1", "http://", "http:///v1", "http://[::1/v1", "", "a b",
    "http://a:99999/v1", "http://a:0/v1", "http://a:x/v1", "http://a\x00b/v1", "http://a b/v1",
    f"http://{'a' * 64}.example/v1", "http://" + "あ" * 70 + ".example/v1", "http://a/v1?x=1",
    "http://a/v1#x", "http://127.0.0.1:1/v1", "https://127.0.0.1:1/v1", "http://a..b/v1", "\ud83d",
]  # fmt: skip


@pytest.mark.parametrize("way", [_invoke, _astream])
@pytest.mark.parametrize("url", URLS, ids=ascii)
def test_an_address_that_is_none_is_an_error_of_this_package(ask, url, way):
    with pytest.raises(ServerConnectionError):
        way(ask(url, max_retries=0))


@pytest.mark.parametrize("key", ["a\n", "a\r\nX: y", "鍵", " a", "a\x00", "a\x7f"], ids=ascii)
def test_a_key_that_no_header_can_have_is_named_and_not_shown(serve, ask, key):
    one = serve()
    with pytest.raises(AuthenticationError, match="an HTTP header cannot have") as met:
        _invoke(ask(one, api_key=key + "secret"))
    assert "secret" not in str(met.value)


@pytest.mark.parametrize(
    "variables",
    [{"HTTP_PROXY": "foo://x"}, {"ALL_PROXY": "http://a:x"}, {"SSL_CERT_FILE": "/none/none"}],
    ids=repr,
)
def test_settings_of_the_environment_that_cannot_be_used_are_named(
    serve, ask, monkeypatch, variables
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ServerConnectionError, match="environment"):
        _invoke(ask(serve()))


def test_a_password_in_an_address_is_not_shown(serve, ask):
    one = serve(Reply(b"", 500))
    url = one.url.replace("//", "//user:pass@")
    with pytest.raises(ServerError) as met:
        _invoke(ask(url, max_retries=0))
    assert "pass" not in str(met.value)


SECRETS = [
    "http://u:hunter2#x@host/v1", "http://u:se/hunter2@host", "http://hunter2@x:y@host:x",
    "http://u:hunter2＠host/v1", "user:hunter2@host:8000", "http:/u:hunter2@host", "u:hunter2?@h",
    "http://u:hunter2@host:99999/v1", "ftp://u:hunter2@host", "http://u:x/hunter2@[::1",
]  # fmt: skip


@pytest.mark.parametrize("url", SECRETS, ids=ascii)
def test_an_address_that_is_none_is_shown_without_its_password(url):
    with pytest.raises(ServerConnectionError) as met:
        server_connection.checked_url(url)
    assert "hunter2" not in "".join(traceback.format_exception(met.value))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://u:p@ss@host", "http://host"),
        ("http://u:se/cret@host/v1", "http://host/v1"),
        ("http://u:a\nb@host", "http://host"),
        ("http://host:8000/v1", "http://host:8000/v1"),
    ],
)
def test_what_is_before_the_host_is_not_shown(url, shown):
    assert server_errors.shown_url(url) == shown


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "proxy", ["http://user:hunter2#1@proxy:3128", "http://u:hunter2/@p", "foo://u:hunter2@p"]
)
def test_a_password_of_a_proxy_is_not_shown(monkeypatch, name, proxy):
    monkeypatch.setenv(name, proxy)
    with (
        pytest.raises(ServerConnectionError, match="HTTPS_PROXY") as met,
        server_connection.typed_settings(),
    ):
        httpx.Client()
    assert "hunter2" not in "".join(traceback.format_exception(met.value))


# Waiting


def _seconds(call, *arguments):
    start = time.monotonic()
    call(*arguments)
    return time.monotonic() - start


def _hangs(one, where):
    """Have a server hang where a test says."""
    if where == "models":
        one.get = one.hang
    else:
        one.get, one.post = Reply(MODELS if where == "answer" else UNKNOWN_MODELS), one.hang
    return one


@pytest.mark.parametrize(
    ("kind", "status", "answer", "grammars"),
    [
        ("llamacpp", 400, {"error": {"message": "failed to parse grammar"}}, "schema"),
        ("llamacpp", 200, {"content": '"営業"'}, "lark"),
        ("llamacpp", 200, {"content": ' "営業"'}, "none"),
        ("sglang", 400, {"object": "error", "message": "Failed to compile grammar"}, "schema"),
        ("sglang", 200, {"choices": [{"text": '"営業"'}]}, "lark"),
        ("sglang", 200, {"choices": [{"text": "はい。"}]}, "none"),
    ],
)
async def test_what_constrains_a_server_is_found_out(serve, kind, status, answer, grammars):
    url = serve(Reply(answer, status), Reply({"data": [{"id": "m", "owned_by": kind}]})).url
    connection = server_connection.Connection(None)
    flavor = await discover(
        connection, url, model="m", tokenizer=trained_tokenizer(), prompt_encoding="ids"
    )
    await connection.close()
    assert flavor.grammars == grammars


@pytest.mark.slow
@WAYS
@pytest.mark.parametrize("where", ["models", "probe", "answer"])
def test_a_timeout_holds_wherever_a_server_hangs(serve, ask, where, way):
    llm = ask(_hangs(serve(), where), timeout=0.5)
    with pytest.raises(GenerationTimeoutError, match=r"timeout=0\.5 s"):
        assert _seconds(way, llm) < 20
    with pytest.raises(GenerationTimeoutError):
        llm.invoke("q", timeout=0.1)


@pytest.mark.parametrize("where", ["models", "probe"])
def test_without_a_timeout_meeting_has_a_limit(serve, ask, monkeypatch, where):
    monkeypatch.setattr("langchain_swallow.engines.server.discovery.CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setattr("langchain_swallow.engines.server.discovery._PROBE_LIMIT_S", 0.3)
    llm = ask(_hangs(serve(), where))
    start = time.monotonic()
    with pytest.raises(ServerConnectionError, match=r"did not answer within 0\.3 s"):
        _invoke(llm)
    assert time.monotonic() - start < 20


def test_without_a_timeout_silence_has_a_limit(serve, ask, monkeypatch):
    monkeypatch.setattr(server_connection, "SILENCE_LIMIT_S", 0.3)
    begun = serve()
    begun.post = Reply(events(BEGUN, end=""), after=begun.hang)
    for one in (_hangs(serve(), "answer"), begun):
        with pytest.raises(GenerationTimeoutError, match=r"sent nothing of an answer for 0\.3 s"):
            _invoke(ask(one))


@pytest.mark.slow
@pytest.mark.parametrize("ping", [b": ping\n\n", b"event: ping\ndata: {}\n\n", b"data\n", b" \n"])
@pytest.mark.parametrize("begins", [b"", events(BEGUN, end="")], ids=["before", "within"])
def test_what_keeps_a_connection_open_is_silence(serve, ask, monkeypatch, ping, begins):
    monkeypatch.setattr(server_connection, "SILENCE_LIMIT_S", 0.3)

    def endless(handler):
        while True:  # until the client leaves
            handler.wfile.write(ping)
            time.sleep(0.02)

    one = serve(lambda handler: Reply(begins, after=lambda: endless(handler)))
    start = time.monotonic()
    with pytest.raises(GenerationTimeoutError, match=r"sent nothing of an answer for 0\.3 s"):
        _invoke(ask(one))
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("text", ["は", ""])
def test_an_answer_that_never_ends_is_an_error(serve, ask, text):
    def endless(handler):
        while True:  # until the client leaves
            handler.wfile.write(events({"choices": [{"text": text}]}, end=""))

    with pytest.raises(ServerError, match="continues after max_tokens=9 tokens"):
        _invoke(ask(serve(lambda handler: Reply(b"", after=lambda: endless(handler)))))


@pytest.mark.slow
def test_an_answer_that_goes_on_may_take_longer_than_silence(serve, ask, monkeypatch):
    monkeypatch.setattr(server_connection, "SILENCE_LIMIT_S", 0.3)
    whole = text_events(*"はいそうです。")

    def slow(handler):
        for event in whole.split(b"\n\n"):
            handler.wfile.write(event + b"\n\n")
            time.sleep(0.1)

    one = serve(lambda handler: Reply(b"", after=lambda: slow(handler)))
    assert _invoke(ask(one)) == "はいそうです。"


def test_those_who_wait_for_a_hung_server_wait_at_once(serve, ask):
    llm = ask(_hangs(serve(), "probe"), timeout=1)
    waited = []

    def wait():
        with pytest.raises(GenerationTimeoutError):
            _invoke(llm)
        waited.append(time.monotonic())

    start = time.monotonic()
    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(waited) == 8
    assert max(waited) - start < 20


@pytest.mark.parametrize("where", ["models", "probe", "answer"])
def test_giving_up_ends_the_event_loop(serve, ask, where):
    llm = ask(_hangs(serve(), where))

    async def give_up():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(llm.ainvoke("q"), 0.3)

    assert _seconds(asyncio.run, give_up()) < 20


def test_unloading_ends_those_who_wait_for_a_hung_server(serve, ask):
    llm = ask(_hangs(serve(), "models"))
    caught = []

    def wait():
        try:
            _invoke(llm)
        except Exception as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    llm.unload()
    thread.join(20)
    assert [type(error) for error in caught] == [EngineError]


@pytest.mark.slow
@WAYS
@pytest.mark.parametrize("last", ["data: [DONE]\n\n", ""], ids=["DONE", "usage"])
def test_a_whole_answer_does_not_wait_for_the_end_of_the_body(serve, ask, last, way):
    one = serve()
    whole = text_events("はい").removesuffix(b"data: [DONE]\n\n") + last.encode()
    one.post = Reply(whole, after=one.hang)
    llm = ask(one, timeout=30)
    start = time.monotonic()
    assert way(llm) == "はい"
    assert time.monotonic() - start < 15


def test_a_whole_answer_of_llama_cpp_does_not_wait_either(serve, ask):
    one = serve(get=Reply({"data": [{"id": "m", "owned_by": "llamacpp"}]}))
    body = events({"content": "はい"}, {"content": "", "stop": True}, end="")
    answers = itertools.chain([Reply({"content": "x"})], [Reply(body, after=one.hang)] * 2)
    one.post = lambda _: next(answers)
    assert _invoke(ask(one, timeout=30)) == "はい"


def test_a_whole_answer_is_given_though_its_body_ends_too_soon(serve, ask):
    whole = text_events("はい")
    one = serve(Reply(whole, headers={"content-length": str(len(whole) + 9)}))
    assert _invoke(ask(one)) == "はい"
    assert one.posts == 1


def test_a_server_that_goes_on_after_done_is_not_read_for_ever(serve, ask):
    def chatter(handler):
        for _ in range(1000):
            handler.wfile.write(events(BEGUN))
            time.sleep(0.02)

    one = serve()

    def post(handler):
        return Reply(text_events("はい"), after=lambda: chatter(handler))

    one.post = post
    assert _seconds(_invoke, ask(one)) < 15


def test_an_error_whose_body_does_not_come_is_an_error(serve, ask):
    one = serve()
    one.post = Reply(b"out of", 400, {"content-length": "99"}, after=one.hang)
    with pytest.raises(InvalidRequestError, match="answered 400"):
        _invoke(ask(one))


# Several servers

BAD = {
    "502": lambda s: s(get=Reply(b"", 502)),
    "500": lambda s: s(get=Reply(b"", 500)),
    "503": lambda s: s(get=Reply(b"", 503)),
    "408": lambda s: s(get=Reply(b"", 408)),
    "refused": lambda s: "http://127.0.0.1:1/v1",
    "HTML": lambda s: s(get=Reply(b"<html>")),
    "redirect": lambda s: s(get=Reply(b"", 307)),
    "hung": lambda s: _hangs(s(), "models"),
    "hung at the probe": lambda s: _hangs(s(), "probe"),
    "401": lambda s: s(get=Reply(b"", 401)),
    "403": lambda s: s(get=Reply(b"", 403)),
    "404": lambda s: s(get=Reply(b"", 404)),
    "another model": lambda s: s(get=Reply({"data": [{"id": "a"}, {"id": "b"}]})),
    "answers 500": lambda s: s(Reply(b"", 500)),
    "answers 401": lambda s: s(Reply(b"", 401)),
    "answers 404": lambda s: s(Reply(b"", 404)),
    "answers HTML": lambda s: s(Reply(b"<html>")),
    "ends at once": lambda s: s(lambda _: None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("first", [True, False])
def test_one_bad_server_does_not_keep_the_others_from_answering(serve, ask, name, first):
    bad, good = BAD[name](serve), serve()
    llm = ask(*((bad, good) if first else (good, bad)))
    assert [_invoke(llm) for _ in range(3)] == ["はい"] * 3
    assert good.posts == 3


def test_every_server_is_tried(serve, ask):
    bad = [serve(Reply(b"", 500)) for _ in range(4)]
    assert _invoke(ask(*bad, serve(), max_retries=1)) == "はい"


def test_a_server_that_comes_later_is_taken_in(serve, ask, monkeypatch):
    monkeypatch.setattr(servers, "_REST_S", 0.05)
    late, good = serve(get=Reply(b"", 502)), serve()
    llm = ask(late, good)
    assert _invoke(llm) == "はい"
    late.get = Reply(MODELS)
    time.sleep(0.1)
    _invoke(llm)
    time.sleep(0.3)
    for _ in range(40):
        _invoke(llm)
    assert late.posts


@pytest.mark.parametrize("status", [500, 502, 503, 408, 200])
def test_one_failure_of_a_single_server_is_tried_again(serve, ask, status):
    answers = itertools.chain([Reply(b"<html>", status)], itertools.repeat(Reply(MODELS)))
    assert _invoke(ask(serve(get=lambda _: next(answers)))) == "はい"


def test_a_server_of_chat_completions_only_is_an_error_that_names_another_client(serve, ask):
    models = Reply({"data": [{"id": "m", "owned_by": "somebody"}]})
    with pytest.raises(ModelUnavailableError, match=r"only /chat/completions, use .* ChatOpenAI"):
        _invoke(ask(serve(Reply({"error": {"message": "Not Found"}}, 404), get=models)))


def test_the_error_says_what_can_be_mended(serve, ask):
    with pytest.raises(AuthenticationError):
        _invoke(ask("http://127.0.0.1:1/v1", serve(get=Reply(b"", 401)), max_retries=0))


def test_a_failed_meeting_is_begun_again(serve, ask):
    one = serve(get=Reply(b"", 401))
    llm = ask(one)
    with pytest.raises(AuthenticationError):
        _invoke(llm)
    one.get = Reply(MODELS)
    assert _invoke(llm) == "はい"
