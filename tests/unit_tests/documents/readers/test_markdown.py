"""Markdown: its blocks are found as its readers find them, and no word of it is lost."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_swallow.documents.readers import markdown
from langchain_swallow.documents.readers.markdown import read_markdown
from langchain_swallow.documents.readers.registry import read_content

CASES = {
    "underlined headings": (
        "総則\n====\n\n本文。\n\n休暇\n----\n\n10日。",
        [("総則\n\n本文。", ("総則",)), ("休暇\n\n10日。", ("総則", "休暇"))],
    ),
    "paragraph above a rule": ("会社は通知する。\n---\n次。", [("会社は通知する。\n\n次。", ())]),
    "closed heading": ("# 題 ##\n\n本文", [("題\n\n本文", ("題",))]),
    "heading with a wide space": ("##\u3000題\n本文", [("題\n\n本文", ("題",))]),
    "title": (
        "---\ntitle: 就業規則\nauthor: 山田\n---\n前文。\n\n## 休暇\n10日。",
        [
            ("就業規則\nauthor: 山田\n\n前文。", ("就業規則",)),
            ("休暇\n\n10日。", ("就業規則", "休暇")),
        ],
    ),
    "title beside a heading": (
        '---\ntitle: "規則（2025年版）"\n---\n# 規則\n本文。',
        [("規則（2025年版）\n\n規則\n\n本文。", ("規則",))],
    ),
    "rules above chapters": (
        "---\n\n# 第1章\n\n本文A\n\n---\n\n# 第2章\n\n本文B",
        [
            ("---", ()),
            ("第1章\n\n本文A\n\n---", ("第1章",)),
            ("第2章\n\n本文B", ("第2章",)),
        ],
    ),
    "rules around a sentence": ("---\n前文。\n\n---\n本文。", [("---\n前文。\n\n---\n本文。", ())]),
    "rules around a chapter with a name": (
        "---\n\n# 第1章\n\n担当: 山田\n\n---\n\n本文",
        [("---", ()), ("第1章\n\n担当: 山田\n\n---\n\n本文", ("第1章",))],
    ),
    "comment and list": (
        "---\n# 設定\n\ntitle: 題\ntags:\n- 規程\n  - 休暇\n---\n本文。",
        [("題\n# 設定\ntags:\n- 規程\n  - 休暇\n\n本文。", ("題",))],
    ),
    "TOML": (
        '+++\ntitle = "題"\n[extra]\nx = 1\n+++\n本文。',
        [("題\n[extra]\nx = 1\n\n本文。", ("題",))],
    ),
    "only a title": ("---\ntitle: 休業\n---\n", [("休業", ("休業",))]),
    "escaped bars": ("| A | B |\n|---|---|\n| a\\|b | `x\\|y` |", [("A: a|b、B: `x|y`", ())]),
    "one column, its rule without bars": ("| A |\n---\n| 1 |", [("A: 1", ())]),
    "rows longer than the head": (
        "| A | B |\n|---|---|\n| 1 | 2 | 三 |\n| 4 | 5 | 六\\|七 | 八",
        [("A: 1、B: 2、三\n\nA: 4、B: 5、六|七、八", ())],
    ),
    "table without outer bars": ("A | B\n--|:-:\n1 | 2", [("A: 1、B: 2", ())]),
    "table in a paragraph": (
        "前\n| A | B |\n|---|---|\n| 1 | 2 |\n後",
        [("前\n\nA: 1、B: 2\n\n後", ())],
    ),
    "table in a list": ("- い\n  | A | B |\n  |---|---|\n  | 1 | 2 |\n- ろ", None),
    "long fence": ("````\n```\n# x\n```\n````\n# 題\n本文", None),
    "tildes": ("~~~py\n# no\n\n# no\n~~~", [("~~~py\n# no\n\n# no\n~~~", ())]),
    "open fence": ("```\n# no\n\n# no", [("```\n# no\n\n# no", ())]),
    "wrapped lines": ("折り返した\n文です。\nand English\nwords", None),
    "wrapped item": ("- 長い項目の\n  続き\n- 次", [("- 長い項目の続き\n- 次", ())]),
    "wrapped quotation": ("> 引用の\n> 続き", [("> 引用の続き", ())]),
    "hard breaks": ("住所  \n電話\\\n内線", [("住所\n電話\\\n内線", ())]),
    "definitions": ("本文[^1]と[a]\n\n[a]: http://x.jp/\n\n[^1]: 脚注", None),
    "tasks": ("- [ ] 未\n- [x] 済", [("- [ ] 未\n- [x] 済", ())]),
    "indented code": ("本文\n\n    # no\n    code", [("本文\n\n# no\n    code", ())]),
    "HTML": ("<div>\n# no\n</div>\n\n<!-- 注 -->", [("<div>\n# no\n</div>\n\n<!-- 注 -->", ())]),
}
EXPECTED = {
    "table in a list": [("- い\n\nA: 1、B: 2\n\n- ろ", ())],
    "long fence": [("````\n```\n# x\n```\n````", ()), ("題\n\n本文", ("題",))],
    "wrapped lines": [("折り返した文です。 and English words", ())],
    "definitions": [("本文[^1]と[a]\n\n[a]: http://x.jp/\n\n[^1]: 脚注", ())],
}


@pytest.mark.parametrize("name", CASES)
def test_blocks_of_markdown(name):
    text, expected = CASES[name]
    found = [(section.text, section.headings) for section in read_markdown(text)]
    assert found == (expected or EXPECTED[name])


def test_sections_have_their_lines_and_contents_are_counted():
    contents = "- [一](#一)\n- [二](#二)\n- [三](#三)\n"
    text = (
        f"---\ntitle: 題\n---\n\n{contents}\n前文の\n続き。\n\n## 一\n甲。\n\n二\n--\n乙。\n## 三"
    )
    (content,) = read_content(text.encode(), "a.md")
    assert [(s.line, s.headings) for s in content.sections] == [
        (9, ("題",)),
        (12, ("題", "一")),
        (15, ("題", "二")),
        (18, ("題", "三")),
    ]
    (part,) = content.left_out
    assert (part.reason, part.count, part.is_loss) == ("tables of contents", 1, False)


LINES = st.sampled_from(
    [
        *(
            "語{}",
            "# 語{}",
            "## 語{}",
            "語{}\n===",
            "語{}\n---",
            "語{}  ",
            "語{}\\",
            "",
            "---",
            "***",
        ),
        *(
            "- 語{}",
            "  - 語{}",
            "1. 語{}",
            "- [ ] 語{}",
            "> 語{}",
            "> > 語{}",
            "    語{}",
            "\t語{}",
        ),
        *("```", "~~~", "````", "<div>語{}", "</div>", "<!-- 語{} -->", "*語{}*", "`語{}`"),
        *(
            "[語{}]: http://x",
            "[^1]: 語{}",
            "| 語{} | 語{} |",
            "|---|---|",
            "| 語{} |",
            "語{} | 語{}",
        ),
    ]
)


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(LINES, max_size=25))
def test_no_word_of_any_markdown_is_lost(lines):
    numbers = iter(range(1000, 9999))
    text = re.sub(r"\{\}", lambda _: str(next(numbers)), "\n".join(lines))
    found = "\n".join(" ".join([*s.headings, s.text]) for s in read_markdown(text))
    assert set(re.findall(r"語\d+", text)) <= set(re.findall(r"語\d+", found))


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(LINES, max_size=25), count=st.integers(1, 5))
def test_a_text_is_read_alike_however_many_lines_are_parsed_at_a_time(lines, count):
    text = "\n".join(lines)
    whole = read_markdown(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markdown, "_PARSED_LINES", count)
        assert read_markdown(text) == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "> ",
        "- ",
        "  - a\n",
        "[a](",
        "| a | b |\n",
        "```\n",
        "# a\n",
        "a\n=\n",
        "<div>\n",
        "*a",
        "[a]: b\n",
    ],
)
def test_time_grows_with_the_length_of_markdown(piece):
    begun = time.process_time()
    read_markdown(piece * 20_000)
    assert time.process_time() - begun < 15
