"""Packed weights on CPUs that have less: a process of its own, whose oneDNN is limited."""

import os
import subprocess
import sys

WITHOUT_AVX512 = """
import torch
from langchain_swallow.engines.local.packing import PackedLinear, pack_linear_layers
from tests.support.tiny_models import tiny_llama

model = tiny_llama().to(torch.bfloat16)
pack_linear_layers(model)
with torch.inference_mode():
    assert model(torch.tensor([[1, 2]])).logits.isfinite().all()
print(any(isinstance(module, PackedLinear) for module in model.modules()))
"""


def test_bfloat16_is_left_as_it_is_where_the_cpu_cannot_pack_it():
    limited = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_AVX512],
        env=limited, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "False", done.stderr
