"""Reads Markdown as sections, by its headings.

markdown-it finds the blocks. The text of a section is the source itself, so that it can be quoted;
only wrapped lines are joined, and each row of a table repeats the column names.
"""

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from langchain_swallow.documents.layout.titles import Titles
from langchain_swallow.documents.readers.lines import with_lines
from langchain_swallow.documents.readers.section import LeftOut, Section, SectionBuilder, Sections
from langchain_swallow.documents.readers.table_rows import table_rows

_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?\n)?\1[ \t]*(?:\n|\Z)", re.DOTALL)
# What may begin a line of the front matter: a name, an item, a comment, a continuation.
_FIELD = re.compile(r"[^\s:=#-][^:=]*[:=]|[ \t#\[\]{}]|- |\Z")
_NAME = re.compile(r"^[^\s:=#-][^:=\n]*[:=]", re.MULTILINE)
_HEADING_IN_IT = re.compile(r"(?:\A|\n)[ \t]*\n {0,3}#{1,6}[ \t\u3000]")
_TITLE = re.compile(r"^title\s*[:=]\s*(.*?)\s*$", re.MULTILINE | re.IGNORECASE)
# Japanese input methods type an ideographic space after #, which the parser does not accept.
_WIDE_SPACE = re.compile(r"^( {0,3}#{1,6})\u3000", re.MULTILINE)
_CELL_END = re.compile(r"(?<!\\)\|")
# An entry of a table of contents.
_LINK = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+\[([^\]]*)\]\(#[^)]+\)\s*")
# Marks of bold, italic and code in a heading or an entry.
_MARKS = re.compile(r"[*_`]")
_MIN_LINKS = 3
_PARSED_LINES = 500
# A longer underlined text is a paragraph above a rule, without the empty line, not a heading.
_MAX_UNDERLINED = 80


def read_markdown(text: str) -> Sections:
    """Read the sections of a Markdown text; each row of a table repeats the column names.

    In a list that only has links, such as a table of contents, the entries that repeat a heading of
    the text are left out. If the text has no heading of the first level, the `title` of the front
    matter is above all headings. The rest of the front matter is text.
    """
    # The parser ends a line at each of these, as the output of a notebook has them.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    front = _front_matter(text)
    fields = (front[2] or "") if front else ""
    reader = _Reader(_WIDE_SPACE.sub(r"\1 ", text[front.end() :] if front else text))
    # Find the lines before the title is added, which is elsewhere in the file.
    sections = list(with_lines(reader.sections(), text))
    by_design = LeftOut("tables of contents", count=reader.contents, is_loss=False)
    return Sections(
        _with_front_matter(sections, fields, is_titled=reader.is_titled)
        if fields.strip()
        else sections,
        [by_design] if reader.contents else [],
    )


def _front_matter(text: str) -> re.Match[str] | None:
    """Match the front matter; a first line `---` may also be a rule above text."""
    front = _FRONT_MATTER.match(text)
    fields = (front[2] or "") if front else ""
    is_text = fields.strip() and (
        not _NAME.search(fields)
        or _HEADING_IN_IT.search(fields)
        or not all(map(_FIELD.match, fields.split("\n")))
    )
    return None if is_text else front


def _with_front_matter(
    sections: Sequence[Section], fields: str, *, is_titled: bool
) -> list[Section]:
    """Add the front matter to the sections; `is_titled` is whether the text has an h1."""
    named = _TITLE.search(fields)
    title = named[1].strip("\"'") if named else ""
    others = fields[: named.start()] + fields[named.end() :] if named else fields
    beginning, *rest = sections or [Section("")]
    first = [line for line in others.split("\n") if line.strip()]
    if not beginning.text.startswith(title):
        first.insert(0, title)
    text = "\n\n".join(filter(None, ["\n".join(first), beginning.text]))
    found = [replace(beginning, text=text), *rest]
    if is_titled or not title:
        return found
    return [
        section
        if section.headings[:1] == (title,)
        else replace(section, headings=(title, *section.headings))
        for section in found
    ]


class _Block(NamedTuple):
    """What is kept of a block: its token's type, and the line after it.

    `content` is the text of a paragraph or heading without the marks around it, `mark` and `level`
    are those of a heading, and `rows` are the written rows of a table.
    """

    type: str
    behind: int
    content: str = ""
    mark: str = ""
    level: int = 0
    rows: Sequence[str] = ()


class _Reader:
    """Reads the blocks of one text, from the first line to the last."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._starts: dict[int, _Block] = {}
        self._builder = SectionBuilder()
        self._block: list[str] = []
        self.contents = 0
        self.is_titled = False
        titles = []
        for start, tokens in _parsed(self._lines):
            for i, token in enumerate(tokens):
                if token.type == "heading_open":
                    titles.append(_MARKS.sub("", tokens[i + 1].content))
                    self.is_titled |= token.tag == "h1"
                if token.map and (block := self._found(tokens, i, start)):
                    self._starts.setdefault(start + token.map[0], block)
        self._titles = Titles(titles)

    def _found(self, tokens: Sequence[Token], i: int, start: int) -> _Block | None:
        """The block that begins with a token; `None` if its lines are read as they are."""
        token = tokens[i]
        assert token.map is not None
        first, behind = (start + line for line in token.map)
        if token.type in ("fence", "code_block"):
            return _Block(token.type, behind)
        if token.type == "table_open":
            # The parser also takes text directly below a table as a row.
            below = itertools.takewhile(lambda line: "|" in line, self._lines[first + 2 : behind])
            lines = [*self._lines[first : first + 2], *below]
            cells = list(itertools.islice(_table(tokens[i:]), len(lines) - 1))
            for row, line in zip(cells[1:], lines[2:], strict=True):
                row += _cells_too_many(line, len(cells[0]))
            return _Block(token.type, first + len(lines), rows=table_rows(cells))
        if token.type == "paragraph_open" and behind > first + 1:
            return _Block(token.type, behind, tokens[i + 1].content)
        if token.type == "heading_open" and not token.level:
            content = tokens[i + 1].content
            return _Block(token.type, behind, content, token.markup, int(token.tag[1]))
        return None

    def sections(self) -> list[Section]:
        self._read()
        return self._builder.sections()

    def _read(self) -> None:
        line = 0
        while line < len(self._lines):
            if block := self._starts.pop(line, None):
                line = self._add(line, block)
            elif self._lines[line].strip():
                # List marks without text, link definitions and HTML are kept as they are.
                self._block.append(self._lines[line])
                line += 1
            else:
                self._flush()
                line += 1
        self._flush()

    def _add(self, first: int, block: _Block) -> int:
        """Read a block, and return the line after it."""
        lines = self._lines[first : block.behind]
        if block.type == "paragraph_open":
            self._block.append(_joined(lines, block.content))
        elif block.type == "table_open":
            self._flush()
            for row in block.rows:
                self._builder.block(row)
        elif block.type == "heading_open":
            self._heading(block, lines)
        else:
            self._flush()
            self._builder.block("\n".join(lines))
        return max(block.behind, first + 1)

    def _heading(self, block: _Block, lines: Sequence[str]) -> None:
        title = block.content
        is_underlined = block.mark in ("-", "=")
        if is_underlined and ("。" in title or len(title) > _MAX_UNDERLINED):
            self._block.append(_joined(lines[:-1], title))
            self._flush()
            return
        self._flush()
        if title := " ".join(title.split("\n")).strip():
            self._builder.heading(block.level, title)

    def _flush(self) -> None:
        if len(self._block) >= _MIN_LINKS and all(map(_LINK.fullmatch, self._block)):
            entries = self._block
            self._block = [entry for entry in entries if not self._is_title(entry)]
            self.contents += len(self._block) < len(entries)
        self._builder.block("\n".join(self._block))
        self._block.clear()

    def _is_title(self, entry: str) -> bool:
        link = _LINK.fullmatch(entry)
        return link is not None and _MARKS.sub("", link[1]) in self._titles


@functools.cache
def _parser() -> MarkdownIt:
    """A parser of blocks only: inline text is kept as it is written."""
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


def _parsed(lines: Sequence[str]) -> Iterator[tuple[int, list[Token]]]:
    """Yield the tokens of some of the lines at a time, and the line from which theirs count.

    The tokens of a whole text take up to 15 times its memory. The last of the outermost blocks may
    go on behind the lines; it is parsed again with those.
    """
    start, count = 0, _PARSED_LINES
    while start < len(lines):
        tokens = _parser().parse("\n".join(lines[start : start + count]))
        behind = start + count
        if behind < len(lines):
            outermost = [i for i, one in enumerate(tokens) if one.level == 0 <= one.nesting]
            if len(outermost) < 2:
                count *= 2
                continue
            last = tokens[outermost[-1]]
            assert last.map is not None
            behind = start + last.map[0]
            tokens = tokens[: outermost[-1]]
        yield start, tokens
        start, count = behind, _PARSED_LINES


def _joined(lines: Sequence[str], content: str) -> str:
    """Join the wrapped lines of a paragraph after the mark of its list or quotation."""
    first, *others = content.split("\n")
    start = lines[0].find(first)
    if start < 0 or not others:
        return "\n".join(lines)
    text = lines[0][:start] + first
    for line in others:
        text = _with_next(text, line.lstrip())
    return text.rstrip()


def _with_next(text: str, line: str) -> str:
    if text.endswith(("  ", "\\")):
        # An explicit line break.
        return f"{text.rstrip()}\n{line}"
    text = text.rstrip()
    is_japanese = text[-1:] > "\u2e7f" and line[:1] > "\u2e7f"
    return f"{text}{line}" if is_japanese else f"{text} {line}"


def _table(tokens: Sequence[Token]) -> Iterator[list[str]]:
    inside = itertools.takewhile(lambda token: token.type != "table_close", tokens)
    row: list[str] = []
    for token in inside:
        if token.type == "inline":
            row.append(token.content.strip())
        elif token.type == "tr_close":
            yield row
            row = []


def _cells_too_many(line: str, width: int) -> list[str]:
    """The cells of a row after the last column, which the parser drops."""
    cells = _CELL_END.split(line.strip(" \t>").removeprefix("|").removesuffix("|"))
    return [cell.strip().replace("\\|", "|") for cell in cells[width:]]
