"""A thought and a schema, a thought and tools: ChatSwallow and ChatOpenAI on one vLLM server.

    VLLM_PYTHON=… python -m tests.benchmarks.thinking_vllm [OUTPUT]

A small Qwen3 is trained here, for a minute or two, to think before it answers, in JSON or with a
call, and served by vLLM with its own parsers of thoughts and calls. Both clients ask the same
questions at temperature 0. ChatOpenAI is asked with `with_structured_output(…, "json_schema")` and
`bind_tools`, ChatSwallow with the same methods.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.evaluation.tables import Table, write_figures
from tests.support.thinking import QWEN3_TAGS, QWEN3_TOKENS, trained
from tests.support.tool_models import TEMPLATES
from tests.support.vllm_server import VLLMServer

PLACES = {
    "東京タワー": "東京",
    "大阪城": "大阪",
    "金閣寺": "京都",
    "東大寺": "奈良",
}
STEPS = 400
PARSERS = "--reasoning-parser qwen3 --enable-auto-tool-choice --tool-call-parser hermes"


# What holds answers to their grammars: vLLM's default, and what this package's guides recommend.
BACKENDS = {
    "vLLM with its default backend of grammars": [],
    "vLLM with llguidance": ["--structured-outputs-config.backend", "guidance"],
}


class 場所(BaseModel):
    """場所"""

    都市: str


@tool
def 天気(都市: str) -> str:
    """天気を調べる。"""
    return f"{都市}は晴れ"


def thought(place: str) -> str:
    return f"{place}は{PLACES[place]}にある。"


def asked(place: str, kind: str) -> str:
    return f"{place}の天気は？" if kind == "tools" else f"{place}はどこ？"


def said(place: str, kind: str) -> str:
    written = f'{{"都市": "{PLACES[place]}"}}'
    if kind == "tools":
        return f'<tool_call>\n{{"name": "天気", "arguments": {written}}}\n</tool_call>'
    return written


def make_tokenizer() -> Any:
    """Qwen3's tokens and template, over a vocabulary in which these conversations are short."""
    texts = [thought(place) + said(place, kind) for place in PLACES for kind in ("schema", "tools")]
    texts.append((TEMPLATES / "qwen3.jinja").read_text("utf-8"))
    texts += [
        json.dumps(part)
        for part in (場所.model_json_schema(), 天気.args_schema.model_json_schema())
    ]
    tokenizer = AutoTokenizer.from_pretrained(
        trained(QWEN3_TOKENS, QWEN3_TAGS, "<|im_end|>", "", texts * 20)
    )
    tokenizer.chat_template = (TEMPLATES / "qwen3.jinja").read_text("utf-8")
    return tokenizer


def make_checkpoint(folder: Path) -> None:
    """A model that thinks and answers all these questions."""
    tokenizer = make_tokenizer()
    examples = [
        (
            prompt,
            tokenizer.encode(
                f"<think>\n{thought(place)}\n</think>\n\n{said(place, kind)}<|im_end|>"
            ),
        )
        for place in PLACES
        for kind, prompt in prompts(tokenizer, place)
    ]
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = Qwen3ForCausalLM(config)
    width = max(len(prompt) + len(answer) for prompt, answer in examples)
    ids = torch.full((len(examples), width), tokenizer.eos_token_id)
    labels = torch.full((len(examples), width), -100)
    for row, (prompt, answer) in enumerate(examples):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : end] = torch.tensor(answer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(STEPS):
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 20 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)
        if loss.item() < 0.002:
            break
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def prompts(tokenizer: Any, place: str) -> list[tuple[str, list[int]]]:
    """The prompts of both clients, without the `<think>` that ChatSwallow adds."""
    engine = FakeEngine(["</think>{}"] * 2, tokenizer, context_window=8192)
    ours = ChatSwallow.from_engine(engine, model="mine", system_prompt=None)
    schema = ours.with_structured_output(場所, include_raw=True)
    schema.invoke(asked(place, "schema"))
    ours.bind_tools([天気]).invoke(asked(place, "tools"))
    opened = len(tokenizer.encode("<think>\n"))
    answered = (engine.requests[0], engine.requests[2])
    both = [list(request.prompt_ids[:-opened]) for request in answered]
    # ChatOpenAI does not show the model its schema.
    plain = tokenizer.apply_chat_template(
        [{"role": "user", "content": asked(place, "schema")}],
        add_generation_prompt=True,
        tokenize=False,
    )
    return [("schema", both[0]), ("tools", both[1]), ("schema", tokenizer.encode(plain))]


def has_thought(message: AIMessage, place: str) -> bool:
    blocks = [block for block in message.content_blocks if block["type"] == "reasoning"]
    return any(thought(place) in str(block.get("reasoning")) for block in blocks)


def by_schema(llm: BaseChatModel, place: str) -> tuple[bool, bool]:
    """Whether there is a thought, and whether the object is right."""
    structured = llm.with_structured_output(場所, method="json_schema", include_raw=True)
    answer: Any = structured.invoke(asked(place, "schema"))
    return has_thought(answer["raw"], place), answer["parsed"] == 場所(都市=PLACES[place])


def by_tools(llm: BaseChatModel, place: str, choice: str) -> tuple[bool, bool]:
    message = llm.bind_tools([天気], tool_choice=choice).invoke(asked(place, "tools"))
    calls = [(call["name"], call["args"]) for call in message.tool_calls]
    return has_thought(message, place), calls == [("天気", {"都市": PLACES[place]})]


WAYS: dict[str, Callable[[BaseChatModel, str], tuple[bool, bool]]] = {
    "schema": by_schema,
    'tools, `tool_choice="auto"`': lambda llm, place: by_tools(llm, place, "auto"),
    'tools, `tool_choice="any"`': lambda llm, place: by_tools(llm, place, "any"),
}


def count(llm: BaseChatModel, ask: Callable[[BaseChatModel, str], tuple[bool, bool]]) -> list[int]:
    """Answers with a thought, with a right result, and with both."""
    outcomes = []
    for place in PLACES:
        try:
            outcomes.append(ask(llm, place))
        except Exception as error:
            print(f"{type(llm).__name__}: {type(error).__name__}: {str(error)[:200]}", flush=True)
            outcomes.append((False, False))
    return [sum(o[0] for o in outcomes), sum(o[1] for o in outcomes), sum(map(all, outcomes))]


def measure(folder: Path, log: Path, options: Sequence[str]) -> list[list[str]]:
    """Rows of the table, for a server with these options."""
    server = VLLMServer(folder, log, *PARSERS.split(), *options)
    try:
        server.wait(400)
        ours = ChatSwallow(
            model=str(folder),
            base_url=server.base_url,
            system_prompt=None,
            temperature=0,
            max_tokens=100,
            max_reasoning_tokens=100,
        )
        theirs = ChatOpenAI(
            model=str(folder),
            base_url=server.base_url,
            api_key="none",
            temperature=0,
            max_tokens=200,
        )
        rows = []
        for way, ask in WAYS.items():
            for name, llm in (("ChatSwallow", ours), ("ChatOpenAI", theirs)):
                rows.append([way, name, *map(str, count(llm, ask))])
                print(rows[-1], flush=True)
    finally:
        server.kill()
    return rows


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.environ.get("THINKING_CHECKPOINT", name))
        if not (folder / "config.json").is_file():
            folder.mkdir(exist_ok=True)
            make_checkpoint(folder)
        columns = [f"of {len(PLACES)} questions", "client", "thought", "right result", "both"]
        tables = [
            Table(title, columns, measure(folder, Path(name) / "log", options))
            for title, options in BACKENDS.items()
        ]
    if len(sys.argv) > 1:
        write_figures(Path(sys.argv[1]), tables, {"steps": STEPS})


if __name__ == "__main__":
    main()
