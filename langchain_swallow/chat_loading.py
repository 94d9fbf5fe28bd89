"""Which checkpoint a chat model is, and how it is loaded; nothing is loaded here."""

from typing import TYPE_CHECKING, Literal

from langchain_core.language_models import ModelProfile
from langchain_core.utils import secret_from_env
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from langchain_swallow.catalog import DEMO, ModelInfo, PromptFormat, chat_model_info

if TYPE_CHECKING:
    from langchain_swallow.engines.loading import LoadSettings

# The demo model could take more; it was trained on, and is shown with, Swallow's window.
_DEMO_CONTEXT_WINDOW = 4096


class LoadingParameters(BaseModel):
    """What decides which model is loaded, and how; see `ChatSwallow`."""

    model: str = "tokyotech-llm/Swallow-7b-instruct-v0.1"
    device: str | None = None
    device_map: str | None = None
    dtype: str = "auto"
    quantization: Literal["8bit", "4bit"] | None = None
    attn_implementation: str | None = None
    revision: str | None = None
    cache_dir: str | None = None
    local_files_only: bool = False
    trust_remote_code: bool = False
    prompt_format: PromptFormat | None = None
    token: SecretStr | None = Field(
        default_factory=secret_from_env("HF_TOKEN", default=None), alias="api_key"
    )

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    def load_settings(self, model: str) -> "LoadSettings":
        """How to load `model`, the own one or one named in a call."""
        from langchain_swallow.engines.loading import LoadSettings

        info = chat_model_info(model)
        return LoadSettings(
            model=info.repo_id if info else model,
            context_window=_DEMO_CONTEXT_WINDOW if model == DEMO else None,
            weights_gib=None if info is None else self._weights_gib(info),
            device=self.device,
            device_map=self.device_map,
            dtype=self.dtype,
            quantization=self.quantization,
            attn_implementation=self.attn_implementation,
            revision=self.revision,
            cache_dir=self.cache_dir,
            local_files_only=self.local_files_only,
            trust_remote_code=self.trust_remote_code,
            token=self.token.get_secret_value() if self.token else None,
        )

    def _weights_gib(self, info: ModelInfo) -> float:
        return info.weights_gib({None: 16, "8bit": 8, "4bit": 4}[self.quantization])


def model_profile(model: str) -> ModelProfile:
    """What LangChain may know of a model before it is loaded; of a folder, not its window."""
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
        tool_calling=False,
        structured_output=False,
    )
    if info or model == DEMO:
        window = info.context_window if info else _DEMO_CONTEXT_WINDOW
        profile |= ModelProfile(max_input_tokens=window, max_output_tokens=window)
    return profile
