"""Logits → the next token of one sequence."""

import random
from typing import Any

import numpy as np
import torch

from langchain_swallow.engines.grammar import TokenMask
from langchain_swallow.engines.protocol import Request, TokenLogprob
from langchain_swallow.errors import EngineError
from langchain_swallow.prompts.tokenizer import Tokenizer

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Indices = np.ndarray[Any, np.dtype[np.intp]]

# How many weights are summed up before one among them is looked for.
_BLOCK_SIZE = 512


class Sampler:
    """Chooses the tokens of one sequence, with its own random numbers.

    Order as in transformers: penalties, grammar, temperature, top-k, top-p, min-p. A token takes
    one random number whatever else runs, so a seed gives the same answer in any company. The
    numbers are the host's, the same beside every device.
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
        """Whether the arg max of the raw logits is the answer."""
        is_plain = self._seen is None and self._written is None and self._mask is None
        return self._request.temperature == 0 and is_plain

    @property
    def is_complete(self) -> bool:
        """Whether the grammar allows nothing more."""
        return self._mask is not None and self._mask.is_complete

    def choose(self, logits: torch.Tensor) -> int:
        """The next token for logits of shape (vocabulary,)."""
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
            # A token that was written twice is assigned the same score twice.
            scores[self._written] = scores[self._written] - self._request.presence_penalty
        return scores

    def _draw(self, scores: torch.Tensor) -> int:
        tokens = None
        if 0 < self._request.top_k < scores.numel():
            scores, tokens = scores.topk(self._request.top_k)
        probabilities = scores.softmax(-1).cpu().numpy()
        # One logit that is no number makes all of them none.
        if np.isnan(probabilities[0]):
            raise EngineError("The model's logits are no numbers.")
        number = self.random.random()
        kept = _candidates(probabilities, self._request.top_p, self._request.min_p)
        if kept is None:
            drawn = _sample_index(probabilities, number)
        else:
            drawn = int(kept[_sample_index(probabilities[kept], number)])
        return drawn if tokens is None else int(tokens[drawn])


def _candidates(probabilities: Floats, top_p: float, min_p: float) -> Indices | None:
    """The tokens that one is drawn from; `None` is all."""
    kept = _nucleus(probabilities, top_p) if top_p < 1 else None
    if min_p == 0:
        return kept
    # The likeliest is never left out, so what a token is compared with is the same before top-p.
    likely = np.flatnonzero(probabilities >= min_p * probabilities.max())
    return likely if kept is None else np.intersect1d(kept, likely, assume_unique=True)


def _nucleus(probabilities: Floats, top_p: float) -> Indices:
    """The likeliest tokens that together have a probability of `top_p` (Holtzman et al. 2020).

    Tokens exactly as likely as the last of them are in it too, whatever a sort makes of them.
    """
    # What is below a fair share of 1 - top_p has no more than that together, and is outside: of a
    # vocabulary a few hundred tokens are left to sort. Half of it, since shares are rounded.
    tokens = np.flatnonzero(probabilities > (1 - top_p) / (2 * len(probabilities)))
    likely = probabilities[tokens]
    descending = np.sort(likely)[::-1]
    last = int(descending.cumsum(dtype=np.float64).searchsorted(top_p))
    return tokens[likely >= descending[min(last, len(tokens) - 1)]]


def _sample_index(weights: Floats, number: float) -> int:
    """Where a number in [0, 1) falls among weights laid end to end on that interval."""
    # Runs first: a sum per token of a vocabulary is memory, and time.
    runs = np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK_SIZE), dtype=np.float64)
    run, rest = _locate(runs, number * runs.sum())
    return (
        _BLOCK_SIZE * run + _locate(weights[_BLOCK_SIZE * run : _BLOCK_SIZE * (run + 1)], rest)[0]
    )


def _locate(weights: Floats, point: float) -> tuple[int, float]:
    """Which of some weights laid end to end a point is in, and how far in."""
    ends = weights.cumsum(dtype=np.float64)
    # Rounded, the point may lie at the end of the last, or beyond.
    index = int(ends.searchsorted(min(point, np.nextafter(ends[-1], 0)), side="right"))
    return index, point - (ends[index - 1] if index else 0.0)


def token_logprob(logits: torch.Tensor, token: int, top: int, tokenizer: Tokenizer) -> TokenLogprob:
    """Log probability of `token` before temperature, with the `top` best."""
    logprobs = logits.float().log_softmax(-1)
    values, tokens = logprobs.topk(top) if top else (logprobs[:0], logprobs[:0].long())
    names = tokenizer.convert_ids_to_tokens([token, *tokens.tolist()])
    best = tuple(zip(names[1:], values.tolist(), strict=True))
    return TokenLogprob(names[0], float(logprobs[token]), best)
