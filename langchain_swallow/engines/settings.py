"""The settings that decide which engine is started and how it loads a model."""

from typing import Any

from pydantic import ConfigDict, Field, SecretStr, field_validator

from langchain_swallow.engines.options import HubToken, LoadingOptions


class LoadSettings(LoadingOptions):
    """The options of one model, as engines take them; equal settings share an engine.

    `prompt_format` is not set, because the chat model writes the prompts.
    """

    context_window: int | None = Field(
        default=None, description="Most tokens of prompt and answer; `None` takes the model's own."
    )

    model_config = ConfigDict(frozen=True)

    @field_validator("base_url", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value or None

    def __hash__(self) -> int:
        # Hashes the fields that differ most often; lists and dicts cannot be hashed and are only
        # compared.
        return hash((self.model, self.engine, self.device, self.dtype, self.quantization))

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Addresses of the servers; empty if there is none."""
        return tuple(self.base_url or ())

    @property
    def has_server(self) -> bool:
        """Whether a server answers, so that no model is loaded in this process."""
        return self.engine == "server" or (self.engine == "auto" and bool(self.base_urls))

    @property
    def api_key(self) -> str | None:
        """The API key for a server; never the environment's `HF_TOKEN`."""
        return None if isinstance(self.token, HubToken) else _secret(self.token)

    @property
    def hub(self) -> dict[str, Any]:
        """Arguments of huggingface_hub and transformers that say where to get files."""
        return {
            "revision": self.revision,
            "cache_dir": self.cache_dir,
            "local_files_only": self.local_files_only,
            "token": _secret(self.token),
        }


def _secret(token: SecretStr | None) -> str | None:
    return token.get_secret_value() if token else None
