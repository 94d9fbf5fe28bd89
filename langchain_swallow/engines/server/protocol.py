"""Converts `Request`s to `/v1/completions` bodies, and streams to `Event`s; without I/O."""

import codecs
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from langchain_swallow.engines.detokenizer import Detokenizer, token_bytes
from langchain_swallow.engines.protocol import (
    Chunk,
    Event,
    Finish,
    Grammar,
    Request,
    TokenLogprob,
)
from langchain_swallow.engines.server import llamacpp as llamacpp_protocol
from langchain_swallow.engines.server.grammar_probe import Grammars
from langchain_swallow.errors import EngineError, GrammarError, InvalidRequestError, ServerError
from langchain_swallow.prompts.control_tokens import control_tokens
from langchain_swallow.prompts.tokenizer import Tokenizer

_KNOWN = ("vllm", "sglang", "llamacpp")
_SEND_IDS = ("vllm", "sglang")
_OFF = {"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
# Finish reasons of answers that the server aborted.
_ABORTED = ("abort", "content_filter", "error")
# Limits for a server that ignores max_tokens or sends empty texts, and would never end. A token is
# one event, or several if a proxy splits the text.
_MAX_EVENTS_PER_TOKEN, _OTHER_EVENTS = 16, 256
# Errors that a message with unexpected types raises.
_PARSE_ERRORS = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Flavor:
    """What a server serves and which protocol it uses.

    Args:
        model: Name of the model on the server.
        kind: `owned_by` in its list of models: `"vllm"`, `"sglang"`, `"llamacpp"` or another.
        context_window: Maximum tokens of prompt and answer together, if the server reports it.
        takes_ids: Whether it accepts prompts as token ids.
        adds_bos: Whether it adds BOS to a prompt that is text.
        adds_space: Whether its tokenizer adds SentencePiece's space after a special token in text.
        grammars: Which grammars it enforces.
    """

    model: str
    kind: str
    context_window: int | None = None
    takes_ids: bool = True
    adds_bos: bool = True
    adds_space: bool = True
    grammars: Grammars = "schema"

    @property
    def is_known(self) -> bool:
        """Whether `kind` implies how the server takes prompts."""
        return self.kind in _KNOWN

    def completions_url(self, base_url: str) -> str:
        """Return the URL of completion requests."""
        if self.kind == "llamacpp":
            return llamacpp_protocol.completion_url(base_url)
        return f"{base_url}/completions"


def parse_count(value: Any) -> int | None:
    """Return a positive number of tokens that a server reports; `None` for anything else."""
    return value if isinstance(value, int) and value is not True and value > 0 else None


def scores_tokens(flavor: Flavor) -> bool:
    """Whether the tokens of a given answer are scored one by one; otherwise under its grammar.

    Raises:
        EngineError: The server does not report the model's own log probabilities either way.
    """
    if flavor.kind == "llamacpp":
        return False
    if flavor.kind == "vllm" and flavor.takes_ids:
        return True
    raise EngineError(
        "This server does not report the model's own log probabilities of a given answer, which "
        "decisions need. Use a vLLM server (with prompts as token ids), a llama.cpp server, or "
        'engine="transformers".'
    )


def build_payload(request: Request, tokenizer: Tokenizer, flavor: Flavor) -> dict[str, Any]:
    """Return the body of a completion request.

    Raises:
        GrammarError: The server cannot enforce this grammar.
        InvalidRequestError: The prompt cannot be written as text.
    """
    prompt: Any = list(request.prompt_ids)
    if not flavor.takes_ids:
        prompt = prompt_text(request.prompt_ids, tokenizer, flavor)
    if flavor.kind not in _SEND_IDS:
        request = _with_stop_texts(request, tokenizer)
    if flavor.kind == "llamacpp":
        body = llamacpp_protocol.build_payload(request, prompt, flavor.model)
    else:
        body = _completion(request, prompt, flavor)
    return body | (build_constraint(request.grammar, flavor) if request.grammar else {})


def _with_stop_texts(request: Request, tokenizer: Tokenizer) -> Request:
    """Return the request with its stop tokens as stop strings."""
    texts = map(tokenizer.convert_ids_to_tokens, request.stop_tokens)
    return replace(request, stop=(*request.stop, *texts))


def _completion(request: Request, prompt: Any, flavor: Flavor) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": flavor.model,
        "prompt": prompt,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if flavor.is_known:
        # For parameters that are not sent, these servers use the checkpoint's
        # generation_config.json.
        body |= _OFF
    optional: dict[str, tuple[Any, Any]] = {
        "top_p": (request.top_p, 1.0),
        "top_k": (request.top_k, 0),
        "min_p": (request.min_p, 0.0),
        "repetition_penalty": (request.repetition_penalty, 1.0),
        "presence_penalty": (request.presence_penalty, 0.0),
        "seed": (request.seed, None),
        "stop": (list(request.stop), []),
        "logprobs": (request.logprobs, None),
    }
    body |= {name: value for name, (value, default) in optional.items() if value != default}
    if flavor.kind in _SEND_IDS:
        body["return_token_ids"] = True
        if request.stop_tokens:
            body["stop_token_ids"] = list(request.stop_tokens)
    if flavor.kind == "vllm":
        if request.scored_ids:
            body["allowed_token_ids"] = list(request.scored_ids)
        body["return_tokens_as_token_ids"] = True
    return body


def build_constraint(grammar: Grammar, flavor: Flavor) -> dict[str, Any]:
    """Return the parameters of a completion request that constrain its answer.

    Raises:
        GrammarError: The server cannot enforce this grammar.
    """
    if flavor.grammars == "none":
        raise GrammarError(
            "This server accepts a grammar but does not enforce it (as llama.cpp with "
            "LLAMA_LLGUIDANCE and this model's vocabulary). Use another build, or a vLLM server."
        )
    if flavor.grammars == "schema" and grammar.kind != "json_schema":
        raise GrammarError(
            "Tools need a grammar, and this server takes JSON schemas only. Use a vLLM server, "
            "SGLang with --grammar-backend llguidance, or with_structured_output()."
        )
    if flavor.kind == "llamacpp":
        return llamacpp_protocol.build_constraint(grammar, flavor.grammars)
    if flavor.grammars == "lark" and flavor.kind == "sglang":
        return {"ebnf": grammar.as_lark}
    if flavor.grammars == "lark":
        return {"structured_outputs": {"grammar": grammar.as_lark}}
    schema = {"name": "answer", "schema": json.loads(grammar.text)}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def prompt_text(prompt_ids: tuple[int, ...], tokenizer: Tokenizer, flavor: Flavor) -> str:
    """Return a prompt as text that the server's tokenizer encodes to these ids.

    Raises:
        InvalidRequestError: A message contains the text of a control token, which the server would
            encode as one.
    """
    ids = list(prompt_ids)
    if flavor.adds_bos and ids and ids[0] == tokenizer.bos_token_id:
        ids = ids[1:]
    controls = {token.id: token.text for token in control_tokens(tokenizer).values()}
    to_bytes = token_bytes(tokenizer)
    parts: list[str] = []
    run: list[int] = []
    for token in [*ids, None]:
        if token is not None and token not in controls:
            run.append(token)
            continue
        text = b"".join(map(to_bytes, run)).decode("utf-8", "ignore")
        if not text and not parts and token is not None:
            parts, run = [controls[token]], []
            continue
        # The server's tokenizer adds `▁` before each segment, so it is not written here.
        parts.append(text.removeprefix(" ") if flavor.adds_space or not parts else text)
        parts += [] if token is None else [controls[token]]
        run = []
    _check_control_tokens("".join(parts), [i for i in ids if i in controls], controls, tokenizer)
    return "".join(parts)


def _check_control_tokens(
    text: str, expected: list[int], controls: dict[int, str], tokenizer: Tokenizer
) -> None:
    """Raise an error if the tokenizer encodes text of a message as a control token."""
    ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=False)
    actual = [i for i in ids if i in controls]
    if actual == expected:
        return
    pairs = itertools.zip_longest(actual, expected)
    first = next(i if i is not None else j for i, j in pairs if i != j)
    raise InvalidRequestError(
        f"A message contains {controls[first]!r}, and this server takes prompts as text "
        "only, where that is a control token. Remove it, or use a server that takes token ids."
    )


class Answer:
    """Parses the stream of one answer.

    If the server sends token ids, the text is decoded from them as by every engine; otherwise the
    server's text is used.
    """

    def __init__(self, request: Request, tokenizer: Tokenizer, flavor: Flavor) -> None:
        self._request = request
        self._tokenizer = tokenizer
        self._has_ids = flavor.kind in _SEND_IDS
        self._is_llamacpp = flavor.kind == "llamacpp"
        self._detokenizer = Detokenizer(
            token_bytes(tokenizer), request.stop, drops_first_space=request.drops_first_space
        )
        self._reason: str | None = None
        self._stop_sequence: str | None = None
        self._stop_token: int | None = None
        self._drops_space = request.drops_first_space
        # The two halves of a surrogate pair may arrive in separate messages.
        self._joiner = codecs.getincrementaldecoder("utf-16-le")("replace")
        self._got_ids = False
        self._ids: list[int] = []
        self._received = 0
        self._events_left = _MAX_EVENTS_PER_TOKEN * request.max_tokens + _OTHER_EVENTS
        self._usage: dict[str, Any] = {}

    @property
    def is_whole(self) -> bool:
        """Whether the server has sent a finish reason."""
        return self._reason is not None

    @property
    def is_complete(self) -> bool:
        """Whether the answer and its usage are complete, so that nothing useful can follow."""
        return self.is_whole and (self._is_llamacpp or bool(self._usage))

    def read(self, data: dict[str, Any]) -> list[Event]:
        """Return the events that one message of the server completes.

        Raises:
            ServerError: The message is not part of a completion.
        """
        try:
            if self._is_llamacpp:
                data = llamacpp_protocol.as_completion(data)
            return list(self._read(data))
        except _PARSE_ERRORS as error:
            raise ServerError(
                "The server sent a message that is not a completion: "
                f"{repr(data)[:300]} ({error!r})."
            ) from error

    def _read(self, data: dict[str, Any]) -> Iterator[Event]:
        for choice in data.get("choices") or ():
            self._events_left -= 1
            if self._events_left < 0:
                raise ServerError(
                    f"The server continues after max_tokens={self._request.max_tokens} tokens. "
                    "See the server's log; a proxy in front of it may drop max_tokens."
                )
            if chunk := self._chunk(choice):
                yield chunk
            if choice.get("finish_reason"):
                self._reason = choice["finish_reason"]
                if self._reason in _ABORTED:
                    raise ServerError(
                        "The server aborted the answer: its finish_reason is "
                        f"{self._reason!r}. Ask again, or see the server's log."
                    )
                # vLLM's and SGLang's names; a number is the id of the token that ended the answer.
                stop = choice.get("stop_reason") or choice.get("matched_stop")
                self._note_stop(stop)
        if isinstance(usage := data.get("usage"), dict):
            self._usage = usage

    def _note_stop(self, stop: Any) -> None:
        """Record what ended the answer: a stop string, a token, or `None` if not reported."""
        by_text = {self._tokenizer.convert_ids_to_tokens(i): i for i in self._request.stop_tokens}
        self._stop_token = by_text.get(stop, stop if stop in by_text.values() else None)
        if isinstance(stop, str) and self._stop_token is None:
            self._stop_sequence = stop
        # Unknown servers do not report what ended an answer.
        is_silent = stop is None and not self._has_ids and not self._is_llamacpp
        if by_text and is_silent and self._reason == "stop":
            self._stop_token = self._request.stop_tokens[0]

    def end(self) -> Iterator[Event]:
        """Yield the text that was held back, then the `Finish`."""
        if held := self._detokenizer.finish() + self._joiner.decode(b"", True):
            yield Chunk(held)
        stopped = self._detokenizer.stop_sequence
        usage = self._usage
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        yield Finish(
            reason="length" if self._reason == "length" and not stopped else "stop",
            prompt_tokens=parse_count(usage.get("prompt_tokens")) or len(self._request.prompt_ids),
            completion_tokens=parse_count(usage.get("completion_tokens")) or self._received,
            stop_sequence=stopped or self._stop_sequence,
            cached_tokens=parse_count(cached) or 0,
            stop_token=self._stop_token,
            token_ids=tuple(self._ids),
        )

    def _chunk(self, choice: dict[str, Any]) -> Chunk | None:
        ids = choice.get("token_ids")
        # A proxy may drop the token ids that vLLM sends; then only the text is available.
        if self._has_ids and ids is not None and (ids or self._got_ids or not choice.get("text")):
            self._got_ids = self._got_ids or bool(ids)
            self._received += len(ids)
            self._check_ids(ids, choice.get("text"))
            self._ids += ids
            shown = (i for i in ids if i not in self._request.stop_tokens)
            text = "".join(map(self._detokenizer.push, shown))
        else:
            text = self._text(choice)
            self._received += 1
            if self._drops_space and text:
                text, self._drops_space = text.removeprefix(" "), False
        logprobs = self._logprobs(choice.get("logprobs"))
        return Chunk(text, logprobs) if text or logprobs else None

    def _text(self, choice: dict[str, Any]) -> str:
        if "text" not in choice and ("message" in choice or "delta" in choice):
            raise TypeError("this is a chat completion")
        text = choice.get("text") or ""
        if not isinstance(text, str):
            raise TypeError(f"text is {text!r}")
        return self._joiner.decode(text.encode("utf-16-le", "surrogatepass"))

    def _check_ids(self, ids: list[int], text: Any) -> None:
        """Raise an error for tokens that have text on the server but are not in this tokenizer."""
        size = len(self._tokenizer)
        unknown = [i for i in ids if not 0 <= i < size]
        if unknown and text:
            raise ValueError(
                f"token {unknown[0]} is not in the tokenizer, which has {size} tokens: pass the "
                "tokenizer of the model that the server has as tokenizer="
            )

    def _logprobs(self, reported: dict[str, Any] | None) -> tuple[TokenLogprob, ...]:
        if reported is None or self._request.logprobs is None:
            return ()
        tokens = reported.get("tokens") or []
        tops = reported.get("top_logprobs") or [None] * len(tokens)
        read = []
        for token, logprob, top in zip(tokens, reported["token_logprobs"], tops, strict=True):
            name = self._piece(token)
            if name in (self._tokenizer.eos_token, ""):
                continue
            best = sorted((top or {}).items(), key=lambda pair: -pair[1])[: self._request.logprobs]
            pairs = tuple((self._piece(t), float(p)) for t, p in best)
            read.append(TokenLogprob(name, float(logprob), pairs))
        return tuple(read)

    def _piece(self, token: str) -> str:
        """Return a token's piece, given vLLM's `token_id:123`."""
        if token.startswith("token_id:"):
            piece = self._tokenizer.convert_ids_to_tokens(int(token.removeprefix("token_id:")))
            return str(piece)
        return token
