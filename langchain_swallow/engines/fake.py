"""`FakeEngine`: answers from a queue and keeps its requests, for tests of what uses an engine.

`ChatSwallow.from_engine(FakeEngine(["10日です。"], tokenizer), model="fake")` is a chat model.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from langchain_swallow.engines.detokenizer import Detokenizer
from langchain_swallow.engines.protocol import Chunk, Finish, Request, Sink
from langchain_swallow.errors import EngineError
from langchain_swallow.prompts import encode_text
from langchain_swallow.prompts.tokenizer import Tokenizer


class FakeEngine:
    """Gives out queued answers, one character a chunk, before `submit` returns.

    An answer that has the text of one of the request's stop tokens ends there, and the next request
    is given the rest: `"考える</think>10日です。"` is a thought and the answer that follows it.

    Args:
        answers: Texts, or exceptions to report; one for each request, in order.
        tokenizer: Encodes the prompts and counts the tokens of the answers.
        context_window: Most tokens of prompt and answer together.

    `requests` has every request, oldest first.
    """

    name = "fake"

    def __init__(
        self,
        answers: Iterable[str | Exception],
        tokenizer: Tokenizer,
        *,
        context_window: int = 4096,
    ) -> None:
        self.tokenizer = tokenizer
        self.requests: list[Request] = []
        self._answers = deque(answers)
        self._context_window = context_window

    @property
    def context_window(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._context_window

    def submit(self, request: Request, sink: Sink) -> "FakeEngine":
        """Answer at once.

        Raises:
            EngineError: No answer is left.
        """
        self.requests.append(request)
        if not self._answers:
            raise EngineError(f"FakeEngine has no answer for request {len(self.requests)}.")
        answer = self._answers.popleft()
        if isinstance(answer, Exception):
            sink(answer)
            return self
        answer, token = self._up_to_stop_token(answer, request)
        # Its tokens are characters, as they were queued.
        reader = Detokenizer(lambda code: chr(code).encode(), request.stop, drops_first_space=False)
        for text in [*map(reader.push, map(ord, answer)), reader.finish()]:
            if text:
                sink(Chunk(text))
        tokens, stop = len(encode_text(answer, self.tokenizer)), reader.stop_sequence
        finish = Finish("stop", len(request.prompt_ids), tokens, stop_sequence=stop)
        sink(replace(finish, stop_token=token))
        return self

    def _up_to_stop_token(self, answer: str, request: Request) -> tuple[str, int | None]:
        texts = {self.tokenizer.convert_ids_to_tokens(i): i for i in request.stop_tokens}
        place, text = min(
            ((answer.find(text), text) for text in texts if text in answer), default=(0, "")
        )
        if not text:
            return answer, None
        self._answers.appendleft(answer[place + len(text) :])
        return answer[:place], texts[text]

    def cancel(self) -> None:
        """Nothing to stop: the answer was given already."""

    def make_way(self) -> None:
        """Nothing is in the way."""

    def close(self) -> None:
        """Nothing to free."""
