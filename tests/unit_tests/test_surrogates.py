"""A lone surrogate becomes U+FFFD wherever a text enters."""

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_swallow import ChatSwallow, SwallowEmbeddings, SwallowFAISS, create_rag_chain
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.engines.server.protocol import Flavor, build_payload
from langchain_swallow.prompts import encode, encode_text, render, render_instruction
from langchain_swallow.prompts.client_tokenizer import ClientTokenizer
from langchain_swallow.retrieval.rerankers import SwallowReranker
from langchain_swallow.serving.api import create_api
from langchain_swallow.text.surrogates import replace_surrogates
from tests.support.assistants import assistant, client
from tests.support.tokenizers import mistral_folder, mistral_tokenizer

HALF, WHOLE = "\ud83d", "\ufffd"
TOKENIZERS = [
    pytest.param(mistral_tokenizer, id="transformers"),
    pytest.param(lambda: ClientTokenizer(mistral_folder()), id="client"),
]
TOOL = {
    "type": "function",
    "function": {
        "name": f"探す{HALF}",
        "description": f"語を探す{HALF}",
        "parameters": {
            "type": "object",
            "properties": {f"語{HALF}": {"enum": [HALF, "二"], "description": HALF}},
        },
    },
}
MESSAGES = [
    SystemMessage(f"誠実に{HALF}"),
    HumanMessage([{"type": "text", "text": f"了解です{HALF}"}]),
    AIMessage(HALF, tool_calls=[{"name": f"探す{HALF}", "args": {f"語{HALF}": HALF}, "id": "1"}]),
    ToolMessage(f"結果{HALF}", tool_call_id="1", name=f"探す{HALF}"),
]


@pytest.fixture(params=TOKENIZERS)
def engine(request):
    answer = '{"name": "探す\ufffd", "arguments": {"語\ufffd": "二"}}'
    return FakeEngine([answer] * 9, request.param())


def llm_of(engine, **fields):
    return ChatSwallow.from_engine(engine, model="x", **fields)


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("了解です\ud83d", "了解です\ufffd"),
        ("\ude00です", "\ufffdです"),
        ("\ud83d\ude00", "😀"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\udce3\udc81.txt", "\ufffd\ufffd.txt"),
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
        ("😀𠮷", "😀𠮷"),
    ],
)
def test_a_half_is_replaced_and_two_halves_are_one_character(text, replaced):
    assert replace_surrogates(text) == replaced


def test_a_prompt_has_the_ids_of_the_replacement(engine):
    for format in ("ver0.1", "alpaca"):
        turns = [("system", "{}"), ("user", "あ{}い"), ("assistant", "{}"), ("user", "{}う")]
        lone, replaced = ([(r, t.format(c)) for r, t in turns] for c in (HALF, WHOLE))
        assert encode(lone, engine.tokenizer, format=format) == encode(
            replaced, engine.tokenizer, format=format
        )
        assert WHOLE in render(lone, format=format)
    assert encode_text(HALF, engine.tokenizer) == encode_text(WHOLE, engine.tokenizer)
    assert WHOLE in render_instruction("訳して", HALF)


def test_messages_tools_results_and_stop_strings_take_one(engine):
    llm = llm_of(engine, stop=[f"終{HALF}"])
    call = llm.bind_tools([TOOL], tool_choice=f"探す{HALF}").invoke(MESSAGES).tool_calls[0]
    assert (call["name"], call["args"]) == ("探す\ufffd", {"語\ufffd": "二"})
    request = engine.requests[0]
    assert request.stop == ("終\ufffd",)
    prompt = engine.tokenizer.decode(request.prompt_ids)
    for text in ("誠実に", "了解です", "語を探す", "結果"):
        assert f"{text}\ufffd" in prompt
    # What a server is sent can be written as UTF-8.
    request.grammar.text.encode()
    str(build_payload(request, engine.tokenizer, Flavor("m", "vllm", grammars="lark"))).encode()


async def test_streams_schemas_and_counts_take_one(engine):
    llm = llm_of(engine)
    assert "".join([chunk.text async for chunk in llm.astream(HALF)])
    schema = {
        "title": f"T{HALF}",
        "type": "object",
        "properties": {f"a{HALF}": {"type": "string", "description": HALF}},
    }
    answering = llm_of(FakeEngine(['{"a\ufffd": "x"}'], engine.tokenizer))
    assert answering.with_structured_output(schema).invoke(HALF) == {"a\ufffd": "x"}
    assert llm.get_num_tokens(f"あ{HALF}") == llm.get_num_tokens(f"あ{WHOLE}")
    assert llm.get_num_tokens_from_messages(MESSAGES, tools=[TOOL])


def test_documents_of_a_rag_prompt_take_one(engine):
    document = Document(f"有給{HALF}", metadata={"title": HALF, "source": "\udce3.txt"})
    chain = create_rag_chain(llm_of(engine), lambda question: [document])
    assert chain.invoke(f"何日ですか{HALF}").text
    assert "有給\ufffd" in engine.tokenizer.decode(engine.requests[0].prompt_ids)


class Strict(DeterministicFakeEmbedding):
    """Fails for what is not UTF-8, as every tokenizer does."""


def test_a_store_takes_one_in_a_text_and_in_a_question(tmp_path):
    store = SwallowFAISS.from_texts([f"有給{HALF}", "会議室"], Strict(size=8))
    store.save_local(tmp_path)
    loaded = SwallowFAISS.load_local(tmp_path, Strict(size=8))
    assert loaded.similarity_search(f"有給{HALF}", k=1)[0].page_content == "有給\ufffd"
    assert loaded.max_marginal_relevance_search(HALF, k=1)


@pytest.mark.parametrize(
    "body",
    [
        r'{"question": "会議室は何階ですか\ud83d"}',
        r'{"question": "会議室は何階ですか", "system_prompt": "\ud83d"}',
        r'{"question": "会議室は何階ですか\ud83d", "stream": true}',
    ],
)
async def test_the_api_takes_one(body):
    app = create_api(assistant())
    async with client(app) as http:
        json = {"content-type": "application/json"}
        got = await http.post("/v1/answers", content=body, headers=json)
        assert got.status_code == 200
        assert "3階" in got.text
        unknown = await http.post("/v1/answers", content=r'{"\ud83d": 1}', headers=json)
        assert unknown.status_code == 422
        assert "Extra inputs" in unknown.text


def test_an_encoder_and_a_reranker_are_given_the_replacement(monkeypatch, tmp_path):
    given = []

    def encode(texts, is_query):
        given.extend(texts)
        return np.ones((len(texts), 2))

    for cache in (None, tmp_path / "vectors.sqlite"):
        embeddings = SwallowEmbeddings("x", cache=cache)
        monkeypatch.setitem(embeddings.__dict__, "_encode", encode)
        assert len(embeddings.embed_documents([HALF, "い"])) == 2
        assert len(embeddings.embed_query(f"問{HALF}")) == 2
    reranker = SwallowReranker("x")
    monkeypatch.setitem(reranker.__dict__, "_encoder", reranker)
    monkeypatch.setattr(
        reranker, "predict", lambda pairs, **_: given.extend(sum(pairs, ())) or [1.0], raising=False
    )
    assert reranker.score(HALF, [HALF]).tolist() == [1.0]
    "".join(given).encode()
    assert given.count(WHOLE) == 4
