"""Which device and dtype are taken, and how much memory is counted, with stand-ins for GPUs."""

import contextlib
from collections import Counter

import pytest
import torch

from langchain_swallow.engines import registry, vllm
from langchain_swallow.engines.local import attention, devices, fitting, loading, model_runner
from langchain_swallow.engines.protocol import Request
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.errors import DeviceError
from tests.support.local_engines import NoEnd, run
from tests.support.tiny_models import tiny
from tests.support.tokenizers import trained_tokenizer

GIB = 2**30


@pytest.fixture
def gpu(monkeypatch):
    """CUDA as a GPU of a generation reports it, on a torch that is built for others."""

    def made(capability=(9, 0), built=("sm_80", "sm_90"), bfloat16=True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(built))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "Tesla T4")
        monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
        monkeypatch.setattr(
            torch.cuda,
            "is_bf16_supported",
            lambda including_emulation=True: including_emulation or bfloat16,
        )

    return made


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((9, 0), ["sm_75", "sm_90"], True),
        ((8, 9), ["sm_80", "sm_86"], True),  # kernels of the same generation
        ((12, 0), ["sm_90", "compute_90"], True),  # compiled when it is loaded
        ((12, 0), ["sm_75", "sm_90"], False),
        ((7, 5), ["sm_80", "sm_90", "compute_90"], False),
        ((7, 0), ["sm_75"], False),
        ((10, 3), ["sm_100"], True),
        ((12, 1), ["sm_120a"], True),
    ],
)
def test_a_gpu_for_which_torch_has_no_kernels_is_not_taken(gpu, capability, built, runs):
    gpu(capability, built)
    assert devices.choose_device(None) == ("cuda" if runs else "cpu")
    if not runs:
        with pytest.raises(DeviceError, match=rf"Tesla T4, and this torch is built for {built[0]}"):
            devices.choose_device("cuda:0")


@pytest.mark.parametrize(
    ("bfloat16", "architecture", "dtype"),
    [
        (True, "llama", torch.bfloat16),
        (True, "gemma3_text", torch.bfloat16),
        # A T4, as Colab lends it, says that it supports bfloat16, unless asked for hardware.
        (False, "llama", torch.float16),
        (False, "", torch.float16),
        (False, "gemma2", torch.float32),
        (False, "gemma3_text", torch.float32),
    ],
)
def test_the_dtype_of_a_gpu_holds_the_models_activations(gpu, bfloat16, architecture, dtype):
    gpu(bfloat16=bfloat16)
    assert devices.choose_dtype("auto", "cuda:1", architecture) == dtype


@pytest.mark.parametrize("macos", [13, 14])
def test_the_dtype_of_a_mac(monkeypatch, macos):
    monkeypatch.setattr(
        torch.backends.mps, "is_macos_or_newer", lambda major, minor: macos >= major
    )
    new = macos >= 14
    assert devices.choose_dtype("auto", "mps") == (torch.bfloat16 if new else torch.float16)
    assert devices.choose_dtype("auto", "mps", "gemma2") == (
        torch.bfloat16 if new else torch.float32
    )


def test_float16_is_refused_for_a_model_that_exceeds_it():
    with pytest.raises(DeviceError, match="gemma3_text models exceed the range of float16"):
        devices.choose_dtype("float16", "cuda", "gemma3_text")
    assert devices.choose_dtype("float16", "cuda", "llama") == torch.float16


@pytest.mark.parametrize(
    ("device", "taken"),
    [(None, "vllm"), ("cuda:0", "vllm"), ("cuda:1", "transformers"), ("cpu", "transformers")],
)
def test_vllm_is_taken_for_the_first_gpu_only(monkeypatch, gpu, device, taken):
    gpu()
    monkeypatch.setattr(vllm, "vllm_is_installed", lambda: True)
    assert registry._choose(LoadSettings(model="m", device=device)) == taken


def test_the_cache_of_several_gpus_is_shared_by_their_layers(monkeypatch):
    free = {0: 10 * GIB, 1: 20 * GIB}
    emptied = []
    monkeypatch.setattr(fitting, "_layers_by_gpu", lambda model: Counter({0: 10, 1: 30}))
    monkeypatch.setattr(fitting, "empty_device_caches", lambda: emptied.append(True))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (free[gpu], 24 * GIB))
    # The second holds three quarters of each token's keys and values.
    assert fitting.kv_budget(None) == pytest.approx(0.8 * 20 * GIB * 4 / 3)
    assert emptied


@pytest.mark.parametrize(("free_gib", "merges"), [(10, False), (66, True)])
def test_layers_are_merged_where_memory_is_left(monkeypatch, free_gib, merges):
    """7B in 16 bits on a GPU of 24 and of 80 GB."""

    class Large:
        device = torch.device("cuda")

    monkeypatch.setattr(fitting, "weight_bytes", lambda model: 13.5 * GIB)
    monkeypatch.setattr(fitting, "empty_device_caches", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (free_gib * GIB, 80 * GIB))
    assert fitting.has_room_to_merge(Large()) == merges


def test_a_model_on_a_gpu_is_merged_until_it_is_unloaded(monkeypatch):
    monkeypatch.setattr(loading, "is_on_cpu", lambda model: False)
    monkeypatch.setattr(loading, "has_room_to_merge", lambda model: True)
    model = tiny()
    plain = set(map(type, model.modules()))
    prompt = (1, 40, 41, 300)
    wanted = model.generate(
        torch.tensor([prompt]), max_new_tokens=20, do_sample=False, pad_token_id=0
    )
    engine = loading.engine_from(model, NoEnd(), prepare=True)
    faster = [name for name, module in model.named_modules() if "forward" in vars(module)]
    # Five projections and two norms of a layer, and a norm after all.
    assert len(faster) == 3 * 7 + 1
    ids, _ = run(engine, Request(prompt_ids=prompt, max_tokens=20))
    assert ids == wanted[0, len(prompt) :].tolist()
    engine.close()
    assert not any("forward" in vars(module) for module in model.modules())
    assert set(map(type, model.modules())) == plain


def test_the_layers_of_a_gpu_are_counted():
    model = tiny()
    assert fitting._layers_by_gpu(model) == {}
    names = [name for name, _ in model.named_parameters() if fitting._LAYER.search(name)]
    assert {fitting._LAYER.search(name)[0] for name in names} == {f"layers.{i}." for i in range(3)}


def test_a_model_is_warmed_up_before_its_memory_is_counted(monkeypatch):
    order = []
    model = tiny()
    model.register_forward_pre_hook(lambda *_: order.append("pass"))
    monkeypatch.setattr(loading, "is_on_cpu", lambda model: False)
    monkeypatch.setattr(loading, "kv_budget", lambda model: order.append("memory") or GIB)
    loading.engine_from(model, trained_tokenizer()).close()
    assert order == ["pass", "memory"]


@pytest.mark.slow
def test_bits_wait_for_no_outliers():
    assert loading._quantization_config("8bit", torch.bfloat16).llm_int8_threshold == 0.0


def test_cudnns_attention_is_not_taken_on_cuda():
    before = torch.backends.cuda.cudnn_sdp_enabled()
    with attention.kernels(torch.device("cuda")):
        assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert torch.backends.cuda.flash_sdp_enabled()
    with attention.kernels(torch.device("cpu")):
        assert torch.backends.cuda.cudnn_sdp_enabled() == before
    assert torch.backends.cuda.cudnn_sdp_enabled() == before


@pytest.mark.parametrize("end", [1, 7, 8, 9, 1001])
def test_rows_of_masks_are_aligned(end):
    positions = torch.arange(end - 1, end)[None]
    mask = model_runner._masks(tiny(), positions, end)
    assert mask.shape == (1, 1, 1, end)
    assert mask.stride(1) % 8 == 0
    assert not mask.any()
