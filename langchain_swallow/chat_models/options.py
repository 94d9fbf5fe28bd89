"""Which checkpoint a chat model is, and how it is loaded; nothing is loaded here."""

import uuid
from collections.abc import Callable
from typing import Any

from langchain_core.language_models import ModelProfile
from pydantic import field_validator

from langchain_swallow.catalog import DEMO, chat_model_info
from langchain_swallow.chat_models.checkpoint import folder_context_window
from langchain_swallow.engines.options import LoadingOptions
from langchain_swallow.engines.protocol import Engine
from langchain_swallow.engines.registry import check_engine, own_options
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.errors import EngineError


class LoadedEngine:
    """An engine that was passed to a chat model, and the name by which that knows it.

    It stays with every copy of the chat model, and with what `configurable_fields` makes of it.

    Args:
        engine: Made by somebody else.
        model: Its name; another `model=` is loaded as usual.
        fingerprint: Gives a text that is the same for the same weights only; by default one for
            this object alone, so that no other engine is given its cached answers.
    """

    def __init__(
        self, engine: Engine, model: str, fingerprint: Callable[[], str] | None = None
    ) -> None:
        self.engine = engine
        self.model = model
        unique = uuid.uuid4().hex
        self.fingerprint = fingerprint or (lambda: unique)

    def __copy__(self) -> "LoadedEngine":
        return self

    def __deepcopy__(self, memo: Any) -> "LoadedEngine":
        return self

    def __reduce__(self) -> Any:
        raise EngineError(
            f"The chat model {self.model!r} has an engine of this process and cannot be pickled. "
            "Save the model to a folder and use ChatSwallow(model=FOLDER), or make it in each "
            "process."
        )


# Prompts are written here, and by no engine.
_FOR_ENGINES = set(LoadingOptions.model_fields) - {"prompt_format"}
# The demo model could take more; it was trained on, and is shown with, Swallow's window.
_DEMO_CONTEXT_WINDOW = 4096


class LoadingParameters(LoadingOptions):
    """The options of a chat model for loading, which it turns into an engine's settings."""

    @field_validator("engine")
    @classmethod
    def _is_an_engine(cls, name: str) -> str:
        check_engine(name)
        return name

    def load_settings(self, model: str) -> LoadSettings:
        """How to load `model`, the own one or one named in a call."""
        info = chat_model_info(model)
        options = self.model_dump(include=_FOR_ENGINES)
        options["model"] = info.repo_id if info else model
        window = _DEMO_CONTEXT_WINDOW if model == DEMO else None
        return LoadSettings(**options, context_window=window)


def with_own_options(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a chat model, those that one engine alone has among its `engine_options`."""
    engine_options = {name: fields[name] for name in own_options() if name in fields}
    if not engine_options:
        return fields
    others = {name: value for name, value in fields.items() if name not in engine_options}
    return {**others, "engine_options": {**others.get("engine_options", {}), **engine_options}}


def model_profile(model: str) -> ModelProfile:
    """What LangChain may know of a model before it is loaded; of a folder, its `config.json`'s."""
    info = chat_model_info(model, by_folder_name=True)
    profile = ModelProfile(
        name=info.name if info else model,
        open_weights=True,
        text_inputs=True,
        text_outputs=True,
        image_inputs=False,
        audio_inputs=False,
        image_url_inputs=False,
        video_inputs=False,
        pdf_inputs=False,
        image_tool_message=False,
        pdf_tool_message=False,
        image_outputs=False,
        audio_outputs=False,
        video_outputs=False,
        attachment=False,
        tool_calling=True,
        tool_choice=True,
        tool_call_streaming=True,
        structured_output=True,
        temperature=True,
    )
    if info or model == DEMO:
        # Of other models only the tokenizer says whether they think, and it is not loaded here.
        profile |= ModelProfile(reasoning_output=bool(info and info.thinking))
    if info:
        profile |= ModelProfile(status="active", release_date=info.release_date)
        if info.thinking == "harmony":
            profile |= ModelProfile(
                reasoning_effort_levels=["low", "medium", "high"], reasoning_effort_default="medium"
            )
        window: int | None = info.context_window
    else:
        window = _DEMO_CONTEXT_WINDOW if model == DEMO else folder_context_window(model)
    if window:
        profile |= ModelProfile(max_input_tokens=window, max_output_tokens=window)
    return profile
