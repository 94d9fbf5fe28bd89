"""`FakeEngine` returns queued answers and records its requests, for tests without a model.

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
    """Returns queued answers, one character per chunk, before `submit` returns.

    An answer ends at the text of one of the request's stop tokens, and the next request gets the
    rest: `"考える</think>10日です。"` is a thought and the answer that follows it.

    Args:
        answers: Texts to answer with, or exceptions to report; one for each request, in order.
        tokenizer: Encodes the prompts and counts the tokens of the answers.
        context_window: Maximum number of tokens of prompt and answer together. Default: 4,096.

    `requests` lists every request, oldest first.
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
        """Answer before returning.

        Raises:
            EngineError: All queued answers are used.
        """
        self.requests.append(request)
        if not self._answers:
            raise EngineError(
                f"FakeEngine has no answer for request {len(self.requests)}. Pass more answers."
            )
        answer = self._answers.popleft()
        if isinstance(answer, Exception):
            sink(answer)
            return self
        answer, token = self._up_to_stop_token(answer, request)
        # Each character of the queued answer is one token.
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
        """Do nothing: the answer is complete when `submit` returns."""

    def release_cpu_threads(self) -> None:
        """Do nothing: the engine has no threads."""

    def close(self) -> None:
        """Do nothing: the engine holds no resource."""
