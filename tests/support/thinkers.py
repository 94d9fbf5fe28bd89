"""Small models that are trained here, in a minute, to think and then to answer: sums of digits.

So a thought, its end and its answer come from a model and not from a queue.
"""

import hashlib
import inspect
import shutil
import tempfile
from pathlib import Path

import platformdirs
import torch
from filelock import FileLock
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.prompts import encode_text
from tests.support import thinking

_FORMS = {
    "qwen3": (thinking.qwen3_folder, thinking.qwen3_tokenizer, "\n{}\n</think>"),
    "harmony": (thinking.harmony_folder, thinking.harmony_tokenizer, "{}<|end|>"),
}
_STEPS, _ROWS = 260, 40


def question(a, b):
    return f"{a}たす{b}は？"


def thought(a, b):
    return f"{a}に{b}を足すと{a + b}になる。"


def answer(a, b):
    return f"{a + b}です。"


def thinker(form):
    """The folder of a model in one form, trained by the first who asks.

    Args:
        form: `"qwen3"` or `"harmony"`.
    """
    sources = inspect.getsource(thinking) + Path(__file__).read_text("utf-8")
    name = f"test-{form}-{hashlib.sha256(sources.encode()).hexdigest()[:12]}"
    root = Path(platformdirs.user_cache_dir("langchain-swallow"))
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{name}.lock"):
        if not (root / name).is_dir():
            with tempfile.TemporaryDirectory(dir=root) as work:
                _train(form, Path(work) / name)
                shutil.move(Path(work) / name, root / name)
    return root / name


def _train(form, folder):
    source, _, _ = _FORMS[form]
    rows = _rows(form)
    tokenizer = AutoTokenizer.from_pretrained(source())
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = Qwen3ForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=_STEPS)
    for _ in range(_STEPS):
        chosen = [rows[i] for i in torch.randperm(len(rows))[:_ROWS]]
        loss = model(**_batch(chosen)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    assert loss < 0.05, f"The model has not learned to think: the loss is {loss}."
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _rows(form):
    """Token ids of prompt, thought and answer, and the length of the prompt."""
    _, tokenizer, written = _FORMS[form]
    engine = FakeEngine([], tokenizer())
    llm = ChatSwallow.from_engine(engine, model="x", max_tokens=50)
    rows = []
    for a, b in ((a, b) for a in range(10) for b in range(10)):
        end = [*encode_text(answer(a, b), engine.tokenizer), engine.tokenizer.eos_token_id]
        engine._answers += [written.format(thought(a, b)) + answer(a, b)]
        llm.invoke(question(a, b))
        prompt, whole = (request.prompt_ids for request in engine.requests[-2:])
        rows.append(((*whole, *end), len(prompt)))
        if form == "qwen3":
            engine._answers += [answer(a, b)]
            llm.invoke(question(a, b), reasoning=False)
            prompt = engine.requests[-1].prompt_ids
            rows.append(((*prompt, *end), len(prompt)))
    return rows


def _batch(rows):
    longest = max(len(ids) for ids, _ in rows)
    padded = [[*ids, *[0] * (longest - len(ids))] for ids, _ in rows]
    learned = [[length <= i < len(ids) for i in range(longest)] for ids, length in rows]
    ids, mask = torch.tensor(padded), torch.tensor(learned)
    return {"input_ids": ids, "labels": ids.masked_fill(~mask, -100)}
