"""Runs the scheduler's work as one forward pass of a transformers model."""

import functools
import inspect
import itertools
from dataclasses import dataclass
from typing import Any

import torch

from langchain_swallow.engines.local.attention import attends_quickly, kernels
from langchain_swallow.engines.local.kv_memory import KVMemory, Window, Windows
from langchain_swallow.engines.local.scheduler import Work
from langchain_swallow.prompts.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Output:
    """The logits of one request after a pass.

    Attributes:
        logits: Shape (tokens, vocabulary): after each token of a decode step, or after the last
            token of a prompt.
        best: The most probable next token for each row of `logits`; -1 if the row has a NaN.
    """

    logits: torch.Tensor
    best: list[int]


class ModelRunner:
    """A causal language model of transformers with its KV cache in a `KVMemory`.

    Args:
        model: The model, in evaluation mode. With `use_quick_attention`, one pass may compute
            several prompts.
        memory: The KV cache.
    """

    def __init__(self, model: Any, memory: KVMemory) -> None:
        self.model = model
        self._memory = memory
        self.joins_prompts = attends_quickly(model)

    def run(self, work: list[Work]) -> list[Output | None]:
        """Run one forward pass.

        Args:
            work: What `Scheduler.schedule` returned.

        Returns:
            One output for each item of `work`; `None` for a prompt that is not complete yet.
        """
        return self._answers(work) if work[0].is_answer else self._prompts(work)

    def _answers(self, work: list[Work]) -> list[Output | None]:
        """Decode the same number of tokens in each of several neighboring rows."""
        starts = [len(one.slot.ids) for one in work]
        window = Window(self._memory, work[0].slot.row, starts, len(work[0].ids))
        first = torch.tensor(starts, device=self.model.device)[:, None]
        positions = first + torch.arange(window.count, device=self.model.device)
        ids = [one.ids for one in work]
        logits = _pass(self.model, ids, positions, window, window.count)
        _prepare_sampling(work, logits)
        return list(map(Output, logits, _best(logits)))

    def _prompts(self, work: list[Work]) -> list[Output | None]:
        """Prefill pieces of prompts, concatenated in one row if the model supports it."""
        new = [one for one in work if one.ids]
        outputs = dict(zip(map(id, new), self._pieces(new), strict=True)) if new else {}
        known = {id(one): one.slot.logits[None] for one in work if not one.ids}
        outputs |= {key: Output(logits, _best(logits)) for key, logits in known.items()}
        return [outputs[id(one)] for one in work]

    def _pieces(self, work: list[Work]) -> list[Output | None]:
        windows = [
            Window(self._memory, one.slot.row, [len(one.slot.ids)], len(one.ids)) for one in work
        ]
        ids = [token for one in work for token in one.ids]
        device = self.model.device
        positions = torch.cat([torch.arange(w.starts[0], w.end, device=device) for w in windows])
        ends = list(itertools.accumulate(window.count for window in windows))
        last_tokens = [end - 1 for end, one in zip(ends, work, strict=True) if one.ends_prompt]
        window = Windows(windows) if self.joins_prompts else windows[0]
        logits = _pass(self.model, [ids], positions[None], window, last_tokens)[0]
        _prepare_sampling([one for one in work if one.ends_prompt], logits)
        outputs = iter(map(Output, logits[:, None], _best(logits[:, None])) if last_tokens else ())
        return [next(outputs) if one.ends_prompt else None for one in work]


def _prepare_sampling(work: list[Work], logits: torch.Tensor) -> None:
    """Compute the masks of grammars on the host, while a GPU still computes the pass."""
    for one in work:
        one.sequence.sampler.prepare(logits.shape[-1])


def _best(logits: torch.Tensor) -> Any:
    """Arg max over the vocabulary, -1 for NaN; torch's `argmax` takes 4× as long in bfloat16."""
    values, tokens = logits.max(-1)
    return tokens.masked_fill(values.isnan(), -1).tolist()


def _pass(
    model: Any,
    ids: list[list[int]],
    positions: torch.Tensor,
    window: Window | Windows,
    logits_of: int | list[int],
) -> torch.Tensor:
    """Return logits of shape (rows, logits_of, vocabulary).

    Args:
        model: A causal language model.
        ids: Token ids, the same number in each row.
        positions: Positions of the tokens within their sequences.
        window: The KV cache rows of this pass.
        logits_of: Number of last tokens of a row whose logits are needed, or their indices. Not a
            tensor, because the last layer may be on another device than the first.
    """
    with kernels(model.device):
        output = model(
            input_ids=torch.tensor(ids, device=model.device),
            position_ids=positions,
            attention_mask=_masks(model, positions, window.end),
            use_cache=True,
            logits_to_keep=logits_of,
            **{_cache_parameter(model.__class__): window},
        )
    logits: torch.Tensor = output.logits
    return logits


@functools.cache
def _cache_parameter(kind: Any) -> str:
    """Name of the model's cache parameter, which changed in transformers 5.24."""
    parameters = inspect.signature(kind.forward).parameters
    return "cache" if "cache" in parameters else "past_key_values"


def kv_bytes_per_token(model: Any) -> int:
    """Size of one token's KV cache in bytes, over all layers."""
    config = model.config.get_text_config()
    head_dim = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    width: int = config.num_key_value_heads * head_dim
    return 2 * config.num_hidden_layers * width * model.dtype.itemsize


def end_ids(model: Any, tokenizer: Tokenizer) -> frozenset[int]:
    """Ids of tokens that end an answer: the tokenizer's EOS and those of the generation config."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in [*ids, tokenizer.eos_token_id] if i is not None)


def _masks(model: Any, positions: torch.Tensor, end: int) -> Any:
    """Return additive attention masks of shape (rows, 1, queries, end).

    A model with sliding-window attention takes one mask per kind of layer. The KV cache keeps all
    tokens, so the mask applies the window.
    """
    keys = torch.arange(end, device=positions.device)
    seen = keys <= positions[:, :, None]
    window = _window(model)
    if not window:
        return _additive(seen, model.dtype)
    masks = {
        "full_attention": _additive(seen, model.dtype),
        "sliding_attention": _additive(seen & (keys > positions[:, :, None] - window), model.dtype),
    }
    # Without a list of layer types (Mistral), every layer uses the sliding window.
    kinds = set(getattr(model.config, "layer_types", None) or ["sliding_attention"])
    return masks if len(kinds) > 1 else masks[kinds.pop()]


def _window(model: Any) -> int | None:
    """Size of the model's sliding window in tokens; `None` if it has none."""
    return getattr(model.config, "sliding_window", None)


def _additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    *shape, keys = seen.shape
    # CUDA's kernels copy a mask whose rows are not aligned to 8 elements.
    mask = torch.zeros((*shape, -(-keys // 8) * 8), dtype=dtype, device=seen.device)[..., :keys]
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]
