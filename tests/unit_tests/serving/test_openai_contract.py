"""Requests with any value in any field get an answer or an error in OpenAI's form."""

import json
import random

import pytest

from langchain_swallow.serving.openai_errors import ErrorBody
from langchain_swallow.serving.openai_models import ChatMessage, ChatRequest, Completion
from tests.support.assistants import client
from tests.support.openai_server import CHAT, QUESTION, Server

VALUES = [
    None, True, 0, -1, 1.5, 2**70, float("nan"), float("inf"), "", "a", "\ud83d", "auto",
    [], [None], [[]], [""], {}, {"a": 1}, {"type": "json_object"},
    [{"type": "text", "text": "a"}], [{"type": "text"}], [{"type": "image_url", "image_url": {}}],
    [{"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}}],
    [{"type": "function", "function": {"name": "\ud83d", "parameters": {"pattern": "("}}}],
    [{"id": "a", "function": {"name": "a", "arguments": "{"}}],
    {"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "#/a"}}},
]  # fmt: skip


@pytest.mark.parametrize("model", [CHAT, "swallow-rag"])
async def test_any_value_is_answered_or_refused(model):
    draw = random.Random(0)
    fields = sorted(set(ChatRequest.model_fields) - {"model", "stream", "messages"})
    statuses = set()
    async with Server(*["a"] * 200) as server, client(server.app) as http:
        for _ in range(60):
            message = {"role": draw.choice(["user", "assistant", "tool", "system"]), "content": "a"}
            message[draw.choice(sorted(ChatMessage.model_fields))] = draw.choice(VALUES)
            messages = draw.choice([QUESTION, [message], [message, *QUESTION]])
            body = {"model": model, "messages": messages}
            body |= {name: draw.choice(VALUES) for name in draw.sample(fields, draw.randint(0, 2))}
            headers = {"Content-Type": "application/json"}
            got = await http.post("/v1/chat/completions", content=json.dumps(body), headers=headers)
            statuses.add(got.status_code)
            (Completion if got.status_code == 200 else ErrorBody).model_validate(got.json())
    assert statuses == {200, 400}
