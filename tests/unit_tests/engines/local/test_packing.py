"""Linear layers in the layout of a CPU's kernels, for a model that belongs to someone else."""

import copy

import pytest
import torch
from torch import nn

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.local.packing import PackedLinear, is_supported, pack_linear_layers
from tests.support.architectures import made_of
from tests.support.tiny_models import tiny
from tests.support.tokenizers import trained_tokenizer

pytestmark = pytest.mark.skipif(
    not is_supported(torch.float32), reason="torch has no such kernels here"
)
PROMPT = torch.tensor([[1, 40, 41, 300]])


def packed_layers(model):
    return [module for module in model.modules() if isinstance(module, PackedLinear)]


def answer(model):
    with torch.inference_mode():
        return model.generate(PROMPT, max_new_tokens=20, do_sample=False, pad_token_id=0).tolist()


def test_a_model_is_packed_until_it_is_unloaded():
    model = tiny()
    before = copy.deepcopy(model.state_dict())
    parameters = dict(model.named_parameters())
    layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    wanted = answer(model)
    llm = ChatSwallow.from_model(model, trained_tokenizer(), max_tokens=5)
    text = llm.invoke("東京は？").text
    assert len(packed_layers(model)) == len(layers) == 3 * 7 + 1
    # Query, key and value, and gate and up: one matrix.
    assert len({id(layer.packed) for layer in packed_layers(model)}) == 3 * 4 + 1
    # No weight is in memory twice.
    assert not any(layer.weight.numel() for layer in layers.values())
    # It can be used and saved meanwhile.
    assert answer(model) == wanted
    saved = model.state_dict()
    assert saved.keys() == before.keys()
    assert all(torch.equal(saved[name], before[name]) for name in before)
    with pytest.raises(AttributeError, match=r"packed for inference.*prepare=False"):
        model.lm_head.weight[0] += 1
    llm.unload()
    assert not packed_layers(model)
    assert {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)} == layers
    after = dict(model.named_parameters())
    assert all(after[name] is parameters[name] for name in parameters)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(weights.requires_grad for weights in after.values())
    plain = ChatSwallow.from_model(model, trained_tokenizer(), max_tokens=5, prepare=False)
    assert plain.invoke("東京は？").text == text
    assert not packed_layers(model)
    plain.unload()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", ["llama", "gemma2", "qwen2", "qwen3", "gpt_oss"])
def test_logits_stay_within_rounding(kind, dtype):
    if not is_supported(dtype):
        pytest.skip("torch has no such kernels here")
    model = made_of(kind, dtype)
    with torch.inference_mode():
        before = model(PROMPT).logits.float()
        undo = pack_linear_layers(model)
        after = model(PROMPT).logits.float()
    assert packed_layers(model)
    rounding = 20 * torch.finfo(dtype).eps * float(before.abs().max())
    torch.testing.assert_close(after, before, rtol=0, atol=rounding)
    undo()
    with torch.inference_mode():
        assert torch.equal(model(PROMPT).logits.float(), before)


def test_weights_of_which_another_module_has_one_are_packed_together_and_kept():
    model = tiny()
    attention, other = model.model.layers[0].self_attn, model.model.layers[1].self_attn
    other.k_proj.weight = attention.k_proj.weight
    wanted = answer(model)
    undo = pack_linear_layers(model)
    assert answer(model) == wanted
    undo()
    assert other.k_proj.weight is attention.k_proj.weight
    assert answer(model) == wanted


def test_a_shared_weight_stays_where_its_other_module_is():
    model = tiny(tie_word_embeddings=True)
    model.lm_head.weight = model.model.embed_tokens.weight
    wanted = answer(model)
    llm = ChatSwallow.from_model(model, trained_tokenizer(), max_tokens=5)
    llm.load()
    assert isinstance(model.lm_head, PackedLinear)
    assert answer(model) == wanted
    llm.unload()
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert answer(model) == wanted


@pytest.mark.parametrize("how", ["forward hook", "hook before", "LoRA", "accelerate"])
def test_a_layer_that_others_watch_or_replace_stays_as_it_is(how):
    model = tiny()
    layer = model.model.layers[1].mlp.up_proj
    seen = []
    if how == "forward hook":
        layer.register_forward_hook(lambda *_: seen.append(1))
    elif how == "hook before":
        layer.register_forward_pre_hook(lambda *_: seen.append(1))
    elif how == "accelerate":
        layer._hf_hook = None
        seen.append(1)
    else:

        class Lora(nn.Linear):
            def forward(self, rows):
                seen.append(1)
                return super().forward(rows) + 1

        layer.__class__ = Lora
    llm = ChatSwallow.from_model(model, trained_tokenizer(), max_tokens=3)
    llm.invoke("東京は？")
    assert model.model.layers[1].mlp.up_proj is layer
    assert len(packed_layers(model)) == 3 * 7
    assert seen
    llm.unload()


def test_a_packed_model_has_the_fingerprint_of_its_weights():
    tokenizer = trained_tokenizer()
    plain = ChatSwallow.from_model(tiny(), tokenizer, prepare=False)
    packed = ChatSwallow.from_model(tiny(), tokenizer)
    other = ChatSwallow.from_model(tiny(seed=1), tokenizer)
    texts = [llm.loaded.fingerprint() for llm in (plain, packed, other)]
    assert texts[0] == texts[1] != texts[2]
    for llm in (plain, packed, other):
        llm.unload()
