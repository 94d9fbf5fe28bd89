"""What a user may choose for an answer, within bounds."""

from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import Runnable

from langchain_swallow.prompts.presets import Preset, get_preset, list_presets
from langchain_swallow.serving.refusals import InvalidValueError

LONGEST_QUESTION = 2000
LONGEST_SYSTEM_PROMPT = 1000
# Smallest and largest value of each number that a user may choose.
BOUNDS: dict[str, tuple[float, float]] = {
    "k": (1, 10),
    "max_tokens": (16, 1024),
    "temperature": (0, 1.5),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one answer.

    Args:
        preset: A preset with the variables context and question.
        system_prompt: Instead of the preset's; empty keeps that.
        k: Passages shown to the model, 1 to 10.
        max_tokens: Longest answer, 16 to 1024 tokens.
        temperature: 0 (always the likeliest) to 1.5; `None` leaves it to the model.

    Raises:
        InvalidValueError: One is out of its bounds.
    """

    preset: str = "質問応答"
    system_prompt: str = ""
    k: int = 4
    max_tokens: int = 256
    temperature: float | None = None

    def __post_init__(self) -> None:
        if self.preset not in rag_presets():
            raise InvalidValueError(f"preset must be one of {', '.join(rag_presets())}.")
        for name, (minimum, maximum) in BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not minimum <= value <= maximum:
                raise InvalidValueError(f"{name} must be from {minimum} to {maximum}.")
        if len(self.system_prompt) > LONGEST_SYSTEM_PROMPT:
            raise InvalidValueError(
                f"system_prompt is longer than {LONGEST_SYSTEM_PROMPT} characters."
            )

    def chosen_preset(self) -> Preset:
        """The preset, with the user's system prompt."""
        return get_preset(self.preset).with_system_prompt(self.system_prompt)

    def bound(self, llm: Any) -> Runnable[Any, Any]:
        """The model with these lengths and temperatures."""
        parameters: dict[str, Any] = {"max_tokens": self.max_tokens}
        if self.temperature is not None:
            parameters["temperature"] = self.temperature
        bound: Runnable[Any, Any] = llm.bind(**parameters)
        return bound


def rag_presets() -> list[str]:
    """Names of the presets that answer from documents."""
    wanted = {"context", "question"}
    return [preset.name for preset in list_presets() if set(preset.variables) == wanted]
