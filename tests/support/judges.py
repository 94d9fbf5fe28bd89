"""Chat models that answer by a rule and say how often they were asked."""

import threading

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr


class RuleModel(BaseChatModel):
    """Answers `rule(messages, parameters)`; keeps what it was asked."""

    rule: object

    _calls: list = PrivateAttr(default_factory=list)
    _lock: object = PrivateAttr(default_factory=threading.Lock)

    @property
    def calls(self):
        return self._calls

    @property
    def _llm_type(self):
        return "rule"

    def _generate(self, messages, stop=None, run_manager=None, **parameters):
        text = self.rule(messages, parameters)
        with self._lock:
            self._calls.append((messages, parameters))
        usage = {"input_tokens": len(messages), "output_tokens": 1, "total_tokens": 1}
        usage["total_tokens"] += usage["input_tokens"]
        message = AIMessage(text, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])


def echo(messages, parameters):
    """An answer that differs with the question, the turn and the seed."""
    return f"回答{len(messages)}: {messages[-1].content} ({parameters.get('seed')})"
