"""Query, key and value, and gate and up, as one product each."""

import copy
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from langchain_swallow.engines.local.merging import merge_projections
from tests.support.architectures import made_of
from tests.support.tiny_models import tiny

IDS = torch.tensor([[1, 40, 41, 300, 42]])
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")


class Operators(TorchDispatchMode):
    """Counts the operators that run."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))

    @property
    def products(self):
        return sum(self.counts[name] for name in ("mm", "addmm", "linear"))


def merged(model):
    return [name for name, module in model.named_modules() if "forward" in vars(module)]


def run(model):
    """The logits of a pass, and its number of matrix products."""
    with torch.no_grad(), Operators() as operators:
        logits = model(IDS).logits.float()
    return logits, operators.products


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(
    "kind",
    [
        "llama",
        pytest.param("mistral", marks=pytest.mark.slow),
        "gemma2",
        "qwen2",
        "qwen3",
        "gpt_oss",
    ],
)
def test_logits_stay_and_products_are_fewer(kind, dtype):
    model = made_of(kind, dtype)
    before, products = run(model)
    undo = merge_projections(model)
    after, fewer = run(model)
    layers = model.config.num_hidden_layers
    # gpt-oss has experts instead of gate and up.
    assert products - fewer == layers * (2 if kind == "gpt_oss" else 3)
    rounding = 4 * torch.finfo(dtype).eps * float(before.abs().max())
    torch.testing.assert_close(after, before, rtol=0, atol=rounding)
    undo()
    assert not merged(model)
    assert run(model)[1] == products


def storages(model):
    """Bytes of all weights, each storage once."""
    held = {
        p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in model.parameters()
    }
    return sum(held.values())


def test_no_weight_is_in_memory_twice_and_parameters_stay_the_same():
    model = tiny()
    parameters, values = dict(model.named_parameters()), copy.deepcopy(model.state_dict())
    size = storages(model)
    undo = merge_projections(model)
    assert len(merged(model)) == 3 * 5
    assert storages(model) == size
    for layer in model.model.layers:
        for group in (
            (layer.self_attn.q_proj, layer.self_attn.v_proj),
            (layer.mlp.gate_proj, layer.mlp.up_proj),
        ):
            assert len({one.weight.untyped_storage().data_ptr() for one in group}) == 1
    for _ in range(2):
        after = dict(model.named_parameters())
        assert all(after[name] is parameters[name] for name in parameters)
        assert all(torch.equal(after[name], values[name]) for name in values)
        undo()


def test_a_merged_model_is_saved_as_any_other(tmp_path):
    model = tiny()
    before, _ = run(model)
    merge_projections(model)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert torch.equal(run(again)[0], before)


@pytest.mark.parametrize("change", ["in place", "assigned", "another dtype", "copied"])
def test_changed_weights_count(change):
    model = tiny()
    merge_projections(model)
    if change == "copied":
        model = copy.deepcopy(model)
    plain = tiny()
    for one in (model, plain):
        layer = one.model.layers[1].self_attn.k_proj
        if change == "assigned":
            layer.weight = nn.Parameter(2 * layer.weight.detach())
        elif change == "another dtype":
            one.to(torch.float64)
        else:
            layer.weight.data.mul_(2)
    torch.testing.assert_close(run(model)[0], run(plain)[0])


def test_a_merged_model_is_trained_as_any_other():
    gradients = []
    for merging in (False, True):
        model = tiny()
        if merging:
            merge_projections(model)
        model(IDS).logits.square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    torch.testing.assert_close(gradients[1], gradients[0])


class Attention(nn.Module):
    """Calls its layers as a test wants."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(8, n) for n in (8, 4, 4))


@pytest.mark.parametrize("order", ["qkv", "vqk", "qqkv", "q", "kvqqkv"])
@pytest.mark.parametrize("how", ["same", "another", "changed"])
def test_layers_may_be_called_in_any_way(order, how):
    attention = Attention()
    plain = copy.deepcopy(attention)
    merge_projections(attention)
    with torch.no_grad():
        for _ in range(2):
            rows = torch.randn(2, 3, 8)
            for name in order:
                if how == "another":
                    rows = torch.randn(2, 3, 8)
                elif how == "changed":
                    rows += 1
                found, wanted = (getattr(m, f"{name}_proj")(rows) for m in (attention, plain))
                torch.testing.assert_close(found, wanted)


def test_threads_do_not_get_each_others_outputs():
    attention = Attention()
    plain = copy.deepcopy(attention)
    merge_projections(attention)

    def compute(seed):
        with torch.inference_mode():
            for i in range(50):
                rows = torch.randn(2, 8, generator=torch.Generator().manual_seed(1000 * seed + i))
                for name in ("q_proj", "k_proj", "v_proj"):
                    found, wanted = (getattr(m, name)(rows) for m in (attention, plain))
                    torch.testing.assert_close(found, wanted)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compute, range(2)))


def quantized(layer):
    layer.weight = nn.Parameter(layer.weight.detach().to(torch.int8), requires_grad=False)


def adapted(layer):
    class Adapted(nn.Linear):
        pass

    layer.__class__ = Adapted


@pytest.mark.parametrize(
    "change",
    [
        quantized,
        adapted,
        lambda layer: layer.register_forward_hook(lambda *_: None),
        lambda layer: layer.register_forward_pre_hook(lambda *_: None),
        lambda layer: setattr(layer, "forward", layer.forward),
        lambda layer: setattr(layer, "_hf_hook", None),
        lambda layer: setattr(layer, "bias", None),
        lambda layer: setattr(layer, "weight", nn.Parameter(torch.zeros(4, 9))),
        lambda layer: layer.half(),
    ],
    ids=[
        "quantized",
        "adapter",
        "hook",
        "hook before",
        "forward",
        "accelerate",
        "bias",
        "width",
        "dtype",
    ],
)
def test_layers_that_differ_or_are_watched_stay_alone(change):
    attention = Attention()
    change(attention.k_proj)
    own = merged(attention)
    weight = attention.q_proj.weight.data_ptr()
    merge_projections(attention)
    assert merged(attention) == own
    assert attention.q_proj.weight.data_ptr() == weight
