"""What decides which engine is started, and how it loads a model."""

from dataclasses import dataclass, field
from typing import Any, Literal

EngineName = Literal["auto", "transformers", "vllm", "server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """What makes two engines the same.

    Args:
        model: `"demo"`, a hub id or a local directory.
        engine: Which engine; `"auto"` takes a server if there are `base_urls`, vLLM where it is
            installed and a CUDA device is there, else transformers.
        context_window: Most tokens of prompt and answer; `None` takes the model's own.
        device: `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`; `None` takes the best there is.
        device_map: As in transformers; over several GPUs `"auto"`.
        dtype: `"auto"`, `"bfloat16"`, `"float16"` or `"float32"`.
        quantization: `"8bit"` or `"4bit"` (bitsandbytes), or a name that vLLM knows.
        tensor_parallel_size: GPUs that share each layer (vLLM).
        pipeline_parallel_size: Groups of layers on GPUs or machines of their own (vLLM).
        max_model_len: Window that vLLM makes room for.
        gpu_memory_utilization: Share of a GPU's memory that vLLM takes, in (0, 1].
        speculative: `"prompt_lookup"` guesses tokens from the prompt; `"auto"` does with
            transformers, where it adapts to what holds, and leaves it to vLLM.
        engine_options: Further arguments of vLLM's `AsyncEngineArgs`.
        base_urls: Servers.
        api_key: Theirs; `token` is the hub's and never sent to them.
        tokenizer: Folder or hub id of the tokenizer, if it is not the model's (server).
        served_model: Name of the model on the servers.
        prompt_as: `"ids"`, `"text"`, or `"auto"` to find out what a server takes.
        max_retries: Tries after the first (server); every one of several is tried, unless it is 0.
    """

    model: str
    engine: EngineName = "auto"
    context_window: int | None = None
    device: str | None = None
    device_map: str | None = None
    dtype: str = "auto"
    quantization: str | None = None
    attn_implementation: str | None = None
    revision: str | None = None
    cache_dir: str | None = None
    local_files_only: bool = False
    trust_remote_code: bool = False
    token: str | None = None
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    speculative: Literal["auto", "prompt_lookup"] | None = "auto"
    # Compared, but not hashed: vLLM's options may be dicts.
    engine_options: tuple[tuple[str, Any], ...] = field(default=(), hash=False)
    base_urls: tuple[str, ...] = ()
    api_key: str | None = None
    tokenizer: str | None = None
    served_model: str | None = None
    prompt_as: Literal["auto", "ids", "text"] = "auto"
    max_retries: int = 2

    @property
    def has_server(self) -> bool:
        """Whether a server answers, and nothing is loaded here."""
        return self.engine == "server" or (self.engine == "auto" and bool(self.base_urls))

    @property
    def hub(self) -> dict[str, Any]:
        """Arguments of huggingface_hub, and of transformers, that say where files are from."""
        return {
            "revision": self.revision,
            "cache_dir": self.cache_dir,
            "local_files_only": self.local_files_only,
            "token": self.token,
        }
