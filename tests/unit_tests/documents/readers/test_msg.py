"""Messages of Outlook: Unicode and CP932, attachments, messages in messages."""

import shutil
import struct
from email.message import EmailMessage

import pytest
from compressed_rtf import compress

from langchain_swallow.documents.load import load_documents
from langchain_swallow.documents.readers import libreoffice
from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.errors import DocumentError
from tests.support.ole import ole_file

needs_libreoffice = pytest.mark.skipif(
    shutil.which("soffice") is None, reason="LibreOffice is not installed"
)


def storage(texts, header=32, numbers=(), codec="utf-16-le", **children):
    """A storage of properties; texts by the hexadecimal id."""
    kind = "001F" if codec == "utf-16-le" else "001E"
    rows = b"".join(struct.pack("<HHIQ", kind, one, 6, value) for one, kind, value in numbers)
    return {
        "__properties_version1.0": b"\0" * header + rows,
        **{f"__substg1.0_{one}{kind}": text.encode(codec) for one, text in texts.items()},
        **children,
    }


def attachment(number, name, data):
    stream = "__substg1.0_3701" + ("000D" if isinstance(data, dict) else "0102")
    return {f"__attach_version1.0_#{number:08X}": storage({"3707": name}, 8, **{stream: data})}


# 2026-01-05 01:30 UTC, in 100 nanoseconds since 1601.
SENT = (1767576600 + 11644473600) * 10_000_000
TEXTS = {
    "0037": "見積の件",
    "1000": "お世話になっております。\r\n単価は1,200円です。",
    "0C1A": "山田太郎",
    "0C1F": "yamada@example.jp",
    "0E04": "佐藤花子",
}


@pytest.mark.slow
def test_a_message_with_attachments(tmp_path):
    inner = storage(
        {"0037": "元の件", "1000": "転送された本文。"}, 24, **attachment(0, "内.txt", b"inside")
    )
    made = storage(
        TEXTS,
        numbers=[(0x0039, 0x0040, SENT)],
        **attachment(0, "価格.csv", "品名,単価\n机,900円\n".encode("cp932")),
        **attachment(1, "元の件", inner),
        **attachment(2, "大.txt", "長い文書。\n".encode() * 1000),
    )
    (tmp_path / "a.msg").write_bytes(ole_file(made))
    loaded = load_documents(tmp_path)
    assert loaded[0].page_content == (
        "件名: 見積の件\n差出人: 山田太郎 <yamada@example.jp>\n宛先: 佐藤花子\n"
        "日時: 2026年1月5日 01:30\n添付: 価格.csv、元の件.eml、大.txt\n\n"
        "お世話になっております。\n単価は1,200円です。"
    )
    assert [document.metadata.get("inside") for document in loaded] == [
        None, "価格.csv", "元の件.eml", "元の件.eml/内.txt", "大.txt",
    ]  # fmt: skip
    assert loaded[1].page_content == "品名: 机、単価: 900円"
    assert loaded[2].page_content == "件名: 元の件\n添付: 内.txt\n\n転送された本文。"
    assert loaded[4].page_content.count("長い文書。") == 1000


def test_texts_in_the_code_page_of_the_message():
    made = storage(TEXTS, numbers=[(0x3FFD, 0x0003, 932)], codec="cp932")
    (content,) = read_content(ole_file(made), "a.msg")
    assert "差出人: 山田太郎" in content.sections[0].text
    assert content.sections[0].headings == ("見積の件",)


def test_an_html_body_is_read_where_there_is_no_text():
    html = "<h1>単価</h1><p>机は900円です。</p>".encode("cp932")
    made = storage({"0037": "件"}, numbers=[(0x3FDE, 3, 932)], **{"__substg1.0_10130102": html})
    (content,) = read_content(ole_file(made), "a.msg")
    assert content.sections[0].text == "件名: 件\n\n単価\n\n机は900円です。"


def test_a_signed_message_is_read():
    signed = EmailMessage()
    signed.set_content("署名された本文。")
    signed.add_attachment("内。", filename="内.txt")
    data = signed.as_bytes().replace(b"multipart/mixed", b"multipart/signed")
    kept = storage({"3707": "smime.p7m", "370E": "multipart/signed"}, 8)
    kept["__substg1.0_37010102"] = data
    made = storage({"0037": "件"}, **{"__attach_version1.0_#00000000": kept})
    own, inside = read_content(ole_file(made), "a.msg")
    assert own.sections[0].text == "件名: 件\n添付: 内.txt\n\n署名された本文。"
    assert (inside.inside, inside.sections[0].text) == ("内.txt", "内。")


def in_rtf(body):
    """A message whose body is only in RTF."""
    (content,) = read_content(
        ole_file(storage({"0037": "件"}, **{"__substg1.0_10090102": body})), "a.msg"
    )
    return content


# As Outlook writes it, also where a message of HTML is kept as RTF.
RTF = (
    r"{\rtf1\ansi\ansicpg932\deff0{\fonttbl{\f0\fnil\fcharset128 MS Gothic;}}\f0 "
    + "".join(f"\\u{ord(char)}?" for char in "単価は")
    + r"1,200\'89\'7e\par "
    + "".join(f"\\u{ord(char)}?" for char in "以上")
    + r"\par}"
).encode()
HTML_IN_RTF = (
    rb"{\rtf1\ansi\ansicpg932\fromhtml1 \deff0{\fonttbl{\f0\fnil\fcharset128 MS Gothic;}}"
    rb"{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 "
    rb"\'92\'50\'89\'bf\'82\'cd1,200\'89\'7e\htmlrtf }\htmlrtf0 \htmlrtf\par\htmlrtf0"
    rb"{\*\htmltag72 </p>}}"
)


@pytest.mark.slow
@needs_libreoffice
@pytest.mark.parametrize("is_compressed", [True, False])
@pytest.mark.parametrize("rtf", [RTF, HTML_IN_RTF], ids=["RTF", "HTML in RTF"])
def test_a_body_in_rtf_only_is_read(rtf, is_compressed):
    content = in_rtf(compress(rtf, is_compressed))
    assert "単価は1,200円" in content.sections[0].text
    assert "<p>" not in content.sections[0].text
    assert content.left_out == ()


@pytest.mark.parametrize("body", [b"LZFu", compress(RTF)[:-20], b"\0" * 40])
def test_a_damaged_body_in_rtf_only_is_a_loss(body):
    content = in_rtf(body)
    (part,) = content.left_out
    assert "as RTF only (its compressed RTF is damaged" in part.reason
    assert part.is_loss
    assert content.sections[0].text == "件名: 件"


def test_without_libreoffice_a_body_in_rtf_only_is_a_loss(monkeypatch):
    monkeypatch.setattr(libreoffice, "find_soffice", lambda: None)
    (part,) = in_rtf(compress(RTF)).left_out
    assert "LibreOffice reads .rtf, and is not installed" in part.reason
    assert part.is_loss


@pytest.mark.parametrize("data", [b"text", ole_file({"WordDocument": b"\0" * 600})])
def test_another_file_is_refused(data):
    with pytest.raises(DocumentError, match="not a message of Outlook"):
        read_content(data, "a.msg")
