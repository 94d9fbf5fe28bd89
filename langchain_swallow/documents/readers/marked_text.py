"""Reads LaTeX, reStructuredText and source code as their text, with the headings in them."""

import re
from collections.abc import Callable, Iterator

from langchain_swallow.documents.readers.section import LeftOut, Section, Sections

_MAX_LINE = 5_000
_TEX_LEVELS = "part chapter section subsection subsubsection paragraph subparagraph".split()
# One level of braces in a title, as in \section{The \emph{first} part}.
_TEX_HEADING = re.compile(
    rf"[ \t]*\\({'|'.join(_TEX_LEVELS)}|title)\*?\s*(?:\[[^\]]*\])?\s*"
    r"\{((?:[^{}]|\{[^{}]*\})*)\}"
)
_TEX_COMMAND = re.compile(r"\\[A-Za-z]+\*?\s*|[{}~]")
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*\Z")
_DEFINITION = re.compile(
    r"([ \t]*)(?:(?:export|default|public|private|protected|internal|static|final|abstract|sealed|"
    r"async|virtual|override|unsafe|pub(?:\([^)]*\))?|partial|data|open|inline)\s+)*"
    r"(?:def|class|function\*?|func|fn|interface|struct|enum|module|trait|impl|namespace|sub|object"
    r"|record|type|macro_rules!)\s+([^\s({:;=<][^({:;=]*)"
)


def read_tex(text: str) -> list[Section]:
    r"""Read LaTeX by its headings (\title, \part to \subparagraph); the text stays as written."""
    return _sections(text, _tex_headings)


def read_rst(text: str) -> list[Section]:
    """Read reStructuredText by its underlined headings; the text stays as it is written."""
    return _sections(text, _rst_headings)


def read_code(text: str) -> list[Section]:
    """Read source code; classes and functions are headings, by their indentation.

    Code that a program has packed into long lines is left out: it says nothing to a reader.
    """
    if max(map(len, text.split("\n"))) > _MAX_LINE:
        return Sections([], [LeftOut("code in lines of over 5,000 characters", is_loss=False)])
    return _sections(text, _definitions)


_Headings = Callable[[list[str]], Iterator[tuple[int, int, str]]]


def _sections(text: str, find: _Headings) -> list[Section]:
    """Cut the text before its headings, which `find` yields as index of the line, level, title."""
    lines = text.split("\n")
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    start = 0

    def end_section(end: int) -> None:
        begin = next((i for i in range(start, end) if lines[i].strip()), None)
        if begin is not None:
            titles = tuple(title for _, title in path)
            body = "\n".join(lines[begin:end]).rstrip()
            sections.append(Section(body, titles, line=begin + 1))

    for index, level, title in find(lines):
        end_section(index)
        path = [*(above for above in path if above[0] < level), (level, title)]
        start = index
    end_section(len(lines))
    return sections


def _tex_headings(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    for index in range(len(lines)):
        # A title may continue on the next lines.
        if found := _TEX_HEADING.match("\n".join(lines[index : index + 3])):
            level = 0 if found[1] == "title" else _TEX_LEVELS.index(found[1]) + 1
            if title := " ".join(_TEX_COMMAND.sub(" ", found[2]).split()):
                yield index, level, title


def _rst_headings(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    levels: dict[tuple[str, bool], int] = {}
    for index in range(len(lines) - 1):
        title, below = lines[index].rstrip(), _ADORNMENT.fullmatch(lines[index + 1])
        if not title or not below or _ADORNMENT.fullmatch(title):
            continue
        above = lines[index - 1].rstrip() if index else ""
        has_above = above == lines[index + 1].rstrip()
        # Without a line above, an indented text is not a title; the rest of a table is not one.
        if (title[0].isspace() and not has_above) or (index and above and not has_above):
            continue
        # The levels of the adornments are in the order in which a file uses them.
        level = levels.setdefault((below[1], has_above), len(levels) + 1)
        yield index - has_above, level, title.strip()


def _definitions(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    for index, line in enumerate(lines):
        if found := _DEFINITION.match(line):
            indentation = len(found[1].expandtabs(4))
            yield index, indentation, found[2].strip()
