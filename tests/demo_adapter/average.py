"""A point between two adapters of one training line, weight by weight.

    python -m tests.demo_adapter.average runs/second/adapter.safetensors \
        runs/third/adapter.safetensors --share .25 --output runs/mean

Between two points that one run leads through lie some that are better than either (model soups,
Wortsman et al., 2022). Here the share sets how readily the model refuses. The second adapter may
have more ranks: what it adds is in the mean with its share.
"""

import argparse
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("first", type=Path)
parser.add_argument("second", type=Path)
parser.add_argument("--output", type=Path, required=True, help="folder")
parser.add_argument("--share", type=float, default=0.5, help="of the second adapter")
arguments = parser.parse_args()

first, second = load_file(arguments.first), load_file(arguments.second)
with safe_open(arguments.second, "pt") as file:
    metadata = file.metadata()
mean = {}
for name, tensor in second.items():
    # Of the ranks that the first adapter lacks, A is the second's and B is zero: they add nothing.
    start = tensor.float().clone() if "lora_A" in name else torch.zeros_like(tensor).float()
    start[tuple(map(slice, first[name].shape))] = first[name].float()
    mean[name] = torch.lerp(start, tensor.float(), arguments.share).to(torch.bfloat16)
arguments.output.mkdir(parents=True, exist_ok=True)
save_file(mean, arguments.output / "adapter.safetensors", metadata=metadata)
