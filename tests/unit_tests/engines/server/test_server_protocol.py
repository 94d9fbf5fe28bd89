"""What goes to a completions server and what is read from it; a server that fails on purpose."""

import http.server
import json
import threading
import time
from dataclasses import replace

import pytest
import pytest_socket

from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.protocol import Chunk, Finish, Grammar, Request
from langchain_swallow.engines.server.client import ServerEngine
from langchain_swallow.engines.server.grammar_probe import build_probe
from langchain_swallow.engines.server.protocol import (
    Answer,
    Flavor,
    build_payload,
    prompt_text,
    scores_tokens,
)
from langchain_swallow.errors import (
    EngineError,
    GrammarError,
    InvalidRequestError,
    PromptOverflowError,
    ServerBusyError,
    ServerConnectionError,
    ServerError,
)
from langchain_swallow.prompts import encode
from langchain_swallow.prompts.client_tokenizer import ClientTokenizer
from tests.support.tokenizers import LLAMA2, TOKENIZERS, llama2_tokenizer, trained_tokenizer

VLLM = Flavor("m", "vllm", grammars="lark")
OTHER = Flavor("m", "somebody")
REQUEST = Request(prompt_ids=(1, 5, 6), max_tokens=8)


def test_a_plain_request_says_only_what_it_must():
    assert build_payload(REQUEST, trained_tokenizer(), OTHER) == {
        "model": "m",
        "prompt": [1, 5, 6],
        "max_tokens": 8,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_everything_of_a_request_reaches_vllm():
    request = Request(
        prompt_ids=(1, 5),
        max_tokens=3,
        temperature=0.5,
        top_p=0.9,
        top_k=7,
        min_p=0.1,
        repetition_penalty=1.2,
        presence_penalty=1.5,
        seed=4,
        stop=("。",),
        logprobs=2,
        grammar=Grammar("json_schema", '{"type": "object"}'),
    )
    body = build_payload(request, trained_tokenizer(), VLLM)
    sampling = ("top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty")
    assert {k: body[k] for k in (*sampling, "seed", "stop")} == {
        "top_p": 0.9,
        "top_k": 7,
        "min_p": 0.1,
        "presence_penalty": 1.5,
        "repetition_penalty": 1.2,
        "seed": 4,
        "stop": ["。"],
    }
    assert (body["logprobs"], body["return_token_ids"]) == (2, True)
    assert body["structured_outputs"] == {"grammar": 'start: %json {"type": "object"}'}


def test_a_grammar_is_refused_where_only_schemas_are_taken():
    tools = Request(prompt_ids=(1,), max_tokens=1, grammar=Grammar("lark", 'start: "a"'))
    with pytest.raises(GrammarError, match="JSON schemas only"):
        build_payload(tools, trained_tokenizer(), OTHER)
    schema = Request(prompt_ids=(1,), max_tokens=1, grammar=Grammar("json_schema", "{}"))
    body = build_payload(schema, trained_tokenizer(), OTHER)
    assert body["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("make", TOKENIZERS)
def test_a_prompt_as_text_is_the_prompt(make):
    tokenizer = make()
    turns = [
        ("system", "誠実に。"),
        ("user", "東京は？"),
        ("assistant", "首都です。"),
        ("user", "薔"),
    ]
    text = prompt_text(tuple(encode(turns, tokenizer)), tokenizer, Flavor("m", "x"))
    assert text == (
        "[INST] <<SYS>>\n誠実に。\n<</SYS>>\n\n東京は？ [/INST] 首都です。</s>[INST] 薔 [/INST] "
    )


@pytest.mark.parametrize("make", TOKENIZERS)
# The id of `<unk>` is 0.
@pytest.mark.parametrize("token", ["</s>", "<unk>", "<s>"])
@pytest.mark.parametrize("answer", [[], [("assistant", "はい。"), ("user", "次は？")]], ids=len)
def test_a_special_token_in_a_message_is_not_sent_as_text(make, token, answer):
    tokenizer = make()
    ids = tuple(encode([("user", f"これは {token} です。"), *answer], tokenizer))
    with pytest.raises(InvalidRequestError, match=f"contains '{token}'"):
        prompt_text(ids, tokenizer, Flavor("m", "x"))


def test_text_of_other_servers_is_read_as_it_comes():
    answer = Answer(REQUEST, trained_tokenizer(), OTHER)
    events = [
        *answer.read({"choices": [{"text": " 東"}]}),
        *answer.read({"choices": [{"text": "京"}]}),
    ]
    assert not answer.is_whole
    list(answer.read({"choices": [{"text": "", "finish_reason": "stop", "stop_reason": "。"}]}))
    list(answer.read({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}))
    assert answer.is_whole
    assert events == [Chunk("東"), Chunk("京")]
    assert list(answer.end()) == [Finish("stop", 3, 2, "。", 0)]


@pytest.mark.skipif(not LLAMA2.is_dir(), reason="the Llama 2 tokenizer is not beside this checkout")
def test_the_clients_tokenizer_gives_the_ids_of_transformers():
    client, whole = ClientTokenizer(LLAMA2), llama2_tokenizer()
    for text in ("ユーザーが </s> と書く", "薔🌸\n\n x", "[INST]"):
        turns = [("system", "誠実に。"), ("user", text), ("assistant", text), ("user", text)]
        assert encode(turns, client) == encode(turns, whole)
    assert (client.bos_token_id, client.eos_token_id, len(client)) == (1, 2, 32000)


def test_the_clients_tokenizer_reads_a_saved_one(checkpoint):
    client = ClientTokenizer(checkpoint)
    turns = [("user", "東京は？ </s> 薔🌸")]
    assert encode(turns, client) == encode(turns, trained_tokenizer())


# A server that fails on purpose: what the client does then is the client's own.


class Script(http.server.BaseHTTPRequestHandler):
    """Answers `/models`, and each completion with the next of `answers`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.reply(200, {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 512}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        answer = self.server.answers.pop(0)
        if isinstance(answer, tuple):
            self.reply(*answer)
            return
        self.send_response(200)
        self.send_header("connection", "close")
        self.end_headers()
        for event in answer:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.close_connection = True

    def reply(self, status, data, headers=None):
        text = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(text)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Quiet."""


WHOLE = [
    {"choices": [{"text": "東", "token_ids": [300]}]},
    {"choices": [{"text": "", "token_ids": [], "finish_reason": "length"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
]


@pytest.fixture
def scripted(checkpoint):
    """A function that starts servers with answers; gives the engine and the servers."""
    pytest_socket.enable_socket()
    started, engines = [], []

    def start(*scripts, **options):
        for answers in scripts:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Script)
            server.answers, server.bodies = list(answers), []
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            started.append(server)
        urls = [f"http://127.0.0.1:{server.server_port}/v1" for server in started]
        engines.append(ServerEngine(urls, ClientTokenizer(checkpoint), model="m", **options))
        return engines[-1], started

    yield start
    for engine in engines:
        engine.close()
    for server in started:
        server.shutdown()
        server.server_close()


class KeptOpen(Script):
    """Ends a body a moment after its last event, as servers do, and keeps the connection."""

    def setup(self):
        super().setup()
        self.server.connections += 1

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for text in [*(json.dumps(event) for event in WHOLE), "[DONE]"]:
            self.chunk(f"data: {text}\n\n".encode())
        time.sleep(0.05)
        self.chunk(b"")

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def test_one_connection_serves_one_request_after_another(checkpoint):
    pytest_socket.enable_socket()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), KeptOpen)
    server.connections = 0
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    engine = ServerEngine([url], ClientTokenizer(checkpoint), model="m")
    try:
        for _ in range(3):
            assert ask(engine)[-1].reason == "length"
        assert server.connections == 1
    finally:
        engine.close()
        server.shutdown()
        server.server_close()


def ask(engine, request=REQUEST):
    with Stream(engine, request) as events:
        return list(events)


def test_vllm_scores_an_answer_without_a_grammar(scripted):
    """A grammar would be applied before vLLM computes log probabilities."""

    def scored(token, logprob):
        top = {f"token_id:{token}": logprob, "token_id:7": -0.25, "token_id:8": -6.0}
        logprobs = {"tokens": [f"token_id:{token}"], "token_logprobs": [logprob]}
        choice = {"text": "?", "token_ids": [token], "finish_reason": "length"}
        return [{"choices": [{**choice, "logprobs": {**logprobs, "top_logprobs": [top]}}]}]

    engine, (server,) = scripted([scored(300, -4.5), scored(301, -0.5)])
    request = replace(
        REQUEST, logprobs=0, grammar=Grammar("json_schema", "{}"), scored_ids=(300, 301)
    )
    *chunks, finish = ask(engine, request)
    assert [token.logprob for chunk in chunks for token in chunk.logprobs] == [-4.5, -0.5]
    assert finish.token_ids == (300, 301)
    sent = [
        (body["prompt"], body["allowed_token_ids"], body["max_tokens"]) for body in server.bodies
    ]
    assert sent == [([1, 5, 6], [300], 1), ([1, 5, 6, 300], [301], 1)]
    assert all("structured_outputs" not in body for body in server.bodies)


@pytest.mark.parametrize(
    "flavor", [Flavor("m", "sglang"), OTHER, replace(VLLM, takes_ids=False)], ids=repr
)
def test_other_servers_do_not_score_answers(flavor):
    with pytest.raises(EngineError, match="does not report the model's own log probabilities"):
        scores_tokens(flavor)
    assert scores_tokens(VLLM)
    assert not scores_tokens(Flavor("m", "llamacpp"))


def test_a_busy_server_is_asked_again_after_what_it_says(scripted):
    engine, (server,) = scripted([(503, {"error": "busy"}, {"retry-after": "0"}), WHOLE])
    assert ask(engine)[-1].completion_tokens == 1
    assert len(server.bodies) == 2


def test_a_server_that_stays_busy_is_a_typed_error(scripted):
    engine, (server,) = scripted(
        [(429, {"error": {"message": "slow down"}}, {"retry-after": "0"})] * 3
    )
    with pytest.raises(ServerBusyError, match="answered 429: slow down"):
        ask(engine)
    assert len(server.bodies) == 3


def test_another_server_takes_a_request_that_had_not_begun(scripted):
    engine, servers = scripted([(500, {"error": "x"})] * 4, [WHOLE] * 4)
    assert [ask(engine)[-1].completion_tokens for _ in range(4)] == [1] * 4
    assert len(servers[1].bodies) == 4


def test_a_request_that_had_begun_is_not_asked_again(scripted):
    engine, (server,) = scripted([WHOLE[:1], WHOLE])
    with pytest.raises(ServerConnectionError, match="before the answer was complete"):
        ask(engine)
    assert len(server.bodies) == 1


def test_an_error_within_a_stream_is_typed(scripted):
    engine, _ = scripted([[*WHOLE[:1], {"error": {"message": "worker died"}}]])
    with pytest.raises(ServerError, match="worker died"):
        ask(engine)


@pytest.mark.parametrize(
    "wording",
    [
        "This model's maximum context length is 512 tokens.",
        "You passed 500 input tokens and requested 100 output tokens.",
    ],
)
def test_both_wordings_of_an_overflow_are_one_error(scripted, wording):
    engine, _ = scripted([(400, {"error": {"message": wording}})])
    with pytest.raises(PromptOverflowError, match="answered 400"):
        ask(engine)


def test_another_400_is_an_invalid_request_and_not_retried(scripted):
    engine, (server,) = scripted([(400, {"message": "no such parameter"})] * 3)
    with pytest.raises(InvalidRequestError, match="no such parameter"):
        ask(engine)
    assert len(server.bodies) == 1


def test_llama_cpp_is_told_every_sampler():
    request = Request(prompt_ids=(1, 5), max_tokens=3, temperature=0.5, logprobs=0)
    body = build_payload(request, trained_tokenizer(), Flavor("m", "llamacpp"))
    assert body["samplers"] == ["penalties", "temperature", "top_k", "top_p", "min_p"]
    assert (body["top_k"], body["top_p"], body["repeat_penalty"]) == (0, 1.0, 1.0)
    # Its own default of min_p is 0.05.
    assert (body["min_p"], body["presence_penalty"]) == (0.0, 0.0)
    request = replace(request, min_p=0.1, presence_penalty=1.5)
    body = build_payload(request, trained_tokenizer(), Flavor("m", "llamacpp"))
    assert (body["min_p"], body["presence_penalty"]) == (0.1, 1.5)
    assert (body["n_predict"], body["repeat_last_n"], body["n_probs"]) == (3, 5, 1)


def test_only_servers_that_differ_are_probed():
    assert "grammar" in build_probe("llamacpp", "m")
    assert "ebnf" in build_probe("sglang", "m")
    assert build_probe("vllm", "m") is build_probe("openai", "m") is None


def test_sglang_sends_ids_and_takes_grammars_as_ebnf():
    """As SGLang 0.5.23 answered, with what is not read left out."""
    tokenizer = trained_tokenizer()
    grammar = Grammar("json_schema", "{}")
    flavor = Flavor("m", "sglang", grammars="lark")
    request = Request(prompt_ids=(1, 5), max_tokens=9, stop=("。",), grammar=grammar)
    body = build_payload(request, tokenizer, flavor)
    assert body["return_token_ids"]
    assert body["ebnf"] == "start: %json {}"
    answer = Answer(request, tokenizer, flavor)
    ids = tokenizer.encode("東京。", add_special_tokens=False)
    events = [
        event
        for token in ids
        for event in answer.read({"choices": [{"text": "?", "token_ids": [token]}]})
    ]
    ended = {"text": "", "token_ids": [], "finish_reason": "stop", "matched_stop": "。"}
    events += answer.read({"choices": [ended], "usage": None})
    events += answer.end()
    assert "".join(e.text for e in events if isinstance(e, Chunk)).strip() == "東京"
    assert (events[-1].reason, events[-1].stop_sequence) == ("stop", "。")


def test_a_schema_goes_to_llama_cpp_in_what_it_takes():
    schema = Request(prompt_ids=(1,), max_tokens=1, grammar=Grammar("json_schema", "{}"))

    def body(grammars):
        return build_payload(
            schema, trained_tokenizer(), Flavor("m", "llamacpp", grammars=grammars)
        )

    assert body("schema")["json_schema"] == {}
    assert body("lark")["grammar"] == "%llguidance {}\nstart: %json {}"
    with pytest.raises(GrammarError, match="LLAMA_LLGUIDANCE"):
        body("none")


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
def test_what_is_off_is_said_to_servers_with_other_defaults(kind):
    body = build_payload(REQUEST, trained_tokenizer(), Flavor("m", kind))
    assert (body["top_p"], body["top_k"], body["repetition_penalty"]) == (1.0, -1, 1.0)
