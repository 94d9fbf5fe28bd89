"""The state of a request in `LocalEngine`, from its prompt to its last token."""

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langchain_swallow.engines.detokenizer import Detokenizer
from langchain_swallow.engines.local.kv_cache import Slot
from langchain_swallow.engines.local.lookup import PromptLookup
from langchain_swallow.engines.protocol import Chunk, Event, Finish, Request, Sink, TokenLogprob
from langchain_swallow.errors import GenerationTimeoutError

if TYPE_CHECKING:
    from langchain_swallow.engines.local.sampling import Sampler


@dataclass(slots=True, eq=False)
class Sequence:
    """A request and its progress; implements `Ticket`.

    `ids` are the tokens of the prompt and the answer; those of `slot` are in the KV cache.
    """

    request: Request
    sink: Sink
    detokenizer: Detokenizer
    sampler: "Sampler"
    ids: list[int]
    lookup: PromptLookup
    deadline: float | None
    slot: Slot | None = None
    cached_tokens: int = 0
    prefill_share: int = 0
    passed_over: int = 0
    cancelled: bool = False
    wake: threading.Condition = field(default_factory=threading.Condition)

    def cancel(self) -> None:
        """Stop generation within one step."""
        with self.wake:
            self.cancelled = True
            self.wake.notify()

    @property
    def generated(self) -> int:
        """Number of answer tokens generated so far."""
        return len(self.ids) - len(self.request.prompt_ids)

    @property
    def to_prefill(self) -> int:
        """Number of prompt tokens that are not in the KV cache yet."""
        known = len(self.slot.ids) if self.slot else 0
        return max(0, len(self.request.prompt_ids) - known)

    def draft(self, limit: int) -> list[int]:
        """Return draft tokens, fewer than the number of tokens still to be generated."""
        limit = min(limit, self.request.max_tokens - self.generated - 1)
        return self.lookup.draft(limit) if limit > 0 else []

    def ending(self, now: float) -> Event | None:
        """Return a timeout error if the deadline has passed, else `None`."""
        if self.deadline is None or now <= self.deadline:
            return None
        return GenerationTimeoutError(
            f"No complete answer within timeout={self.request.timeout_s} s after "
            f"{self.generated} tokens. Raise timeout or lower max_tokens."
        )

    def take(self, token: int, logprob: TokenLogprob | None, end_ids: frozenset[int]) -> bool:
        """Append a token and send the text it completes to the caller; `True` if it is the last."""
        self.ids.append(token)
        ended = token in end_ids or token in self.request.stop_tokens
        text = "" if ended else self.detokenizer.push(token)
        stopped = ended or self.detokenizer.stop_sequence is not None or self.sampler.is_complete
        finished = stopped or self.generated >= self.request.max_tokens
        if finished:
            text += self.detokenizer.finish()
        logprobs = () if logprob is None or ended else (logprob,)
        if text or logprobs:
            self.sink(Chunk(text, logprobs))
        if finished:
            self.sink(
                Finish(
                    reason="stop" if stopped else "length",
                    prompt_tokens=len(self.request.prompt_ids),
                    completion_tokens=self.generated,
                    stop_sequence=self.detokenizer.stop_sequence,
                    cached_tokens=self.cached_tokens,
                    stop_token=token if token in self.request.stop_tokens else None,
                    token_ids=tuple(self.ids[len(self.request.prompt_ids) :]),
                )
            )
        return finished
