"""LangChain's standard suites on ChatHuggingFace and on ChatSwallow, with the demo model.

    python tests/benchmarks/standard_peer.py --output docs/runs/standard.json

The same checkpoint for both. The peer is what a user has: ChatHuggingFace over a local
HuggingFacePipeline.
"""

import argparse
import collections
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from langchain_huggingface import ChatHuggingFace
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_swallow.engines.demo import demo_model_folder
from langchain_swallow.evaluation.speed import chathuggingface
from langchain_swallow.evaluation.tables import Table, write_figures

MAX_TOKENS = 64
ROOT = Path(__file__).parents[2]


# Ver0.1 as a chat template: the demo model's tokenizer has none, and ChatHuggingFace needs one.
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'system' %}[INST] <<SYS>>\n{{ m['content'] }}\n<</SYS>>\n\n"
    "{% elif m['role'] == 'user' %}"
    "{% if loop.first or messages[loop.index0 - 1]['role'] != 'system' %}[INST] {% endif %}"
    "{{ m['content'] }} [/INST] "
    "{% else %}{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)


@cache
def peer() -> ChatHuggingFace:
    folder = Path(tempfile.mkdtemp())
    for file in demo_model_folder().iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    model = chathuggingface(str(folder), MAX_TOKENS, "auto")
    assert isinstance(model, ChatHuggingFace)
    assert model.tokenizer.chat_template == TEMPLATE
    return model


class PeerParameters:
    """A pipeline that is loaded once."""

    @property
    def chat_model_class(self) -> type[ChatHuggingFace]:
        return ChatHuggingFace

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"llm": peer().llm, "model_id": peer().model_id}


class TestUnit(PeerParameters, ChatModelUnitTests):
    pass


class TestIntegration(PeerParameters, ChatModelIntegrationTests):
    pass


class Outcomes:
    """What pytest says of each test."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
            self.counts[report.outcome] += 1
            if report.outcome == "failed":
                self.failed.append(report.nodeid.split("::")[-1])


def outcomes(*paths: Path) -> Outcomes:
    found = Outcomes()
    options = ["-q", "-p", "no:cacheprovider", "-W", "ignore", "--no-header", "--tb=no"]
    pytest.main([*options, *map(str, paths)], plugins=[found])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    tests = ROOT / "tests"
    ours = outcomes(
        tests / "unit_tests" / "test_standard.py", tests / "integration_tests" / "test_standard.py"
    )
    theirs = outcomes(Path(__file__))
    kinds = ("passed", "failed", "skipped")
    rows = [
        [name, *(str(found.counts[kind]) for kind in kinds)]
        for name, found in (("ChatSwallow", ours), ("ChatHuggingFace", theirs))
    ]
    table = Table("langchain-tests on the demo model", ["", *kinds], rows)
    print(table.markdown(), "\n".join(sorted(theirs.failed)), sep="\n\n")
    if arguments.output:
        write_figures(arguments.output, [table], {"failed_by_the_peer": sorted(theirs.failed)})


if __name__ == "__main__":
    sys.exit(main())
