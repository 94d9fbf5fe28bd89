"""Samples the next tokens of sequences from their logits."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from langchain_swallow.engines.grammar import TokenMask
from langchain_swallow.engines.protocol import Request, TokenLogprob
from langchain_swallow.errors import EngineError
from langchain_swallow.prompts.tokenizer import Tokenizer

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Booleans = np.ndarray[Any, np.dtype[np.bool_]]
Indices = np.ndarray[Any, np.dtype[np.intp]]

# Block size of the two-level search in the cumulative sum.
_BLOCK_SIZE = 512


class Sampler:
    """How the tokens of one sequence are sampled, with its own random generator.

    The order is that of transformers: penalties, grammar, temperature, top-k, top-p, min-p. Each
    token takes one random number, so a seed gives the same answer independent of the batch. The
    generator runs on the host, so its numbers do not depend on the device.
    """

    def __init__(self, request: Request, device: torch.device, mask: TokenMask | None) -> None:
        self.temperature = request.temperature
        self.top_k = request.top_k
        self._request = request
        self._mask = mask
        self._forbidden: Booleans | Exception | None = None
        self.random = random.Random(request.seed)
        self._seen: torch.Tensor | None = None
        if request.repetition_penalty != 1.0:
            self._seen = torch.tensor(sorted(set(request.prompt_ids)), device=device)
        self._written: torch.Tensor | None = None
        if request.presence_penalty != 0.0:
            self._written = torch.tensor([], dtype=torch.long, device=device)

    @property
    def is_greedy(self) -> bool:
        """Whether the next token is always the arg max of the raw logits."""
        is_plain = self._seen is None and self._written is None and self._mask is None
        return self.temperature == 0 and is_plain

    @property
    def is_complete(self) -> bool:
        """Whether the grammar allows no further token."""
        return self._mask is not None and self._mask.is_complete

    def prepare(self, vocabulary: int) -> None:
        """Compute which tokens the grammar forbids next; `forbidden` raises its errors."""
        if self._mask is not None and self._forbidden is None:
            try:
                self._forbidden = self._mask.forbidden(vocabulary)
            except EngineError as error:
                self._forbidden = error

    def forbidden(self, vocabulary: int) -> Booleans | None:
        """Return which tokens the grammar forbids next; `None` without a grammar."""
        self.prepare(vocabulary)
        if isinstance(self._forbidden, Exception):
            raise self._forbidden
        return self._forbidden

    def penalize(self, scores: torch.Tensor) -> None:
        """Apply the penalties to scores of shape (vocabulary,), in place."""
        if self._seen is not None:
            penalty = self._request.repetition_penalty
            seen = scores[self._seen]
            scores[self._seen] = torch.where(seen < 0, seen * penalty, seen / penalty)
        if self._written is not None:
            # A repeated token is assigned the same score twice, so its penalty applies once.
            scores[self._written] = scores[self._written] - self._request.presence_penalty

    def draw(self, probabilities: Floats) -> int:
        """Return the index of one of these probabilities, in proportion to them."""
        number = self.random.random()
        tokens, weights = _candidates(probabilities, self._request.top_p, self._request.min_p)
        index = _search(weights, number)
        return index if tokens is None else int(tokens[index])

    def record(self, token: int) -> None:
        """Note the token that was chosen.

        Raises:
            EngineError: The grammar has become too complex to follow.
        """
        if self._seen is not None:
            self._seen = torch.cat([self._seen, self._seen.new_tensor([token])])
        if self._written is not None:
            self._written = torch.cat([self._written, self._written.new_tensor([token])])
        if self._mask is not None:
            self._forbidden = None
            self._mask.advance(token)


def choose(samplers: Sequence[Sampler], logits: Iterable[torch.Tensor]) -> list[int]:
    """Return the next token id of each sequence, as one computation on the device.

    Args:
        samplers: The sequences. `record` their tokens before the next choice.
        logits: Of each sequence, shape (vocabulary,); they are not changed.

    Raises:
        EngineError: A grammar cannot be followed.
    """
    scores = torch.stack(list(logits)).float()
    for sampler, row in zip(samplers, scores, strict=True):
        sampler.penalize(row)
    masks = {i: s.forbidden(scores.shape[1]) for i, s in enumerate(samplers)}
    if masked := {i: mask for i, mask in masks.items() if mask is not None}:
        forbidden = torch.from_numpy(np.stack(list(masked.values()))).to(scores.device)
        rows = list(masked)
        scores[rows] = scores[rows].masked_fill_(forbidden, -torch.inf)
    tokens: dict[int, int] = {}
    if greedy := [i for i, sampler in enumerate(samplers) if sampler.temperature == 0]:
        tokens |= zip(greedy, scores[greedy].argmax(-1).tolist(), strict=True)
    drawn = [i for i in range(len(samplers)) if i not in tokens]
    for top_k in {samplers[i].top_k for i in drawn}:
        rows = [i for i in drawn if samplers[i].top_k == top_k]
        # Usually all of them, which need no copy. `_draw` changes them.
        alike = scores if len(rows) == len(samplers) else scores[rows]
        tokens |= zip(rows, _draw([samplers[i] for i in rows], alike, top_k), strict=True)
    return [tokens[i] for i in range(len(samplers))]


def _draw(samplers: Sequence[Sampler], scores: torch.Tensor, top_k: int) -> list[int]:
    scores.div_(scores.new_tensor([sampler.temperature for sampler in samplers])[:, None])
    tokens = None
    if 0 < top_k < scores.shape[1]:
        scores, tokens = scores.topk(top_k)
    probabilities = scores.softmax(-1).cpu().numpy()
    drawn = [sampler.draw(row) for sampler, row in zip(samplers, probabilities, strict=True)]
    if tokens is None:
        return drawn
    return [int(row[i]) for row, i in zip(tokens.cpu().numpy(), drawn, strict=True)]


def _candidates(probabilities: Floats, top_p: float, min_p: float) -> tuple[Indices | None, Floats]:
    """Return tokens and their weights, 0 for those that top-p and min-p exclude.

    The tokens are `None` for the whole vocabulary.
    """
    tokens, likely, least = None, probabilities, min_p * probabilities.max() if min_p else 0.0
    if top_p < 1:
        # Tokens below (1 - top_p) / n together have at most 1 - top_p, so they are outside of the
        # nucleus. Usually a few hundred are left to sort. The factor 2 allows for rounding.
        may_be_in = probabilities > (1 - top_p) / (2 * len(probabilities))
        if 2 * np.count_nonzero(may_be_in) < len(probabilities):
            tokens = np.flatnonzero(may_be_in)
            likely = probabilities[tokens]
        # top-p always keeps the most probable token, so min-p has the same threshold before and
        # after it.
        least = max(least, _nucleus(likely, top_p))
    return tokens, likely * (likely >= least) if least else likely


def _nucleus(probabilities: Floats, top_p: float) -> float:
    """Least probability within the nucleus (Holtzman et al. 2020).

    The nucleus is the most probable tokens with a total probability of `top_p`. Tokens exactly as
    probable as the last one are included, so the result does not depend on the sort.
    """
    descending = np.sort(probabilities)[::-1]
    return float(descending[_search(descending, np.nextafter(top_p, 0), total=1.0)])


def _search(weights: Floats, number: float, total: float | None = None) -> int:
    """Return the index at which the cumulative sum exceeds `number` times `total`.

    Args:
        weights: At least one is not 0.
        number: In [0, 1); for a random one this is inverse transform sampling.
        total: `None` is the sum of the weights.
    """
    # Blocks are searched first, because a cumulative sum over the vocabulary costs memory and time.
    runs = np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK_SIZE), dtype=np.float64)
    run, rest = _locate(runs, number * (runs.sum() if total is None else total))
    start = _BLOCK_SIZE * run
    return start + _locate(weights[start : start + _BLOCK_SIZE], rest)[0]


def _locate(weights: Floats, point: float) -> tuple[int, float]:
    """Index of the weight that contains `point` in the cumulative sum, and the offset in it."""
    ends = weights.cumsum(dtype=np.float64)
    # After rounding, the point may be at the end of the last weight, or beyond it.
    index = int(ends.searchsorted(min(point, np.nextafter(ends[-1], 0)), side="right"))
    return index, point - (ends[index - 1] if index else 0.0)


def token_logprob(logits: torch.Tensor, token: int, top: int, tokenizer: Tokenizer) -> TokenLogprob:
    """Natural log probability of `token` before temperature, and the `top` best tokens."""
    logprobs = logits.float().log_softmax(-1)
    values, tokens = logprobs.topk(top) if top else (logprobs[:0], logprobs[:0].long())
    names = tokenizer.convert_ids_to_tokens([token, *tokens.tolist()])
    best = tuple(zip(names[1:], values.tolist(), strict=True))
    return TokenLogprob(names[0], float(logprobs[token]), best)
