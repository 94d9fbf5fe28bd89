"""Code blocks of the documentation, and why one of them is not run."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

DOCS = ROOT / "docs"
# Guides; the others hold figures, help texts or drawings.
GUIDES = ("index", "tutorial", "howto", "models", "rag", "serve", "evaluation", "scaling",
          "deploy", "security", "migration", "troubleshooting", "architecture", "benchmarks",
          "demo-model")  # fmt: skip

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_SHELL_COMMENT = re.compile(r"\s+#.*$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block; `reason` says why it is not run."""

    language: str
    code: str
    reason: str | None

    @property
    def without_comments(self) -> str:
        """What has to be the same in both languages."""
        if self.language == "python":
            return ast.unparse(ast.parse(self.code))
        return _SHELL_COMMENT.sub("", self.code)


def blocks(path: Path, *languages: str) -> list[Block]:
    """The blocks of a page in these languages, without any in all."""
    found = [
        Block(match["language"], match["code"], match["reason"])
        for match in _BLOCK.finditer(path.read_text("utf-8"))
    ]
    return [block for block in found if not languages or block.language in languages]
