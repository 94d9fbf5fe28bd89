"""First answers: a question, a conversation, parameters per call.

    python examples/01_first_chat.py --model tokyotech-llm/Swallow-7b-instruct-v0.1

Without --model the embedded demo model answers; it is small, and shows how, not how well.
"""

import argparse

from langchain_core.messages import AIMessage, HumanMessage

from langchain_swallow import ChatSwallow

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="demo")
llm = ChatSwallow(model=parser.parse_args().model, max_tokens=64)

answer = llm.invoke("日本の首都はどこですか。")
print(answer.text)
print(answer.usage_metadata, answer.response_metadata["finish_reason"])

history = [
    HumanMessage("私の名前は田中です。"),
    AIMessage("田中さん、はじめまして。"),
    HumanMessage("私の名前を覚えていますか。"),
]
print(llm.invoke(history).text)

# Sampling, repeatable with its seed.
print(llm.invoke("俳句を一つ詠んでください。", temperature=0.9, top_p=0.95, seed=1).text)
