"""The engine on a device that is not the CPU: a stand-in for GPUs, in processes of its own."""

import json
import subprocess
import sys

import pytest
from torch.utils import backend_registration

pytestmark = pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"),
    reason="this torch takes no devices written in Python",
)

WAITS = """
import json
from tests.device_apart import Apart, NAME
from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.protocol import Request
from tests.support.local_engines import engine_of, prompts
from tests.support.tiny_models import tiny

model, passes = tiny(device=NAME), []
model.register_forward_hook(lambda *_: passes.append(1))
counts = {}
for name, options in (("greedy", {}), ("drawn", {"temperature": 1.0, "top_p": 0.9, "seed": 1})):
    engine = engine_of(model, prompt_lookup=False)
    Apart.waits, passes[:] = 0, []
    requests = [Request(prompt_ids=p, max_tokens=30, **options) for p in prompts(8)]
    for stream in [Stream(engine, request) for request in requests]:
        list(stream)
    engine.close()
    counts[name] = (Apart.waits, len(passes))
print(json.dumps(counts))
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=600, check=False
    )


def test_the_engines_tests_pass_there():
    done = run("-m", "pytest", "-q", "-p", "tests.device_apart", "-p", "no:cacheprovider",
               "tests/unit_tests/engines/local/test_engine.py",
               "tests/unit_tests/engines/local/test_joint_prefill.py")  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_a_pass_waits_for_the_device_once_and_once_for_each_token_drawn():
    done = run("-c", WAITS)
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout)
    waits, passes = counts["greedy"]
    assert waits <= passes
    waits, passes = counts["drawn"]
    assert waits <= passes + 8 * 30
