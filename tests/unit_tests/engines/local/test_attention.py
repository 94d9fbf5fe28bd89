"""Attention on a CPU, against transformers' own."""

import pytest
import torch
import transformers
from packaging.version import Version
from torch.utils._python_dispatch import TorchDispatchMode
from transformers.integrations import sdpa_attention
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from langchain_swallow.engines.local import attention
from langchain_swallow.engines.local.attention import _attend, use_quick_attention
from langchain_swallow.engines.local.kv_memory import Pieces
from tests.support.tiny_models import tiny


class Layer:
    """What transformers asks of a layer."""

    is_causal = True

    def __init__(self, group):
        self.num_key_value_groups = group


class Largest(TorchDispatchMode):
    """How many elements the largest new tensor has."""

    def __init__(self):
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        # Views of keys and values, which a kernel takes as they are, are not new.
        for tensor in made if isinstance(made, tuple) else [made]:
            if isinstance(tensor, torch.Tensor) and not tensor._is_view():
                self.size = max(self.size, tensor.numel())
        return made


def inputs(group, new, dtype, rows=3, known=90):
    made = torch.Generator().manual_seed(group + new)
    memory = torch.randn(2, rows, 2, 256, 16, generator=made).to(dtype)
    key, value = memory[:, :, :, :known]
    query = torch.randn(rows, 2 * group, new, 16, generator=made).to(dtype)
    seen = torch.rand(rows, 1, new, known, generator=made) < 0.8
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
    return query, key, value, mask


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("new", [1, 2, 7])
@pytest.mark.parametrize("group", [1, 2, 4])
def test_it_is_transformers_attention(group, new, dtype):
    given = inputs(group, new, dtype)
    wanted, _ = sdpa_attention_forward(Layer(group), *given, scaling=0.3)
    got, weights = _attend(Layer(group), *given, scaling=0.3, sliding_window=None)
    assert weights is None
    assert got.is_contiguous()
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("new", [1, 7])
def test_keys_and_values_are_not_copied(new):
    given = inputs(4, new, torch.float32)
    with Largest() as theirs:
        sdpa_attention_forward(Layer(4), *given)
    with Largest() as own:
        _attend(Layer(4), *given)
    keys = given[1].numel()
    assert own.size < keys
    # Newer versions of transformers do not either for a single query.
    assert (theirs.size > keys) == (new > 1 or not hasattr(sdpa_attention, "pack_gqa"))


def test_pieces_of_prompts_attend_each_to_its_own():
    made = torch.Generator().manual_seed(5)
    counts, known = [3, 1, 8], [10, 4, 8]
    queries = [torch.randn(1, 4, count, 16, generator=made) for count in counts]
    keys, values = (
        tuple(torch.randn(1, 2, length, 16, generator=made) for length in known) for _ in range(2)
    )
    masks = []
    for count, length in zip(counts, known, strict=True):
        hidden = torch.arange(10) > torch.arange(length - count, length)[:, None]
        masks.append(torch.zeros(count, 10).masked_fill(hidden, torch.finfo(torch.float32).min))
    got, _ = _attend(
        Layer(2),
        torch.cat(queries, 2),
        Pieces(keys, counts),
        Pieces(values, counts),
        torch.cat(masks)[None, None],
        scaling=0.3,
    )
    wanted = [
        sdpa_attention_forward(
            Layer(2), query, key, value, mask[None, None, :, : key.shape[2]], scaling=0.3
        )[0]
        for query, key, value, mask in zip(queries, keys, values, masks, strict=True)
    ]
    torch.testing.assert_close(got, torch.cat(wanted, 1))


def test_what_it_does_not_know_is_transformers_matter():
    given = inputs(2, 3, torch.float32)
    bias = torch.randn(3, 4, 3, 90, generator=torch.Generator().manual_seed(0))
    wanted, _ = sdpa_attention_forward(Layer(2), *given, position_bias=bias)
    got, _ = _attend(Layer(2), *given, position_bias=bias)
    assert torch.equal(got, wanted)
    assert not torch.allclose(got, _attend(Layer(2), *given)[0])


def test_caps_of_scores_are_transformers_matter(monkeypatch):
    asked = []
    monkeypatch.setattr(
        attention, "sdpa_attention_forward", lambda *_, **options: (asked.append(options), None)
    )
    _attend(Layer(1), *inputs(1, 1, torch.float32), softcap=30.0)
    assert asked == [{"softcap": 30.0}]
    monkeypatch.undo()
    if Version(transformers.__version__) >= Version("5.24"):
        with pytest.raises(ValueError, match="softcap"):
            _attend(Layer(1), *inputs(1, 1, torch.float32), softcap=30.0)


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_a_model_attends_this_way_unless_it_has_its_own(kind):
    model, own = tiny(kind), tiny(kind)
    own.set_attn_implementation("eager")
    for one, used in ((model, "swallow_sdpa"), (own, "eager")):
        use_quick_attention(one)
        assert one.config._attn_implementation == used


def in_use(model):
    """What its owner may ask of a model: answers to padded prompts, logits, a step of training."""
    ids = torch.tensor([[0, 0, 1, 70, 80], [1, 60, 70, 80, 90]])
    mask = (ids > 0).long()
    options = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    with torch.inference_mode():
        yield model.generate(ids, attention_mask=mask, **options)
        yield model(ids).logits
    torch.manual_seed(0)
    yield model.train()(ids, attention_mask=mask, labels=ids).loss.detach()
    model.eval()


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_its_owner_has_the_model_as_before(kind):
    model = tiny(kind, attention_dropout=0.4)
    before = list(in_use(model))
    use_quick_attention(model)
    for one, other in zip(in_use(model), before, strict=True):
        torch.testing.assert_close(one, other)
