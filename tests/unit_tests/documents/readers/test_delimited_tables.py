"""CSV and TSV as other programs write them."""

import csv
import threading
import tracemalloc

import pytest

from langchain_swallow.documents.readers.csv import read_csv, read_tsv
from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.errors import DocumentError


def rows(text, name="a.csv"):
    (content,) = read_content(text.encode(), name)
    return [row for section in content.sections for row in section.text.split("\n\n")]


PRICES = ["品名: 机、単価: 1,234,567", "品名: 椅子、単価: 2,345"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("品名\t単価\n机\t1,234,567\n椅子\t2,345\n", PRICES),
        ("品名;単価\n机;1,234,567\n椅子;2,345\n", PRICES),
        ("品名|単価\n机|1,234,567\n椅子|2,345\n", PRICES),
        ('品名,単価\n机,"1,234,567"\n椅子,"2,345"\n', PRICES),
        ("sep=;\n品名;単価\n机;1,234,567\n椅子;2,345\n", PRICES),
        ("品名;単価\n机;1,5\n", ["品名: 机、単価: 1,5"]),
        ('品名,説明\n机,"大; 重い; 白; 古い"\n', ["品名: 机、説明: 大; 重い; 白; 古い"]),
        ('品名,説明\n机,"大きい\n重い"\n', ["品名: 机、説明: 大きい\n重い"]),
        ("品名,単価,備考\n", ["品名、単価、備考"]),
        ("品名,単価,備考\n机,9.5,\n", ["品名: 机、単価: 9.5", "空欄の列: 備考"]),
        ("品名,単価\n机,9.5,白\n椅子\n", ["品名: 机、単価: 9.5、白", "品名: 椅子"]),
        (
            "統計名:,国勢調査\n\n地域,人口,世帯\n東京,10,5\n大阪,8,4\n注）速報値\n",
            [
                "統計名: 国勢調査",
                "地域: 東京、人口: 10、世帯: 5",
                "地域: 大阪、人口: 8、世帯: 4",
                "注）速報値",
            ],
        ),
        (
            "2025年度価格表,,\n品名,色,値\n机,白,9.5\n",
            ["2025年度価格表", "品名: 机、色: 白、値: 9.5"],
        ),
        ("\ufeff品名,単価\n机,9.5\n", ["品名: 机、単価: 9.5"]),
        ("行\nあ\nい\n", ["行: あ", "行: い"]),
    ],
    ids=[
        "tabs", "semicolons", "bars", "quoted", "declared", "decimal commas", "quoted semicolons",
        "quoted lines", "only a head", "empty column", "ragged", "lines before and behind", "title",
        "byte order mark", "one column",
    ],
)  # fmt: skip
def test_rows_of_delimited_tables(text, expected):
    assert rows(text) == expected


def test_a_tsv_is_separated_by_tabs():
    assert rows("名\t値\nあ,い,う\t1,2,3\nえ,お,か\t4,5,6\n", "a.tsv") == [
        "名: あ,い,う、値: 1,2,3",
        "名: え,お,か、値: 4,5,6",
    ]
    # Some programs name any table so.
    assert rows("名,値\nあ,1\n", "a.tsv") == ["名: あ、値: 1"]


def test_cells_of_any_length_are_read_by_several_threads():
    before = csv.field_size_limit()
    long = "あ" * 200_000
    found = []
    threads = [
        threading.Thread(target=lambda: found.extend(read_csv(f"品名,説明\n机,{long}\n")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [section.text for section in found] == [f"品名: 机、説明: {long}"] * 8
    assert csv.field_size_limit() == before


def test_an_open_quotation_mark_is_refused_with_its_line():
    with pytest.raises(DocumentError, match=r"not a valid table from line 3 on.*mark may be open"):
        read_tsv('品名\t単価\n机\t9\n"椅子\t8\n棚\t7\n')
    # One in the last row takes nothing from others.
    assert rows('品名,単価\n机,9.5\n棚,"5') == ["品名: 机、単価: 9.5", "品名: 棚、単価: 5"]


def test_a_table_takes_few_times_the_memory_of_its_text():
    rows = "".join(f"机{n},{n},2025-04-01,総務部\n" for n in range(5000))
    text = f"品名,単価,納期,部署\n{rows}"
    tracemalloc.start()
    try:
        read_csv(text)
        # As lists of strings, the rows took 24 bytes for each character.
        assert tracemalloc.get_traced_memory()[1] < 18 * len(text)
    finally:
        tracemalloc.stop()
