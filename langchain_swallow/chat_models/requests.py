"""Builds engine requests from a prompt and generation parameters."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from langchain_swallow.catalog import GREEDY, Sampling
from langchain_swallow.chat_models.generation import GenerationOptions
from langchain_swallow.chat_models.structured_output import (
    answer_grammar,
    answer_schema,
    schema_instruction,
)
from langchain_swallow.chat_models.tools import ToolUse, tool_use
from langchain_swallow.engines.protocol import Grammar, Request
from langchain_swallow.prompts import Turn
from langchain_swallow.prompts.tokenizer import Tokenizer
from langchain_swallow.text.surrogates import replace_surrogates

# LangChain passes `stop` separately from the other parameters of a call.
_NAMES = frozenset(GenerationOptions.model_fields) - {"stop"}
# Parameters that LangChain passes along, and that are read elsewhere or ignored.
_PASSED_ALONG = {
    "model",
    "stream",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "strict",
}


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """The constraint on an answer: free text, JSON of a schema, or tool calls."""

    tools: ToolUse | None = None
    schema: dict[str, Any] | None = None

    def for_tokenizer(self, tokenizer: Tokenizer, *, is_templated: bool) -> "AnswerForm":
        """Return this form in the syntax of the chat template, if it writes the prompts."""
        if self.tools is None:
            return self
        return replace(self, tools=self.tools.for_tokenizer(tokenizer, is_templated=is_templated))

    @property
    def template_arguments(self) -> dict[str, Any]:
        """Arguments for the chat template."""
        return self.tools.template_arguments if self.tools else {}

    @property
    def channel(self) -> str:
        """Text at the start of an answer if the grammar includes Harmony's channels, else empty."""
        return self.tools.shown.answer if self.tools else ""

    @property
    def instructions(self) -> list[Turn]:
        """System turns that describe the tools or the schema to the model."""
        schema = schema_instruction(self.schema) if self.schema else None
        texts = [self.tools.description if self.tools else None, schema]
        return [("system", text) for text in texts if text]

    @property
    def grammar(self) -> Grammar | None:
        """The grammar that enforces the constraint; `None` for free text."""
        if self.tools:
            return self.tools.grammar
        return answer_grammar(self.schema) if self.schema else None


def output_constraint(call: dict[str, Any]) -> AnswerForm:
    """Return the constraint that a call's parameters put on its answer.

    Raises:
        GrammarError: A schema has a part that cannot be enforced.
        ValueError: `tool_choice` or `response_format` is unknown.
    """
    schema = answer_schema(call.get("response_format"))
    tools = tool_use(
        call.get("tools"),
        call.get("tool_choice"),
        call.get("parallel_tool_calls"),
        schema,
    )
    return AnswerForm(tools, schema)


def merge_parameters(defaults: GenerationOptions, call: dict[str, Any]) -> GenerationOptions:
    """Return the defaults, updated and validated with a call's parameters.

    Raises:
        TypeError: A parameter is unknown; none is ignored silently.
        ValueError: A value is out of its range.
    """
    overrides = {name: value for name, value in call.items() if name not in _PASSED_ALONG}
    if unknown := sorted(overrides.keys() - _NAMES):
        raise TypeError(
            f"Unknown parameter {unknown[0]!r}. Per call there are model, stop, tools, "
            f"tool_choice, response_format, {', '.join(sorted(_NAMES))}."
        )
    return GenerationOptions(**{name: getattr(defaults, name) for name in _NAMES} | overrides)


def requests_for(
    prompt_ids: list[int],
    parameters: GenerationOptions,
    stop: list[str] | str | None,
    grammar: Grammar | None = None,
    *,
    default_sampling: Sampling = GREEDY,
    drops_first_space: bool = True,
) -> list[Request]:
    """Return one request for each of the `n` answers; with a seed, they get successive seeds."""
    overrides = {field.name: getattr(parameters, field.name) for field in fields(Sampling)}
    sampling = replace(default_sampling, **{k: v for k, v in overrides.items() if v is not None})
    stop = [stop] if isinstance(stop, str) else stop
    wants_logprobs = parameters.logprobs or parameters.top_logprobs is not None
    seed = parameters.seed
    return [
        Request(
            prompt_ids=tuple(prompt_ids),
            max_tokens=parameters.max_tokens,
            **asdict(sampling),
            repetition_penalty=parameters.repetition_penalty,
            seed=None if seed is None else seed + i,
            stop=tuple(map(replace_surrogates, stop or ())),
            logprobs=(parameters.top_logprobs or 0) if wants_logprobs else None,
            timeout_s=parameters.timeout,
            grammar=grammar,
            drops_first_space=drops_first_space,
        )
        for i in range(parameters.n)
    ]
