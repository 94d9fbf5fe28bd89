"""Prompt presets: the built-in ones, and one's own.

python examples/03_presets.py
"""

import argparse

from langchain_swallow import ChatSwallow, get_preset, list_presets, register_preset
from langchain_swallow.prompts.presets import Preset

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="demo")
llm = ChatSwallow(model=parser.parse_args().model, max_tokens=64)

for preset in list_presets():
    print(f"{preset.name}: {preset.description} {preset.variables}")

summarise = get_preset("要約").template | llm
print(
    summarise.invoke({"text": "梅雨は、5月から7月にかけて来る曇りや雨の多い期間のことです。"}).text
)

register_preset(
    Preset(
        name="敬語",
        description="文章を敬語に直す。",
        instruction="次の文章を敬語に直してください。",
        input="{text}",
        example={"text": "明日行く。"},
    )
)
print((get_preset("敬語").template | llm).invoke({"text": "明日行く。"}).text)
