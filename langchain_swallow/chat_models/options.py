"""Which checkpoint a chat model is, and how it is loaded; nothing is loaded here."""

import os
import uuid
from collections.abc import Callable
from typing import Any, Literal

from langchain_core.language_models import ModelProfile
from langchain_core.utils import secret_from_env
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from langchain_swallow.catalog import DEMO, PromptFormat, chat_model_info
from langchain_swallow.chat_models.checkpoint import folder_context_window
from langchain_swallow.engines.protocol import Engine
from langchain_swallow.engines.settings import EngineName, LoadSettings
from langchain_swallow.errors import EngineError


class HubToken(SecretStr):
    """The environment's `HF_TOKEN`: for the hub, and never sent to a server."""


def _token_from_environment() -> SecretStr | None:
    token = secret_from_env("HF_TOKEN", default=None)()
    return None if token is None else HubToken(token.get_secret_value())


def hub_token(fields: dict[str, Any]) -> dict[str, Any]:
    """The field `token` as the hub's, if it is: LangChain's `load` passes it as if it were given.

    >>> hub_token({"api_key": "key"})
    {}
    """
    token = fields.get("token")
    if not isinstance(token, str) or token != os.environ.get("HF_TOKEN"):
        return {}
    return {"token": HubToken(token)}


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


# The demo model could take more; it was trained on, and is shown with, Swallow's window.
_DEMO_CONTEXT_WINDOW = 4096


class LoadingParameters(BaseModel):
    """What decides which model is loaded, and how; see `ChatSwallow`."""

    model: str = "tokyotech-llm/Swallow-7b-instruct-v0.1"
    engine: EngineName = "auto"
    device: str | None = None
    device_map: str | None = None
    dtype: str = "auto"
    quantization: str | None = None
    attn_implementation: str | None = None
    revision: str | None = None
    cache_dir: str | None = None
    local_files_only: bool = False
    trust_remote_code: bool = False
    prompt_format: PromptFormat | None = None
    token: SecretStr | None = Field(default_factory=_token_from_environment, alias="api_key")
    tensor_parallel_size: int | None = Field(default=None, ge=1)
    pipeline_parallel_size: int | None = Field(default=None, ge=1)
    max_model_len: int | None = Field(default=None, ge=1)
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    speculative: Literal["auto", "prompt_lookup"] | None = "auto"
    engine_options: dict[str, Any] = Field(default_factory=dict)
    base_url: str | list[str] | None = None
    tokenizer: str | None = None
    served_model: str | None = None
    prompt_as: Literal["auto", "ids", "text"] = "auto"
    max_retries: int = Field(default=2, ge=0)

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    def load_settings(self, model: str) -> LoadSettings:
        """How to load `model`, the own one or one named in a call."""
        info = chat_model_info(model)
        token = self.token.get_secret_value() if self.token else None
        urls = [self.base_url] if isinstance(self.base_url, str) else self.base_url or []
        return LoadSettings(
            model=info.repo_id if info else model,
            engine=self.engine,
            context_window=_DEMO_CONTEXT_WINDOW if model == DEMO else None,
            device=self.device,
            device_map=self.device_map,
            dtype=self.dtype,
            quantization=self.quantization,
            attn_implementation=self.attn_implementation,
            revision=self.revision,
            cache_dir=self.cache_dir,
            local_files_only=self.local_files_only,
            trust_remote_code=self.trust_remote_code,
            token=token,
            tensor_parallel_size=self.tensor_parallel_size,
            pipeline_parallel_size=self.pipeline_parallel_size,
            max_model_len=self.max_model_len,
            gpu_memory_utilization=self.gpu_memory_utilization,
            speculative=self.speculative,
            engine_options=tuple(sorted(self.engine_options.items())),
            base_urls=tuple(urls),
            # The environment's HF_TOKEN is for the hub; a server gets a key that was given for it.
            api_key=None if isinstance(self.token, HubToken) else token,
            tokenizer=self.tokenizer,
            served_model=self.served_model,
            prompt_as=self.prompt_as,
            max_retries=self.max_retries,
        )


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
        video_inputs=False,
        pdf_inputs=False,
        tool_calling=True,
        structured_output=True,
    )
    if info:
        window: int | None = info.context_window
    else:
        window = _DEMO_CONTEXT_WINDOW if model == DEMO else folder_context_window(model)
    if window:
        profile |= ModelProfile(max_input_tokens=window, max_output_tokens=window)
    return profile
