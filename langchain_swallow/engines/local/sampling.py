"""Samples the next token of one sequence from its logits."""

import random
from typing import Any

import numpy as np
import torch

from langchain_swallow.engines.grammar import TokenMask
from langchain_swallow.engines.protocol import Request, TokenLogprob
from langchain_swallow.prompts.tokenizer import Tokenizer

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Indices = np.ndarray[Any, np.dtype[np.intp]]

# Block size of the two-level search in the cumulative sum.
_BLOCK_SIZE = 512


class Sampler:
    """Samples the tokens of one sequence with its own random generator.

    The order is that of transformers: penalties, grammar, temperature, top-k, top-p, min-p. Each
    token takes one random number, so a seed gives the same answer independent of the batch. The
    generator runs on the host, so its numbers do not depend on the device.
    """

    def __init__(self, request: Request, device: torch.device, mask: TokenMask | None) -> None:
        self._request = request
        self._mask = mask
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
        return self._request.temperature == 0 and is_plain

    @property
    def is_complete(self) -> bool:
        """Whether the grammar allows no further token."""
        return self._mask is not None and self._mask.is_complete

    def choose(self, logits: torch.Tensor) -> int:
        """Return the next token id for logits of shape (vocabulary,)."""
        scores = self._penalize(logits.float())
        if self._mask is not None:
            forbidden = torch.from_numpy(self._mask.forbidden(scores.numel()))
            scores.masked_fill_(forbidden.to(scores.device), -torch.inf)
        if self._request.temperature == 0:
            token = int(scores.argmax())
        else:
            token = self._draw(scores / self._request.temperature)
        if self._seen is not None:
            self._seen = torch.cat([self._seen, self._seen.new_tensor([token])])
        if self._written is not None:
            self._written = torch.cat([self._written, self._written.new_tensor([token])])
        if self._mask is not None:
            self._mask.advance(token)
        return token

    def _penalize(self, scores: torch.Tensor) -> torch.Tensor:
        if self._seen is not None:
            penalty = self._request.repetition_penalty
            seen = scores[self._seen]
            scores[self._seen] = torch.where(seen < 0, seen * penalty, seen / penalty)
        if self._written is not None:
            # A repeated token is assigned the same score twice, so its penalty applies once.
            scores[self._written] = scores[self._written] - self._request.presence_penalty
        return scores

    def _draw(self, scores: torch.Tensor) -> int:
        tokens = None
        if 0 < self._request.top_k < scores.numel():
            scores, tokens = scores.topk(self._request.top_k)
        probabilities = scores.softmax(-1).cpu().numpy()
        number = self.random.random()
        kept = _candidates(probabilities, self._request.top_p, self._request.min_p)
        if kept is None:
            drawn = _sample_index(probabilities, number)
        else:
            drawn = int(kept[_sample_index(probabilities[kept], number)])
        return drawn if tokens is None else int(tokens[drawn])


def _candidates(probabilities: Floats, top_p: float, min_p: float) -> Indices | None:
    """Return the tokens to sample from; `None` means all."""
    kept = _nucleus(probabilities, top_p) if top_p < 1 else None
    if min_p == 0:
        return kept
    # top-p always keeps the most probable token, so min-p has the same threshold before and after
    # it.
    likely = np.flatnonzero(probabilities >= min_p * probabilities.max())
    return likely if kept is None else np.intersect1d(kept, likely, assume_unique=True)


def _nucleus(probabilities: Floats, top_p: float) -> Indices:
    """Most probable tokens with a total probability of `top_p` (nucleus; Holtzman et al. 2020).

    Tokens exactly as probable as the last one are included, so the result does not depend on the
    sort.
    """
    # Tokens below (1 - top_p) / n together have at most 1 - top_p, so they are outside of the
    # nucleus. This leaves a few hundred tokens of a vocabulary to sort. The factor 2 allows for
    # rounding.
    tokens = np.flatnonzero(probabilities > (1 - top_p) / (2 * len(probabilities)))
    likely = probabilities[tokens]
    descending = np.sort(likely)[::-1]
    last = int(descending.cumsum(dtype=np.float64).searchsorted(top_p))
    return tokens[likely >= descending[min(last, len(tokens) - 1)]]


def _sample_index(weights: Floats, number: float) -> int:
    """Return the index that inverse transform sampling gives for a `number` in [0, 1)."""
    # Blocks are searched first, because a cumulative sum over the vocabulary costs memory and time.
    runs = np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK_SIZE), dtype=np.float64)
    run, rest = _locate(runs, number * runs.sum())
    return (
        _BLOCK_SIZE * run + _locate(weights[_BLOCK_SIZE * run : _BLOCK_SIZE * (run + 1)], rest)[0]
    )


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
