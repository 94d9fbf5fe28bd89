"""Modules that take the place of a model's own."""

import weakref

import torch
from torch import nn

from langchain_swallow.engines.local.replacing import replace_modules
from tests.support.tiny_models import tiny


def test_what_is_made_stands_in_the_place_and_the_rest_stays():
    model, rows = tiny(), torch.tensor([[1, 5, 9]])
    before, norm = model(rows).logits, model.model.norm
    replace_modules(
        model, lambda module: nn.Sequential(module) if type(module) is nn.Linear else None
    )
    kinds = {name: type(module) for name, module in model.named_modules()}
    assert kinds["lm_head"] is kinds["model.layers.2.mlp.up_proj"] is nn.Sequential
    assert model.model.norm is norm
    torch.testing.assert_close(model(rows).logits, before)


def test_each_is_freed_before_the_next_is_made():
    """Else a model takes twice its memory while it is loaded."""
    model = tiny()
    replaced = [weakref.ref(m) for m in model.modules() if type(m) is nn.Linear]
    alive = []

    def made(module):
        if type(module) is not nn.Linear:
            return None
        alive.append(sum(one() is not None for one in replaced))
        return nn.Identity()

    replace_modules(model, made)
    assert alive == list(range(len(replaced), 0, -1))
