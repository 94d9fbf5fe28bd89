"""Log probabilities of given answers, which decisions are made from.

Each answer is generated under a grammar that admits nothing else. The engine reports the log
probability of each token before the grammar is applied; their sum is the answer's. vLLM, which
reports it afterwards, scores the answer's tokens instead (`engines.scoring`). The engine computes
the prompt once for all of its answers, and finds it in the prefix cache when the same prompt is
answered later.
"""

import asyncio
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage

from langchain_swallow.chat_models.engines import EngineOwner
from langchain_swallow.chat_models.streams import AsyncStream, Stream
from langchain_swallow.chat_models.thinking import ThinkingRequest
from langchain_swallow.engines.protocol import Chunk, Engine, Finish, Grammar, Request
from langchain_swallow.errors import EngineError
from langchain_swallow.prompts import encode_inside


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """The log probability of an answer, and what the engine counted for it."""

    logprob: float
    finish: Finish


class AnswerScorer(EngineOwner, BaseChatModel):
    """A chat model that reports how probable given answers are."""

    def answer_logprobs(
        self, input: LanguageModelInput, answers: Sequence[str], **kwargs: Any
    ) -> list[float]:
        """Return the log probability of each text as the start of the model's answer to a prompt.

        Args:
            input: A prompt, as for `invoke`.
            answers: Texts, none of them empty.
            **kwargs: Parameters of the call, such as `system_prompt`.

        Returns:
            Natural logarithms in the order of `answers`, at temperature 1 and without penalties.
            If a text can be written in different tokens, each next token is the most probable one;
            with vLLM, the tokens are the tokenizer's.

        Raises:
            ValueError: `answers` is empty, or contains an empty text.
            GrammarError: The server cannot constrain an answer to a text. All servers that take
                JSON schemas can constrain it to a number.
            EngineError: The engine reports no log probabilities, or only those of the tokens that a
                grammar leaves, as SGLang does. Use the local engine, vLLM or llama.cpp's server.
        """
        scored = self.score_answers([(input, answers)], **kwargs)
        return [answer.logprob for answer in scored[0]]

    async def aanswer_logprobs(
        self, input: LanguageModelInput, answers: Sequence[str], **kwargs: Any
    ) -> list[float]:
        """Asynchronous `answer_logprobs`."""
        scored = await self.ascore_answers([(input, answers)], **kwargs)
        return [answer.logprob for answer in scored[0]]

    def score_answers(
        self, prompts: Sequence[tuple[LanguageModelInput, Sequence[str]]], **kwargs: Any
    ) -> list[list[ScoredAnswer]]:
        """`answer_logprobs` for several prompts in one batch, with token counts."""
        engine = self._load(kwargs)
        # Built before the first request is submitted, because one prompt may be invalid.
        requests = list(self._scoring_requests(prompts, engine, kwargs))
        streams = [Stream(engine, request) for request in requests]
        try:
            answer_events = [list(stream) for stream in streams]
        finally:
            for stream in streams:
                stream.close()
        return _score_all(prompts, answer_events)

    async def ascore_answers(
        self, prompts: Sequence[tuple[LanguageModelInput, Sequence[str]]], **kwargs: Any
    ) -> list[list[ScoredAnswer]]:
        """Asynchronous `score_answers`."""
        engine = await self._aload(kwargs)
        requests = await asyncio.to_thread(
            lambda: list(self._scoring_requests(prompts, engine, kwargs))
        )
        streams = [AsyncStream(engine, request) for request in requests]
        try:
            answer_events = []
            for stream in streams:
                answer_events.append([event async for event in stream])
        finally:
            for stream in streams:
                stream.close()
        return _score_all(prompts, answer_events)

    def _requests(
        self, messages: list[BaseMessage], stop: list[str] | None, engine: Engine, call: Any
    ) -> list[Request | ThinkingRequest]:
        raise NotImplementedError

    def _scoring_requests(
        self,
        prompts: Sequence[tuple[LanguageModelInput, Sequence[str]]],
        engine: Engine,
        call: dict[str, Any],
    ) -> Iterator[Request]:
        for prompt, answers in prompts:
            if not answers or not all(answers):
                raise ValueError(f"Pass one or more answers, none of them empty, not {answers!r}.")
            # A byte takes at most one token, but a tokenizer may take more for a separate text.
            ids = [tuple(encode_inside(answer, engine.tokenizer)) for answer in answers]
            lengths = [
                max(len(answer.encode()), len(tokens))
                for answer, tokens in zip(answers, ids, strict=True)
            ]
            messages = self._convert_input(prompt).to_messages()
            parameters = {name: value for name, value in call.items() if name != "stop"}
            # There is no thought, so only the minimum is reserved, for the markup around it.
            parameters |= {"n": 1, "max_tokens": max(lengths), "max_reasoning_tokens": 1}
            [request] = self._requests(messages, [], engine, parameters)
            if isinstance(request, ThinkingRequest):
                request = request.without_thought()
            scored = Request(
                prompt_ids=request.prompt_ids,
                max_tokens=request.max_tokens,
                logprobs=0,
                timeout_s=request.timeout_s,
                drops_first_space=False,
            )
            for answer, tokens, length in zip(answers, ids, lengths, strict=True):
                yield replace(scored, max_tokens=length, grammar=_only(answer), scored_ids=tokens)


def _only(answer: str) -> Grammar:
    """Return a grammar of one text; for a number a JSON schema, which more servers support."""
    if answer.isascii() and answer.isdecimal() and str(int(answer)) == answer:
        return Grammar("json_schema", json.dumps({"const": int(answer)}))
    return Grammar("lark", f"start: {json.dumps(answer, ensure_ascii=False)}")


def _score_all(
    prompts: Sequence[tuple[LanguageModelInput, Sequence[str]]],
    answer_events: Sequence[Sequence[Chunk | Finish]],
) -> list[list[ScoredAnswer]]:
    events = iter(answer_events)
    return [[_score(answer, next(events)) for answer in answers] for _, answers in prompts]


def _score(answer: str, events: Sequence[Chunk | Finish]) -> ScoredAnswer:
    """Add up the log probabilities of the answer, without white space that may follow JSON."""
    text, logprobs = "", list[float]()
    for chunk in events:
        if isinstance(chunk, Chunk) and len(text) < len(answer):
            text += chunk.text
            logprobs += [token.logprob for token in chunk.logprobs]
    if not text.startswith(answer):
        raise EngineError(
            f"The engine answered {text!r} where a grammar admits only {answer!r}. Use "
            'engine="transformers", or another build of the server.'
        )
    if not logprobs:
        raise EngineError(
            "The engine reported no log probabilities, and a decision needs them. Use "
            'engine="transformers", or a vLLM or llama.cpp server.'
        )
    finish = next(event for event in events if isinstance(event, Finish))
    return ScoredAnswer(math.fsum(logprobs), finish)
