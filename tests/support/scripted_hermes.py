"""An engine that answers as a model of Qwen3's form does, by what its prompt says."""

import json
import re

from langchain_swallow.engines.fake import FakeEngine

_TOOLS = re.compile(r"<tools>\n(.*?)\n</tools>", re.DOTALL)
_SCHEMA = re.compile(r"次の JSON スキーマに従って、JSON だけで答えてください。\n(.*?)<\|im_end\|>")
# Of the user's last turn.
_QUESTION = re.compile(r".*<\|im_start\|>user\n(.*?)<\|im_end\|>", re.DOTALL)


class ScriptedHermes(FakeEngine):
    """Thinks, then calls the first tool, answers in the schema, or says where a result leads.

    Args:
        tokenizer: With Qwen3's template.
    """

    def __init__(self, tokenizer):
        super().__init__([], tokenizer, context_window=8192)

    def submit(self, request, sink):
        if not self._answers:
            prompt = self.tokenizer.decode(request.prompt_ids)
            # Only a request that may think has the end of a thought among its stop tokens.
            thought = "考える。</think>" if request.stop_tokens else ""
            self._answers.append(thought + answer_to(prompt))
        return super().submit(request, sink)


def answer_to(prompt):
    """What a model that was trained on tools says."""
    (question,) = _QUESTION.match(prompt).groups()
    if question.startswith("<tool_response>"):
        return f"ツールの結果は {question} です。"
    if tools := _TOOLS.search(prompt):
        function = json.loads(tools[1].split("\n")[0])["function"]
        call = {"name": function["name"], "arguments": _value(function["parameters"], question)}
        return f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"
    if schema := _SCHEMA.search(prompt):
        return json.dumps(_value(json.loads(schema[1]), question), ensure_ascii=False)
    return "こんにちは。お元気ですか。"


def _value(schema, question):
    """A value of a schema; its numbers are the question's."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], question)
    if schema.get("type") == "object":
        return {k: _value(part, question) for k, part in schema.get("properties", {}).items()}
    if schema.get("type") == "integer":
        return int((re.findall(r"\d+", question) or ["1"])[0])
    return question
