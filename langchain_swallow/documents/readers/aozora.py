"""Reads texts of Aozora Bunko: removes ruby and annotations, and keeps headings.

The notation is described at <https://www.aozora.gr.jp/annotation/>: ruby 漢字《かんじ》, with ｜
where the base text begins; annotations ［＃…］; characters outside JIS ※［＃「…」、U+9AD9、…］.
"""

import re

from langchain_swallow.documents.readers.section import LeftOut, SectionBuilder, Sections

_MARKS = re.compile(r"［＃|【テキスト中に現れる記号について】|^底本：", re.MULTILINE)
_HEADER = re.compile(r"^-{20,}\n.*?^-{20,}\n", re.DOTALL | re.MULTILINE)
_COLOPHON = re.compile(r"^底本：", re.MULTILINE)
_CODE_POINT = re.compile(r"※［＃[^］]*?U\+([0-9A-Fa-f]{4,6})[^］]*］")
# Plane, row and cell of JIS X 0213, as in 第3水準1-14-87 and 二の字点、1-2-22.
_JIS_CODE = re.compile(r"※［＃[^］]*?(?<![0-9-])([12])-([0-9]{1,2})-([0-9]{1,2})(?![0-9-])[^］]*］")
_UNKNOWN = re.compile(r"※［＃「([^」]*)」[^］]*］")
_RUBY = re.compile(r"《[^》\n]*》")
_HEADING = re.compile(r"^(.*)［＃「[^」]*」は(大|中|小)見出し］\s*$")
_BLOCK_HEADING = re.compile(r"［＃(大|中|小)見出し］(.*?)［＃\1見出し終わり］", re.DOTALL)
_NOTE = re.compile(r"［＃[^］]*］")
_LEVELS = {"大": 1, "中": 2, "小": 3}


def is_aozora(text: str) -> bool:
    """Whether a text uses Aozora Bunko's notation, with ruby or annotations to remove."""
    return bool(_MARKS.search(text)) and ("《" in text or "［＃" in text)


def read_aozora(text: str) -> Sections:
    """Divide a text at its headings; its first line, the title, is above all of them.

    Ruby readings, layout annotations, the legend and the colophon are left out. `left_out` counts
    the readings, and the legend and colophon.
    """
    body = _HEADER.sub("", text, count=1)
    colophon = _COLOPHON.search(body)
    body = body[: colophon.start()] if colophon else body
    lines = body.strip("\n").split("\n")
    builder = SectionBuilder()
    if lines and len(lines[0]) <= 60 and "。" not in lines[0]:
        builder.heading(0, _plain(lines.pop(0)))
    for line in _BLOCK_HEADING.sub(r"\2［＃「」は\1見出し］", "\n".join(lines)).split("\n"):
        heading = _HEADING.match(line)
        if heading:
            builder.heading(_LEVELS[heading[2]], _plain(heading[1]))
        else:
            builder.block(_plain(line))
    counts = {
        "readings (ruby)": len(_RUBY.findall(body)),
        "legend and colophon of Aozora Bunko": bool(colophon) + bool(_HEADER.search(text)),
    }
    by_design = [LeftOut(reason, count=n, is_loss=False) for reason, n in counts.items() if n]
    return Sections(builder.sections(), by_design)


def _plain(line: str) -> str:
    """Return a line with only the base text of ruby, and without annotations."""
    line = _CODE_POINT.sub(lambda code: chr(int(code[1], 16)), line)
    line = _JIS_CODE.sub(_jis_character, line)
    # A character without a code point is described in words; keep the description.
    line = _UNKNOWN.sub(r"〔\1〕", line)
    return _NOTE.sub("", _RUBY.sub("", line)).replace("｜", "").strip()


def _jis_character(code: re.Match[str]) -> str:
    """Return the character with a JIS X 0213 code, or the annotation if there is none."""
    plane, row, cell = map(int, code.groups())
    try:
        data = bytes([*([0x8F] if plane == 2 else []), 0xA0 + row, 0xA0 + cell])
        return data.decode("euc_jis_2004")
    except (UnicodeDecodeError, ValueError):
        return code[0]
