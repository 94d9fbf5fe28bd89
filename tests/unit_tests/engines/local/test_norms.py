"""RMSNorm as one operator: which modules it takes the place of, and that results stay."""

import copy

import pytest
import torch
from torch import nn
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.mamba2.modeling_mamba2 import MambaRMSNormGated

from langchain_swallow.engines.local.norms import fuse_norms
from tests.support.architectures import made
from tests.support.tiny_models import tiny

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
IDS = torch.tensor([[1, 40, 41, 300, 42]])
# Layers of the tiny models, norms of a layer, and one after all layers.
NORMS = {
    "llama": 3 * 2 + 1,
    "mistral": 3 * 2 + 1,
    "gemma2": 3 * 4 + 1,
    "qwen3": 4 * 4 + 1,
    "gpt_oss": 4 * 2 + 1,
}


def fused(model):
    return [name for name, module in model.named_modules() if "forward" in vars(module)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "kind",
    ["llama", pytest.param("mistral", marks=pytest.mark.slow), "gemma2", "qwen3", "gpt_oss"],
)
def test_logits_stay_within_rounding(kind, dtype):
    model = (made(kind) if kind in ("qwen3", "gpt_oss") else tiny(kind)).to(dtype)
    for name, weights in model.named_parameters():
        if "norm" in name:
            weights.data += torch.linspace(-0.5, 0.5, len(weights), dtype=dtype)
    with torch.no_grad():
        before = model(IDS).logits.float()
        undo = fuse_norms(model)
        names = fused(model)
        after = model(IDS).logits.float()
    assert len(names) == NORMS[kind]
    assert all("norm" in name for name in names)
    rounding = 20 * torch.finfo(dtype).eps * float(before.abs().max())
    torch.testing.assert_close(after, before, rtol=0, atol=rounding)
    undo()
    assert not fused(model)
    with torch.no_grad():
        assert torch.equal(model(IDS).logits.float(), before)


@pytest.mark.parametrize("kind", [LlamaRMSNorm, GptOssRMSNorm, Gemma3RMSNorm])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_activations_at_the_end_of_the_range_do_not_overflow(kind, dtype):
    norm = kind(64).to(dtype)
    rows = torch.linspace(-60_000, 65_000, 4 * 64).view(4, 64).to(dtype)
    wanted = norm(rows)
    fuse_norms(nn.Sequential(norm))
    assert "forward" in vars(norm)
    assert wanted.isfinite().all()
    torch.testing.assert_close(norm(rows), wanted)


class Unknown(LlamaRMSNorm):
    """Looks like an RMSNorm, and divides by something else."""

    def forward(self, rows):
        return self.weight * rows / (rows.abs().mean(-1, keepdim=True) + self.variance_epsilon)


class OtherEpsilon(LlamaRMSNorm):
    def forward(self, rows):
        return super().forward(rows / 2)


class Watched(LlamaRMSNorm):
    def __init__(self, size):
        super().__init__(size)
        self.register_forward_hook(lambda *_: None)


@pytest.mark.parametrize(
    "norm",
    [
        Unknown(64),
        OtherEpsilon(64),
        Watched(64),
        nn.LayerNorm(64),
        nn.LayerNorm(64, bias=False),
        MambaRMSNormGated(64, 64),
        nn.PReLU(64, init=0.1),
        nn.Embedding(64, 64),
    ],
    ids=lambda norm: type(norm).__name__,
)
def test_another_module_is_left_alone(norm):
    model = nn.Sequential(norm)
    fuse_norms(model)
    assert not fused(model)


def test_a_fused_norm_has_the_weight_of_its_module():
    """Whether it is changed, replaced, copied, moved to another dtype or trained."""
    model = nn.Sequential(LlamaRMSNorm(8))
    rows = torch.randn(3, 8)
    plain = copy.deepcopy(model)
    fuse_norms(model)
    twin = copy.deepcopy(model)
    for norms in (model, twin, plain):
        norms[0].weight.data.mul_(2)
        norms[0].weight = nn.Parameter(norms[0].weight + 1)
    for norms in (model, twin):
        torch.testing.assert_close(norms(rows), plain(rows))
        norms(rows).sum().backward()
        plain.zero_grad()
        plain(rows).sum().backward()
        torch.testing.assert_close(norms[0].weight.grad, plain[0].weight.grad)
    # Weights of another dtype than the rows: transformers' result is of the wider one.
    rows = rows.bfloat16()
    assert torch.equal(model(rows), plain(rows))
    assert model(rows).dtype == torch.float32
