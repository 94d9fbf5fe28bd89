"""The options of a chat model that say which checkpoint to load and how; loads nothing."""

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
    """An engine that was passed to a chat model, and its name there.

    Copies of the chat model, including those of `configurable_fields`, share it.

    Args:
        engine: The engine.
        model: Its name; any other `model=` is loaded as usual.
        fingerprint: Returns a text that is equal only for equal weights. The default is unique to
            this object, so that other engines do not get its cached answers.
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


# The chat model writes prompts, so engines do not need the format.
_FOR_ENGINES = set(LoadingOptions.model_fields) - {"prompt_format"}
# The demo model supports more, but it was trained with Swallow's context window.
_DEMO_CONTEXT_WINDOW = 4096


class LoadingParameters(LoadingOptions):
    """The loading options of a chat model, which it converts to engine settings."""

    @field_validator("engine")
    @classmethod
    def _is_an_engine(cls, name: str) -> str:
        check_engine(name)
        return name

    def load_settings(self, model: str) -> LoadSettings:
        """Return the settings to load `model`: this object's or one named in a call."""
        info = chat_model_info(model)
        options = self.model_dump(include=_FOR_ENGINES)
        options["model"] = info.repo_id if info else model
        window = _DEMO_CONTEXT_WINDOW if model == DEMO else None
        return LoadSettings(**options, context_window=window)


def with_own_options(fields: dict[str, Any]) -> dict[str, Any]:
    """Move options that only one engine has from the fields to `engine_options`."""
    engine_options = {name: fields[name] for name in own_options() if name in fields}
    if not engine_options:
        return fields
    others = {name: value for name, value in fields.items() if name not in engine_options}
    return {**others, "engine_options": {**others.get("engine_options", {}), **engine_options}}


def model_profile(model: str) -> ModelProfile:
    """Return LangChain's profile of a model; for a folder, from its `config.json`."""
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
        # For other models, only the tokenizer shows whether they think, and it is not loaded here.
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
