"""Chunks of CSV files say which rows they are from."""

from itertools import pairwise

import pytest
from langchain_core.documents import Document

from langchain_swallow.documents import load_documents
from langchain_swallow.documents.split import JapaneseTextSplitter
from langchain_swallow.rag.citation import document_place
from langchain_swallow.text.passages import join_chunks
from langchain_swallow.text.row_numbers import row_finder


def loaded(tmp_path, text):
    path = tmp_path / "料金.csv"
    path.write_text(text, encoding="utf-8")
    return load_documents(path)


def chunks(tmp_path, text, max_tokens):
    splitter = JapaneseTextSplitter(max_tokens, overlap=0)
    return splitter.split_documents(loaded(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("品名,価格\n机,9\n椅子,8\n", {"品名: 机、価格: 9": 2, "品名: 椅子、価格: 8": 3}),
        ("品名,価格\n机,9\n\n,\n椅子,8\n", {"品名: 机、価格: 9": 2, "品名: 椅子、価格: 8": 5}),
        ("料金表,\n\n品名,価格\n机,9\n", {"料金表": 1, "品名: 机、価格: 9": 4}),
        ("品名,価格,備考\n机,9,\n", {"品名: 机、価格: 9": 2, "空欄の列: 備考": 1}),
        ("品名,価格\n机,9\n椅子,8\n※税別,\n", {"品名: 椅子、価格: 8": 3, "※税別": 4}),
        ("会社名,青空製作所\n代表者,山田太郎\n", {"会社名: 青空製作所": 1, "代表者: 山田太郎": 2}),
        ("品名,価格\n", {"品名、価格": 1}),
        ('品名,説明\n机,"白\n\n黒"\n椅子,赤\n', {"黒": 2, "品名: 椅子、説明: 赤": 3}),
        ("sep=,\n品名,価格\n机,9\n", {"品名: 机、価格: 9": 2}),
    ],
    ids="plain empty-rows title unused note pairs header blank-lines declaration".split(),
)
def test_a_line_of_a_csv_file_has_the_number_of_its_row(tmp_path, text, expected):
    (document,) = loaded(tmp_path, text)
    whole = document.page_content
    rows = row_finder(whole, document.metadata)
    places = {line: whole.index(line) for line in expected}
    found = {line: rows(place, place + len(line)) for line, place in places.items()}
    assert found == {line: {"row": n, "last_row": n} for line, n in expected.items()}


def test_a_chunk_of_several_rows_has_the_first_and_the_last(tmp_path):
    text = "品名,価格\n" + "".join(f"机{n},{n}円\n" for n in range(100))
    found = chunks(tmp_path, text, max_tokens=60)
    spans = [(c.metadata["row"], c.metadata["last_row"]) for c in found]
    assert spans[0][0] == 2
    assert spans[-1][1] == 101
    assert all(after[0] == before[1] + 1 for before, after in pairwise(spans))
    assert all("row_offsets" not in c.metadata for c in found)
    first, last = spans[1]
    assert document_place(found[1]) == f"料金.csv {first}-{last}行"


def test_the_place_of_one_row_is_its_number(tmp_path):
    (chunk,) = chunks(tmp_path, "品名,価格\n机,9\n", max_tokens=300)
    assert document_place(chunk) == "料金.csv 2行"


def test_joined_chunks_have_the_rows_of_both(tmp_path):
    first, second, *_ = chunks(tmp_path, "品名,価格\n机,9\n椅子,8\n", max_tokens=12)
    _, joined = join_chunks(
        second.page_content, second.metadata, first.page_content, first.metadata
    ) or ("", {})
    assert (joined.get("row"), joined.get("last_row")) == (2, 3)


def test_fields_of_other_types_are_no_rows():
    assert document_place(Document("", metadata={"source": "a", "row": "x", "last_row": 2})) == "a"
