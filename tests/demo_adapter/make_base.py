"""Make the folder that train.py starts from: the demo model without its adapter.

python -m tests.demo_adapter.make_base runs/demo-base
"""

import argparse
import tempfile
from pathlib import Path

import torch

from langchain_swallow.engines import demo

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("output", type=Path)
output = parser.parse_args().output
with tempfile.TemporaryDirectory() as folder:
    demo.unpack_gguf(Path(folder))
    demo.dequantized(Path(folder)).to(torch.bfloat16).save_pretrained(output)
    demo.convert_tokenizer(Path(folder), output)
print(output)
