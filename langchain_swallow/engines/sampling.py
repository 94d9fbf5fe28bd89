"""Logits → the next token of one sequence."""

from typing import Any

import torch

from langchain_swallow.engines.base import Request, TokenLogprob
from langchain_swallow.engines.constraints import TokenMask


class Sampler:
    """Chooses the tokens of one sequence, with its own random numbers.

    Order as in transformers: repetition penalty, grammar, temperature, top-k, top-p. A token takes
    one random number whatever else runs, so a seed gives the same answer in any company.
    """

    def __init__(self, request: Request, device: torch.device, mask: TokenMask | None) -> None:
        self._request = request
        self._mask = mask
        self._generator = torch.Generator(device=device)
        if request.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(request.seed)
        self._seen: torch.Tensor | None = None
        if request.repetition_penalty != 1.0:
            self._seen = torch.tensor(sorted(set(request.prompt_ids)), device=device)

    @property
    def is_greedy(self) -> bool:
        """Whether the arg max of the raw logits is the answer."""
        return self._request.temperature == 0 and self._seen is None and self._mask is None

    @property
    def is_complete(self) -> bool:
        """Whether the grammar allows nothing more."""
        return self._mask is not None and self._mask.is_complete

    def choose(self, logits: torch.Tensor) -> int:
        """The next token for logits of shape (vocabulary,)."""
        scores = self._penalise(logits.float())
        if self._mask is not None:
            forbidden = torch.from_numpy(self._mask.forbidden(scores.numel()))
            scores.masked_fill_(forbidden.to(scores.device), -torch.inf)
        if self._request.temperature == 0:
            token = int(scores.argmax())
        else:
            token = self._draw(scores / self._request.temperature)
        if self._seen is not None:
            self._seen = torch.cat([self._seen, self._seen.new_tensor([token])])
        if self._mask is not None:
            self._mask.advance(token)
        return token

    def _penalise(self, scores: torch.Tensor) -> torch.Tensor:
        if self._seen is None:
            return scores
        penalty = self._request.repetition_penalty
        seen = scores[self._seen]
        scores[self._seen] = torch.where(seen < 0, seen * penalty, seen / penalty)
        return scores

    def _draw(self, scores: torch.Tensor) -> int:
        if 0 < self._request.top_k < scores.numel():
            values, tokens = scores.topk(self._request.top_k)
        else:
            values, tokens = scores.sort(descending=True)
        probabilities = values.softmax(-1)
        # The token that crosses top_p belongs to the set, so the first one always stays.
        outside = probabilities.cumsum(-1) - probabilities >= self._request.top_p
        probabilities = probabilities.masked_fill(outside, 0.0)
        return int(tokens[probabilities.multinomial(1, generator=self._generator)])


def token_logprob(logits: torch.Tensor, token: int, top: int, tokenizer: Any) -> TokenLogprob:
    """Log probability of `token` before temperature, with the `top` best."""
    logprobs = logits.float().log_softmax(-1)
    values, tokens = logprobs.topk(top) if top else (logprobs[:0], logprobs[:0].long())
    names = tokenizer.convert_ids_to_tokens([token, *tokens.tolist()])
    best = tuple(zip(names[1:], values.tolist(), strict=True))
    return TokenLogprob(names[0], float(logprobs[token]), best)
