"""Settings of an answer that a user may choose, with their ranges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import Runnable

from langchain_swallow._system.language import in_language
from langchain_swallow.prompts.presets import Preset, get_preset, list_presets
from langchain_swallow.serving.refusals import InvalidValueError

MAX_QUESTION_CHARS = 2000
MAX_SYSTEM_PROMPT_CHARS = 1000
# Minimum and maximum of each numeric setting.
BOUNDS: dict[str, tuple[float, float]] = {
    "k": (1, 10),
    "temperature": (0, 1.5),
}
MIN_ANSWER_TOKENS = 16
_DEFAULT_TOKENS, _DEFAULT_TOKENS_AFTER_THOUGHT = 256, 1024
_MAX_TOKENS, _MAX_SHARE_OF_WINDOW = 1024, 8


@dataclass(frozen=True, slots=True)
class AnswerLengths:
    """Default and maximum number of tokens of an answer.

    A thought before the answer does not count; the model's `max_reasoning_tokens` limits it.
    """

    default: int = _DEFAULT_TOKENS
    maximum: int = _MAX_TOKENS


def answer_lengths(llm: Any, default: int | None = None) -> AnswerLengths:
    """Return the lengths for a model.

    Args:
        llm: A loaded chat model.
        default: Default number of tokens; `None` is 256, or 1,024 for a model that thinks.

    The maximum is an eighth of the model's context window, and at least 1,024 and the default.
    """
    profile = getattr(llm, "profile", None) or {}
    window = getattr(llm, "context_window", None) or profile.get("max_input_tokens") or 0
    thinks = profile.get("reasoning_output")
    default = default or (_DEFAULT_TOKENS_AFTER_THOUGHT if thinks else _DEFAULT_TOKENS)
    return AnswerLengths(default, max(_MAX_TOKENS, window // _MAX_SHARE_OF_WINDOW, default))


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one answer.

    Args:
        preset: Name of a preset with the variables context and question.
        system_prompt: Replaces the preset's system prompt; empty keeps it.
        k: Number of passages in the prompt, 1 to 10.
        max_tokens: Maximum number of tokens of the answer, from 16 to the maximum of `lengths`;
            `None` is the default of `lengths`.
        temperature: 0 (greedy) to 1.5; `None` takes the model's default.
        lengths: Default and maximum length of the answer.
        parameters: More parameters of the chat model, which replace those above; the chat model
            validates them. Empty by default.

    Raises:
        InvalidValueError: A setting is out of its range.
    """

    preset: str = "質問応答"
    system_prompt: str = ""
    k: int = 4
    max_tokens: int | None = None
    temperature: float | None = None
    lengths: AnswerLengths = field(default_factory=AnswerLengths)
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.preset not in rag_presets():
            names = ", ".join(rag_presets())
            raise InvalidValueError(
                in_language(
                    f"preset に {self.preset!r} は指定できません。指定できる値: {names}",
                    f"preset must be one of {names}, not {self.preset!r}.",
                )
            )
        bounds = BOUNDS | {"max_tokens": (MIN_ANSWER_TOKENS, self.lengths.maximum)}
        for name, (minimum, maximum) in bounds.items():
            value = getattr(self, name)
            if value is not None and not minimum <= value <= maximum:
                raise InvalidValueError(
                    in_language(
                        f"{name} は {minimum} から {maximum} までです。指定した値: {value}",
                        f"{name} must be from {minimum} to {maximum}, not {value}.",
                    )
                )
        if len(self.system_prompt) > MAX_SYSTEM_PROMPT_CHARS:
            raise InvalidValueError(
                in_language(
                    f"system_prompt は {MAX_SYSTEM_PROMPT_CHARS} 文字までです。",
                    f"system_prompt is longer than {MAX_SYSTEM_PROMPT_CHARS} characters.",
                )
            )

    def chosen_preset(self) -> Preset:
        """Return the preset, with the user's system prompt."""
        return get_preset(self.preset).with_system_prompt(self.system_prompt)

    def bound(self, llm: Any) -> Runnable[Any, Any]:
        """Return the model, bound to this length and temperature."""
        parameters: dict[str, Any] = {"max_tokens": self.max_tokens or self.lengths.default}
        if self.temperature is not None:
            parameters["temperature"] = self.temperature
        bound: Runnable[Any, Any] = llm.bind(**{**parameters, **self.parameters})
        return bound


def rag_presets() -> list[str]:
    """Return the names of the presets that answer from documents."""
    required = {"context", "question"}
    return [preset.name for preset in list_presets() if set(preset.variables) == required]
