"""一つの GPU で Swallow を動かし、文書の質問に答える。

Swallow on one GPU, end to end: check that the model fits, bring the index up to date, ask.

    python examples/15_one_gpu.py --model tokyotech-llm/Qwen3-Swallow-8B-RL-v0.2 --quantization 8bit

Without --model the demo model answers on the CPU; it is small, and shows how, not how well.
"""

import argparse
import tempfile
import time
from pathlib import Path

from langchain_swallow import (
    ChatSwallow,
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
    create_rag_chain,
    resolve_model,
    sync_folder,
)

QUESTIONS = ("試用期間はどのくらいですか。", "社歌を作曲したのは誰ですか。")

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="demo")
parser.add_argument("--quantization", choices=("8bit", "4bit"))
parser.add_argument("--max-tokens", type=int, help="several thousand for a model that thinks")
parser.add_argument("--documents", type=Path, default=Path(__file__).parent / "documents")
parser.add_argument("--index", type=Path, help="by default a temporary folder")
arguments = parser.parse_args()
is_demo = arguments.model == "demo"

if not is_demo:
    info = resolve_model(arguments.model)
    sizes = info.as_dict()["memory_gib"]
    weights = sizes[arguments.quantization] if arguments.quantization else info.weights_gib()
    cache = info.kv_cache_gib_per_1000_tokens
    print(
        f"{info.name} ({info.release_date}): {weights:.1f} GiB and {cache:.2f} GiB / 1,000 tokens"
    )

max_tokens = arguments.max_tokens or (64 if is_demo else 4096)
llm = ChatSwallow(model=arguments.model, quantization=arguments.quantization, max_tokens=max_tokens)
index = arguments.index or Path(tempfile.mkdtemp(prefix="index-"))
store = SwallowFAISS(SwallowEmbeddings("demo") if is_demo else SwallowEmbeddings(), path=index)
# Only new and changed files are read and embedded; run it as often as you like.
print(sync_folder(store, arguments.documents, splitter=JapaneseTextSplitter(300, llm)))

rag = create_rag_chain(llm, HybridRetriever(store=store))
for question in QUESTIONS:
    began = time.perf_counter()
    answer = rag.invoke(question)
    print(f"\n{question}\n{answer.text}  ({time.perf_counter() - began:.1f} s)")
    for citation in answer.citations:
        print(f"  [{citation.number}] {citation.place} {citation.status}")
