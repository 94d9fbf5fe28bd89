"""The same model as a stream, as a batch and in an event loop.

    python examples/02_streaming_batch_async.py

A batch, and concurrent calls from any number of threads and tasks, run as one batch on the device.
"""

import argparse
import asyncio

from langchain_swallow import ChatSwallow

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="demo")
llm = ChatSwallow(model=parser.parse_args().model, max_tokens=48)

for chunk in llm.stream("自己紹介をしてください。"):
    print(chunk.text, end="", flush=True)
print()

for answer in llm.batch(["一番高い山は。", "一番長い川は。", "一番大きい湖は。"]):
    print(answer.text)


async def main() -> None:
    tasks = [llm.ainvoke(f"{n}の次の数は。") for n in (1, 2, 3)]
    for answer in await asyncio.gather(*tasks):
        print(answer.text)
    async for chunk in llm.astream("ありがとう。"):
        print(chunk.text, end="", flush=True)
    print()


asyncio.run(main())
