"""Example files that are not run here: the server script and the compose file."""

import os
import subprocess

import yaml

from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"


def test_the_compose_file_is_two_replicas_on_loopback():
    made = yaml.safe_load((EXAMPLES / "docker-compose.yml").read_text(encoding="utf-8"))
    services = made["services"]
    assert sorted(services) == ["vllm-0", "vllm-1"]
    for number, service in enumerate(services.values()):
        assert service["image"].startswith("vllm/vllm-openai:v")
        assert service["ports"] == [f"127.0.0.1:{8000 + number}:8000"]
        assert service["healthcheck"]["test"][-1].endswith("/health")
        (gpu,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert gpu["device_ids"] == [str(number)]
        assert any(argument.startswith("--api-key=") for argument in service["command"])
    assert set(made["volumes"]) == {"models"}


def test_the_server_script_starts_vllm_and_wants_a_key(tmp_path):
    (tmp_path / "vllm").write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    (tmp_path / "vllm").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["bash", str(EXAMPLES / "vllm_server.sh"), "some/model", "4"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "Set SWALLOW_API_KEY" in refused.stderr
    environment["SWALLOW_API_KEY"] = "k"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("serve some/model --tensor-parallel-size 4")
    # The model's own context window, unless another is asked for: thoughts are long.
    assert "--max-model-len" not in done.stdout
    command += ["--max-model-len", "16384"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("--max-model-len 16384\n")
