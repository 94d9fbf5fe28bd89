"""What a machine has room for, against the memory that a loaded model takes."""

import pytest
import torch

from langchain_swallow import ChatSwallow, resolve_model
from langchain_swallow.catalog import GIB, ModelInfo, Shape
from langchain_swallow.engines.local import fitting, packing
from langchain_swallow.engines.local.quantized import has_kernels, quantize_linear_layers
from langchain_swallow.errors import OutOfMemoryError
from tests.support.tiny_models import tiny

SEVEN = "tokyotech-llm/Swallow-7b-instruct-v0.1"
DEMO = 'model="demo"'
TINY = "a smaller model such as TinySwallow-1.5B-Instruct"


def refused(monkeypatch, room, **options):
    """The error of a model that a CPU has no room for."""
    monkeypatch.setattr(fitting, "free_gib", lambda _: room)
    with pytest.raises(OutOfMemoryError) as error:
        ChatSwallow(**{"device": "cpu", "dtype": "float32", **options}).invoke("問")
    return str(error.value)


def test_a_model_too_large_is_refused_before_anything_is_read_and_fewer_bits_are_named(monkeypatch):
    assert refused(monkeypatch, 16.0, model=SEVEN) == (
        f'{SEVEN} needs 25.4 GiB, cpu has 16.0 GiB. Use quantization="8bit" (7.3 GiB), or '
        'quantization="4bit" (4.7 GiB), or a smaller model such as '
        "Gemma-2-Llama-Swallow-2b-it-v0.1: langchain-swallow models says which fit here."
    )


@pytest.mark.parametrize(
    ("room", "options", "named", "smaller"),
    [
        (7.0, {"quantization": "8bit"}, [], TINY),
        (6.1, {"dtype": "bfloat16"}, ['quantization="4bit" (4.1 GiB)'], TINY),
        (4.0, {"quantization": "4bit"}, [], DEMO),
        (4.0, {}, [], DEMO),
    ],
)
def test_only_what_fits_is_named(monkeypatch, room, options, named, smaller):
    said = refused(monkeypatch, room, model=SEVEN, **options)
    ways = said.split(" Use ")[1].split(": langchain-swallow models")[0]
    assert ways.split(", or ") == [*named, smaller]


def test_a_gpus_error_names_more_gpus_and_apples_no_fewer_bits(monkeypatch):
    monkeypatch.setattr(fitting, "free_gib", lambda _: 9.5)
    settings = ChatSwallow(model=SEVEN).load_settings(SEVEN)
    assert (
        'Use quantization="8bit" (6.7 GiB), or quantization="4bit" (4.1 GiB), '
        'or device_map="auto" over several GPUs, or a smaller model such as '
    ) in fitting.too_large(settings, "cuda:1", torch.bfloat16)
    assert "quantization" not in fitting.too_large(settings, "mps", torch.float16)


def test_of_a_folder_only_that_fewer_bits_take_less_is_known(monkeypatch, checkpoint):
    monkeypatch.setattr(fitting, "free_gib", lambda _: 9.0)
    for quantization, names in (None, True), ("4bit", False):
        llm = ChatSwallow(model=str(checkpoint), quantization=quantization)
        said = fitting.too_large(llm.load_settings(llm.model), "cpu", torch.float32)
        assert ('quantization="4bit"' in said) == names


@pytest.mark.parametrize("bits", [16, 8, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_memory_of_weights_is_what_a_loaded_model_takes(bits, dtype):
    if not has_kernels(8) or not has_kernels(4):
        pytest.skip("torch has no kernels for weights of fewer bits")
    sizes = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 4}
    model = tiny(**sizes, num_attention_heads=4, num_key_value_heads=2).to(torch.bfloat16)
    if bits == 16:
        model.to(dtype)
    else:
        quantize_linear_layers(model, bits, dtype)
    taken = sum(weights.nbytes for weights in model.parameters()) / GIB
    shape = Shape("llama", 256, 512, 4, 4, 2, 64)
    info = ModelInfo("tiny", shape, model.config.vocab_size, 512, "ver0.1", "")
    # A scale for each row of 8 bits is not counted.
    assert info.weights_gib(bits, dtype.itemsize) == pytest.approx(taken, rel=0.01)


def test_a_matrix_that_is_rearranged_is_counted_where_it_was_shared(monkeypatch):
    info = resolve_model("Gemma-2-Llama-Swallow-2b-it-v0.1")
    shared = 256_000 * 2304 * 4 / GIB
    room = info.weights_gib(16, 4) + shared + 0.9
    monkeypatch.setattr(fitting, "free_gib", lambda _: room)
    assert fitting.fits(info, "cpu", torch.float32)
    assert fitting.fits(info, "cuda", torch.float32)
    monkeypatch.setattr(fitting, "free_gib", lambda _: room - 0.5)
    assert not fitting.fits(info, "cpu", torch.float32)
    assert fitting.fits(info, "cuda", torch.float32)


@pytest.mark.parametrize(
    ("memory", "share"),
    [
        # A quarter of all, while the weights leave more than that.
        (16.0, 4.0),
        (4.0, 1.0),
        # What they leave, but for a part.
        (1.25, 0.7 * 0.25),
        # Mapped weights may be more than there is memory.
        (0.5, 0.7 * 0.5 / 16),
    ],
)
def test_keys_and_values_get_what_weights_leave(monkeypatch, memory, share):
    model = tiny()
    packing.pack_linear_layers(model)
    one = sum(weights.nbytes for weights in tiny().parameters())
    # As if these weights were 1 GiB.
    monkeypatch.setattr(fitting, "host_memory_gib", lambda: memory * one / GIB)
    assert fitting.kv_budget(model) == pytest.approx(share * one, rel=0.01)


def test_quantized_checkpoints_fit_where_their_kernels_run(monkeypatch):
    monkeypatch.setattr(fitting, "free_gib", lambda _: 24.0)
    mxfp4 = resolve_model("GPT-OSS-Swallow-20B-RL-v0.1-MXFP4")
    awq = resolve_model("Qwen3-Swallow-8B-RL-v0.2-AWQ-INT4")
    assert fitting.fits(mxfp4, "cuda", torch.bfloat16)
    # On a CPU transformers dequantizes it, to 39 GiB.
    assert not fitting.fits(mxfp4, "cpu", torch.bfloat16)
    assert fitting.fits(awq, "cuda", torch.bfloat16)
    assert not fitting.fits(awq, "cpu", torch.bfloat16)
    assert not fitting.fits(awq, "cuda", torch.bfloat16, 4)
