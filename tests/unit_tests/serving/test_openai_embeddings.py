"""`/v1/embeddings`, asked by OpenAI's client and LangChain's."""

import base64

import numpy as np
import openai
import pytest
from langchain_openai import OpenAIEmbeddings

from tests.support.embeddings import DIMENSION, CharacterEmbeddings
from tests.support.openai_server import Server

MODEL = "characters"


@pytest.fixture
async def server():
    async with Server() as made:
        yield made


@pytest.mark.parametrize("encoding_format", ["float", "base64", None])
async def test_texts_become_the_vectors_of_the_index(server, encoding_format):
    options = {"encoding_format": encoding_format} if encoding_format else {}
    texts = [f"会議室{i}" for i in range(40)]
    got = await server.client.embeddings.create(model=MODEL, input=texts, **options)
    vectors = [row.embedding for row in got.data]
    if encoding_format == "base64":
        vectors = [np.frombuffer(base64.b64decode(vector), "<f4").tolist() for vector in vectors]
    assert vectors == CharacterEmbeddings().embed_documents(texts)
    assert [row.index for row in got.data] == list(range(40))
    count = server.assistant.llm.get_num_tokens
    assert got.usage.prompt_tokens == got.usage.total_tokens == sum(map(count, texts))
    assert MODEL in [model.id async for model in server.client.models.list()]


async def test_questions_are_embedded_as_questions(server):
    embeddings = server.assistant.store.embeddings
    embeddings.embedded.clear()
    await server.client.embeddings.create(model=MODEL, input="何階？")
    assert embeddings.embedded == ["何階？"]
    await server.client.embeddings.create(
        model=MODEL, input=["何階？"], extra_body={"input_type": "query"}
    )
    assert embeddings.embedded == ["何階？"]


async def test_langchain_embeds(server):
    embeddings = OpenAIEmbeddings(
        model=MODEL, http_async_client=server.http, base_url="http://127.0.0.1/v1", api_key="x",
        check_embedding_ctx_length=False,
    )  # fmt: skip
    assert len(await embeddings.aembed_query("何階？")) == DIMENSION


@pytest.mark.parametrize(
    ("fields", "reason", "param"),
    [
        ({"dimensions": 64}, f"vectors of {DIMENSION} dimensions", "dimensions"),
        ({"input": [1, 2]}, "check_embedding_ctx_length=False", "input"),
        ({"input": [[1, 2]]}, "not token ids", "input"),
        ({"input": []}, "1 to 2048 texts", "input"),
        ({"input": ["a", " "]}, "none of them empty", "input"),
        ({"input": ["a"] * 2049}, "1 to 2048 texts", "input"),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(server, fields, reason, param):
    with pytest.raises(openai.BadRequestError, match=reason) as refused:
        await server.client.embeddings.create(**{"model": MODEL, "input": "a"} | fields)
    assert refused.value.param == param


async def test_another_model_is_not_found(server):
    with pytest.raises(openai.NotFoundError, match="'characters'"):
        await server.client.embeddings.create(model="swallow-rag", input="a")
    own = await server.client.embeddings.create(model=MODEL, input="a", dimensions=DIMENSION)
    assert len(own.data[0].embedding) == DIMENSION
