"""Scores a given answer token by token, where a grammar would change the log probabilities.

vLLM applies a grammar before it computes log probabilities, but the list of allowed tokens after
it. So each token of the answer is generated alone, as the only allowed one, after those before it.
vLLM finds the prompt in its prefix cache. Prompt log probabilities would need only one request, but
vLLM computes the whole prompt for them.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from langchain_swallow.engines.detokenizer import Detokenizer, token_bytes
from langchain_swallow.engines.protocol import Chunk, Event, Finish, Request, TokenLogprob
from langchain_swallow.errors import EngineError
from langchain_swallow.prompts.tokenizer import Tokenizer

# vLLM's servers write minus infinity as -9999.
_EXCLUDED = -9_000.0


async def score(
    request: Request,
    tokenizer: Tokenizer,
    generate: Callable[[Request], AsyncGenerator[Event, None]],
) -> AsyncGenerator[Event, None]:
    """Yield the events of the answer `request.scored_ids`, with the model's own log probabilities.

    Args:
        request: The request; its grammar is not used.
        tokenizer: The model's tokenizer.
        generate: Answers a request for one token, which `scored_ids` names.

    Raises:
        EngineError: The answer is another token, or its log probability is not the model's own.
    """
    ids = request.scored_ids
    detokenizer = Detokenizer(token_bytes(tokenizer), drops_first_space=False)
    first: Finish | None = None
    for i, token in enumerate(ids):
        step = replace(
            request,
            prompt_ids=(*request.prompt_ids, *ids[:i]),
            scored_ids=(token,),
            max_tokens=1,
            # The second most probable token shows whether others were excluded before.
            logprobs=2,
            grammar=None,
        )
        scored: tuple[TokenLogprob, ...] = ()
        async with aclosing(generate(step)) as events:
            async for event in events:
                if isinstance(event, Chunk):
                    scored += event.logprobs
                elif isinstance(event, Finish):
                    first = first or event
        _check(scored, tokenizer.convert_ids_to_tokens(token))
        yield Chunk(detokenizer.push(token), (replace(scored[0], top=()),))
    assert first is not None
    yield replace(first, reason="stop", completion_tokens=len(ids), token_ids=ids)


def _check(scored: tuple[TokenLogprob, ...], piece: str) -> None:
    if [token.token for token in scored] != [piece]:
        raise EngineError(
            f"vLLM generated {[token.token for token in scored]} where {piece!r} was the only "
            'allowed token. Use engine="transformers", or send requests to vLLM directly: a proxy '
            "may drop allowed_token_ids or logprobs."
        )
    [token] = scored
    if token.logprob > 0 or len(token.top) < 2 or token.top[1][1] < _EXCLUDED:
        raise EngineError(
            "vLLM reports log probabilities of the allowed tokens, not the model's own. Start it "
            "with logprobs_mode=raw_logprobs, its default."
        )
