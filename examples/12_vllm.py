"""vLLM で速く答える。一つの GPU でも、複数の GPU でも、別のマシンのサーバーでも。

The same model through vLLM: in this process, or on servers.

    pip install vllm
    python examples/12_vllm.py --model tokyotech-llm/Swallow-7b-instruct-v0.1
    python examples/12_vllm.py --model tokyotech-llm/Swallow-70b-instruct-v0.1 --tensor-parallel 4
    bash examples/vllm_server.sh &
    python examples/12_vllm.py --model tokyotech-llm/Swallow-7b-instruct-v0.1 \
        --base-url http://localhost:8000/v1
"""

import argparse
import time

from langchain_swallow import ChatSwallow


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tokyotech-llm/Swallow-7b-instruct-v0.1")
    parser.add_argument("--tensor-parallel", type=int, default=1)
    parser.add_argument("--max-model-len", type=int, default=4096)
    parser.add_argument("--eager", action="store_true", help="do not compile: ready minutes sooner")
    parser.add_argument("--base-url", action="append", help="a server; again for several")
    arguments = parser.parse_args()

    if arguments.base_url:
        llm = ChatSwallow(
            model=arguments.model, engine="server", base_url=arguments.base_url, max_tokens=64
        )
    else:
        llm = ChatSwallow(
            model=arguments.model,
            engine="vllm",
            tensor_parallel_size=arguments.tensor_parallel,
            engine_options={
                "max_model_len": arguments.max_model_len,
                "enforce_eager": arguments.eager,
            },
            max_tokens=64,
        )
    llm.load()
    questions = [
        f"{year}年に日本で起きた出来事を一つ教えてください。" for year in range(2001, 2017)
    ]
    began = time.perf_counter()
    answers = llm.batch(questions)
    seconds = time.perf_counter() - began
    tokens = sum(answer.usage_metadata["output_tokens"] for answer in answers)
    print(answers[0].text)
    engine = answers[0].response_metadata["engine"]
    print(f"{engine}: {len(answers)} answers, {tokens / seconds:.0f} tokens/s")
    llm.unload()


# vLLM starts processes that import this file again.
if __name__ == "__main__":
    main()
