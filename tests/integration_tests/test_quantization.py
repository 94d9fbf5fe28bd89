"""Weights of eight and four bits, and a device map: on CPUs too, by bitsandbytes or by torch."""

import pytest
import torch

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.local import loading

QUESTION = "日本の首都は？"


@pytest.fixture
def load(demo_folder):
    """Chat models over the demo model's folder, unloaded at the end."""
    made = []

    def one(**options):
        llm = ChatSwallow(model=str(demo_folder), prompt_format="ver0.1", max_tokens=24, **options)
        made.append(llm)
        return llm

    yield one
    for llm in made:
        llm.unload()


def block_bytes(llm):
    """Memory of the weights of the layers' products."""
    layers = llm.load().model.model.layers
    return sum(p.nbytes for name, p in layers.named_parameters() if "proj" in name)


@pytest.mark.parametrize(
    ("kernels", "quantization", "share"),
    [
        ("bitsandbytes", "8bit", 0.5),
        ("bitsandbytes", "4bit", 0.25),
        ("torch", "8bit", 0.5),
        # With a scale and a zero for each 64.
        ("torch", "4bit", 0.28125),
    ],
)
def test_fewer_bits_take_less_memory_and_still_answer(
    load, monkeypatch, kernels, quantization, share
):
    pytest.importorskip(kernels)
    monkeypatch.setattr(loading, "cpu_has_bfloat16", lambda: kernels == "bitsandbytes")
    whole = load(device_map="cpu", dtype="bfloat16")
    small = load(device="cpu", dtype="bfloat16", quantization=quantization)
    assert "東京" in small.invoke(QUESTION).text
    assert block_bytes(small) == pytest.approx(share * block_bytes(whole), rel=0.05)
    answers = small.batch([QUESTION, "富士山の高さは？"])
    assert "東京" in answers[0].text
    assert "".join(chunk.text for chunk in small.stream(QUESTION)) == small.invoke(QUESTION).text


def test_a_device_map_gives_the_same_answers(load):
    """Where no GPU is, `auto` is the CPU."""
    plain, mapped = load(dtype="float32"), load(device_map="auto", dtype="float32")
    if not torch.cuda.is_available():
        assert mapped.invoke(QUESTION).text == plain.invoke(QUESTION).text
    assert "東京" in mapped.invoke(QUESTION).text
