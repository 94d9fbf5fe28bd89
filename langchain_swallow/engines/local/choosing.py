"""Chooses the next tokens of a sequence from the logits of a pass, and accepts drafts."""

from collections.abc import Iterable

from langchain_swallow.engines.local.model_runner import Output
from langchain_swallow.engines.local.sampling import choose, token_logprob
from langchain_swallow.engines.local.scheduler import Work
from langchain_swallow.engines.local.sequence import Sequence
from langchain_swallow.errors import EngineError
from langchain_swallow.prompts.tokenizer import Tokenizer

_NOT_NUMBERS = (
    "The model's logits are not numbers (NaN). Use another dtype, such as float32, or check the "
    "checkpoint's files."
)


def choose_first(work: list[Work], outputs: Iterable[Output | None]) -> dict[Sequence, int]:
    """Choose the next token of all sequences that are not greedy, as one computation.

    Where one of them fails, each chooses for itself, so that the error is that sequence's.
    """
    rows = {
        one.sequence: output.logits[0]
        for one, output in zip(work, outputs, strict=True)
        if output is not None and output.best[0] >= 0 and not one.sequence.sampler.is_greedy
    }
    if len(rows) < 2:
        return {}
    try:
        samplers = [sequence.sampler for sequence in rows]
        return dict(zip(rows, choose(samplers, rows.values()), strict=True))
    except Exception:  # raised again for the sequence that it concerns
        return {}


def choose_tokens(
    work: Work, output: Output, first: int | None, end_ids: frozenset[int], tokenizer: Tokenizer
) -> tuple[list[int], bool]:
    """Choose tokens up to the first rejected draft, and give them to the sequence.

    A draft is accepted only if it is the token that is chosen anyway, greedily or by sampling. So
    speculative decoding changes neither the answer nor its distribution.

    Args:
        work: What was computed.
        output: Its result.
        first: The first token, if `choose_first` chose it.
        end_ids: Ids of tokens that end an answer.
        tokenizer: Names tokens where the request wants log probabilities.

    Returns:
        The tokens, and whether the last one ends the answer.

    Raises:
        EngineError: The logits are not numbers.
    """
    sequence, tokens, is_last = work.sequence, list[int](), False
    top = sequence.request.logprobs
    for position, draft in enumerate([*work.drafts, None]):
        logits = output.logits[position]
        token = output.best[position]
        if token < 0:
            raise EngineError(_NOT_NUMBERS)
        if not sequence.sampler.is_greedy:
            if position > 0 or first is None:
                (token,) = choose([sequence.sampler], [logits])
            else:
                token = first
            sequence.sampler.record(token)
        tokens.append(token)
        logprob = None if top is None else token_logprob(logits, token, top, tokenizer)
        is_last = sequence.take(token, logprob, end_ids)
        if is_last or token != draft:
            break
    if work.drafts:
        sequence.lookup.learn(len(work.drafts), len(tokens) - 1)
    return tokens, is_last
