"""The tables of README and `docs/*.md`: figures of `docs/runs`, help texts, models; and pictures.

    python -m tests.benchmarks.page

Between `<!-- figures: NAME -->` and `<!-- end -->` stand the command, the day, the machine and a
table of `docs/runs/NAME.json`; `NAME#2` is its second table, and `NAME in English` has the names of
metrics in English. Between
`<!-- help: en COMMAND -->` and the end stand the command's options, those of the engine under
`<!-- help: en engine -->`; after `<!-- models -->` the catalog; after
`<!-- cards: en -->` which model fits which GPU; after `<!-- headlines: en -->` six figures; after
`<!-- loading options: en -->` and `<!-- generation options: en -->` the parameters of the chat
model; after `<!-- http api: en -->` the requests of the server; after `<!-- gpu: en -->` what
`gpu_check.sh` showed on a GPU. The rest is written by people.
"""

import json
import os
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path
from unittest.mock import patch

from langchain_swallow import ModelInfo, list_models
from langchain_swallow.cli import _parser
from langchain_swallow.evaluation.rag.report import NAMES
from langchain_swallow.evaluation.tables import Table
from tests.benchmarks.cards import cards_table
from tests.benchmarks.headlines import headlines_table
from tests.benchmarks.http_api import http_api_page
from tests.benchmarks.parameters import parameters_table
from tests.benchmarks.pictures import draw_pictures

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DATA = ROOT / "langchain_swallow" / "data"
PAGES = tuple(
    path
    for path in sorted(chain(DOCS.glob("*.md"), ROOT.glob("README*.md"), DATA.glob("*.md")))
    if "<!-- end -->" in path.read_text("utf-8")
)
RUNS = DOCS / "runs"
_BLOCK = re.compile(
    r"<!-- figures: ([\w-]+)(?:#(\d+))?( in English)? -->\n.*?<!-- end -->", re.DOTALL
)
_MODELS = re.compile(r"<!-- models -->\n.*?<!-- end -->", re.DOTALL)
_OPTIONS = re.compile(r"(<!-- (\w+) options: (ja|en) -->\n).*?<!-- end -->", re.DOTALL)
_CARDS = re.compile(r"<!-- cards: (ja|en)( in README)? -->\n.*?<!-- end -->", re.DOTALL)
_HEADLINES = re.compile(r"<!-- headlines: (ja|en) -->\n.*?<!-- end -->", re.DOTALL)
_HTTP_API = re.compile(r"<!-- http api: (ja|en) -->\n.*?<!-- end -->", re.DOTALL)
_GPU = re.compile(r"(<!-- gpu: (ja|en) -->\n).*?<!-- end -->", re.DOTALL)
_HELP = re.compile(r"(<!-- help: (ja|en) ([\w -]+?) -->\n).*?<!-- end -->", re.DOTALL)
# Shown once: the same for every command that runs a model.
_ENGINE = "engine"
_ENGINE_TITLES = {"ja": "モデルの実行:", "en": "Engine:"}


def fill(text: str) -> str:
    """The page with its blocks written anew."""

    def block(match: re.Match[str]) -> str:
        name, number = match[1], int(match[2] or 1)
        figures = json.loads((RUNS / f"{name}.json").read_text(encoding="utf-8"))
        table = Table(**figures["tables"][number - 1])
        if match[3]:
            table = replace(table, rows=[list(map(_in_english, row)) for row in table.rows])
        opening = match[0].split("\n", 1)[0]
        return f"{opening}\n{_how(figures)}\n\n{table.markdown()}\n<!-- end -->"

    text = _HTTP_API.sub(_http_api, text)
    text = _HEADLINES.sub(_headlines, _CARDS.sub(_cards, _OPTIONS.sub(_options, text)))
    text = _GPU.sub(_gpu, text)
    return _MODELS.sub(_models, _HELP.sub(_help, _BLOCK.sub(block, text)))


def _in_english(cell: str) -> str:
    """A cell of a report that was written in Japanese."""
    return dict(NAMES.values()).get(cell, cell).replace(" 秒", " s")


def _gpu(match: re.Match[str]) -> str:
    """The results of `gpu_check.sh`, or that there are none."""
    opening, lang = match.groups()
    results = RUNS / "gpu.jsonl"
    if not results.exists():
        missing = {"ja": "まだ実行していません。", "en": "It has not been run yet."}
        return f"{opening}{missing[lang]}\n<!-- end -->"
    rows = []
    for line in results.read_text("utf-8").splitlines():
        step, *figures = json.loads(line).items()
        rows.append([step[1], ", ".join(f"{name} {_short(value)}" for name, value in figures)])
    header = {"ja": ["項目", "結果"], "en": ["step", "result"]}
    return f"{opening}{Table('', header[lang], rows).markdown()}\n<!-- end -->"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _cards(match: re.Match[str]) -> str:
    """Which model for which GPU."""
    table = cards_table(match[1], in_readme=bool(match[2]))
    return f"<!-- cards: {match[1]}{match[2] or ''} -->\n{table}\n<!-- end -->"


def _headlines(match: re.Match[str]) -> str:
    """Six figures with what they are compared with."""
    return f"<!-- headlines: {match[1]} -->\n{headlines_table(match[1])}\n<!-- end -->"


def _options(match: re.Match[str]) -> str:
    """Every parameter of a chat model."""
    return f"{match[1]}{parameters_table(match[2], match[3])}\n<!-- end -->"


def _http_api(match: re.Match[str]) -> str:
    """Every request of the server."""
    return f"<!-- http api: {match[1]} -->\n{http_api_page(match[1])}\n<!-- end -->"


def _models(_: re.Match[str]) -> str:
    """Every checkpoint."""
    return f"<!-- models -->\n{models_table(list_models())}\n<!-- end -->"


def models_table(models: list[ModelInfo]) -> str:
    """Checkpoints with their dates, scores and sizes."""
    header = ["model", "date", "MT-Bench", "params", "format", "tools", "context", "bf16", "8 bit",
              "4 bit", "KV / 1,000 tokens", "license"]  # fmt: skip
    rows = [
        [
            f"`{m.name}`", m.release_date, _number(m.japanese_mt_bench, 3), _parameters(m),
            m.prompt_format or "base model", _tool_form(m), f"{m.context_window:,}",
            f"{m.weights_gib():.1f}",
            *(_number(m.as_dict()["memory_gib"][bits], 1) for bits in ("8bit", "4bit")),
            f"{m.kv_cache_gib_per_1000_tokens:.2f}", m.licence,
        ]
        for m in models
    ]  # fmt: skip
    return Table("", header, rows).markdown()


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _tool_form(model: ModelInfo) -> str:
    return (model.tool_form or "Japanese") if model.is_instruct else "–"


def _parameters(model: ModelInfo) -> str:
    total = f"{model.parameters / 1e9:.1f} B"
    return f"{total} ({model.active_parameters / 1e9:.1f})" if model.shape.experts else total


def _help(match: re.Match[str]) -> str:
    """All options of a command, as wide as a page and the same for every user."""
    opening, lang, command = match.groups()
    fixed = {
        "COLUMNS": "90",
        "SWALLOW_CONFIG": "config.toml",
        "NO_COLOR": "1",
        "SWALLOW_LANG": lang,
    }
    with patch.dict(os.environ, fixed):
        parser = _parser()
        for name in ("ask" if command == _ENGINE else command).split():
            (commands,) = (a.choices for a in parser._actions if isinstance(a.choices, dict))
            parser = commands[name]
        parts = parser.format_help(everything=True).strip().split("\n\n")
    engine = [part for part in parts if part.startswith(_ENGINE_TITLES[lang])]
    shown = engine if command == _ENGINE else [part for part in parts if part not in engine]
    return opening + "```text\n" + "\n\n".join(shown) + "\n```\n<!-- end -->"


def _how(figures: dict) -> str:
    machine = figures["machine"]
    hardware = f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB"
    versions = ", ".join(
        f"{name} {machine[name]}" for name in ("torch", "transformers", "vllm") if name in machine
    )
    return f"`{figures['command']}`  \n{figures['date']}, {hardware}, {versions}"


def main() -> None:
    draw_pictures()
    for page in PAGES:
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
