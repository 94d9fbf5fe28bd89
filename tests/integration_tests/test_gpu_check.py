"""The script that measures a GPU, on a CPU, so that it runs on the day that there is one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.tokenizers import trained_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def test_each_step_of_the_gpu_check_runs(tmp_path):
    trained_tokenizer().save_pretrained(tmp_path / "tokenizer")
    script = ROOT / "tests" / "benchmarks" / "gpu_check.sh"
    results = tmp_path / "results.jsonl"
    options = ["--device", "cpu", "--shape", "tiny", "--small"]
    python = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [script, tmp_path / "tokenizer", results, *options],
        env=os.environ | python,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    steps: dict[str, dict] = {}
    for line in map(json.loads, results.read_text("utf-8").splitlines()):
        steps.setdefault(line.pop("step"), {}).update(line)
    assert list(steps) == [
        "machine", "attention", "equality", "decode", "memory", "leaving", "quantization", "errors",
    ]  # fmt: skip
    assert all(step["status"] == 0 for step in steps.values())
    assert steps["equality"]["equals_cpu"]
    assert steps["equality"]["equals_generate"]
    assert steps["leaving"]["idle"]
    assert steps["leaving"]["timeout"] == "GenerationTimeoutError"
    assert "go from 0 to" in steps["errors"]["error"]
    assert "logits are not numbers" in steps["errors"]["nan"]
