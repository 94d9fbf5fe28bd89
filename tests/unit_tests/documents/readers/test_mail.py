"""Mail: headers and bodies in the encodings of Japanese mail, attachments, quotations."""

import base64
import io
import quopri
import time
import zipfile
from email.message import EmailMessage

import docx
import pytest

from langchain_swallow.documents.load import load_documents
from langchain_swallow.documents.readers.mime_headers import decoded_words
from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.errors import DocumentError


def eml(headers, body, encoding="utf-8"):
    lines = "\r\n".join([*headers, "", ""])
    return lines.encode("ascii") + body.encode(encoding)


def message(subject="見積の件", text="お世話になっております。", **headers):
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = (
        subject,
        "山田 太郎 <yamada@example.jp>",
        "a@example.jp",
    )
    made["Date"] = "Mon, 05 Jan 2026 10:30:00 +0900"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made


def texts(data, name="a.eml"):
    return [(c.inside, s.text) for c in read_content(data, name) for s in c.sections]


def test_headers_are_text_and_metadata(tmp_path):
    (tmp_path / "a.eml").write_bytes(message(Cc="b@example.jp").as_bytes())
    (document,) = load_documents(tmp_path)
    assert document.page_content == (
        "件名: 見積の件\n差出人: 山田 太郎 <yamada@example.jp>\n宛先: a@example.jp\n"
        "CC: b@example.jp\n日時: 2026年1月5日 10:30\n\nお世話になっております。"
    )
    shown = {
        "subject": "見積の件",
        "from": "山田 太郎 <yamada@example.jp>",
        "to": "a@example.jp",
        "cc": "b@example.jp",
        "date": "2026-01-05T10:30:00+09:00",
        "headings": "見積の件",
        "format": "eml",
    }
    assert shown.items() <= document.metadata.items()


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("iso-2022-jp", "iso2022_jp"),
        ("ISO-2022-JP", "utf-8"),
        ("shift_jis", "cp932"),
        ("x-sjis", "cp932"),
        ("euc-jp", "euc_jp"),
        ("us-ascii", "cp932"),
        ("no-such-charset", "utf-8"),
        ("utf-8", "cp932"),
        (None, "cp932"),
    ],
)
def test_bodies_are_read_whatever_encoding_is_declared(charset, encoding):
    declared = f"; charset={charset}" if charset else ""
    headers = [
        "Subject: a",
        f"Content-Type: text/plain{declared}",
        "Content-Transfer-Encoding: 8bit",
    ]
    body = "請求書の締め日は毎月末日です。"
    assert texts(eml(headers, body, encoding)) == [("", f"件名: a\n\n{body}")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("declared", ["utf-8", "shift_jis", "iso-8859-1"])
@pytest.mark.parametrize("name", ["a.eml", "a.mbox"])
def test_mail_that_an_editor_saved_in_unicode_is_read(encoding, declared, name):
    kind = f"Content-Type: text/plain; charset={declared}"
    written = f"Subject: 見積の件\n{kind}\n\n締め日は月末です。\n"
    if name == "a.mbox":
        written = f"From a@example.jp Mon Jan  5 10:30:00 2026\n{written}"
    (content,) = read_content(written.encode(encoding), name)
    assert [s.text for s in content.sections] == ["件名: 見積の件\n\n締め日は月末です。"]


def test_characters_of_windows_in_iso_2022_jp_are_read():
    raw = b"\x1b$B-!-j\x1b(B"  # ① and ㈱, of NEC's row 13
    data = eml(["Subject: a", "Content-Type: text/plain; charset=ISO-2022-JP"], "") + raw
    assert texts(data) == [("", "件名: a\n\n①㈱")]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?ISO-2022-JP?B?GyRCOCtAUSRON28bKEI=?=", "見積の件"),
        ("=?Shift_JIS?B?jKmQz4LMjI8=?= Re", "見積の件 Re"),
        # A program cut 積 in two.
        ("=?utf-8?B?6KaL56k=?=\n =?utf-8?B?jeOBruS7tg==?=", "見積の件"),
        ("Re: =?utf-8?Q?=E8=A6=8B=E7=A9=8D?=", "Re: 見積"),
        ("見積の件".encode("cp932").decode("ascii", "surrogateescape"), "見積の件"),
        ("=?utf-8?B?6KaL56mN44Gu5Lu2", "=?utf-8?B?6KaL56mN44Gu5Lu2"),
    ],
)
def test_encoded_words(written, read):
    assert decoded_words(written) == read


@pytest.mark.parametrize(
    "disposition",
    [
        'attachment; filename="=?ISO-2022-JP?B?GyRCOCtAUTVEGyhC?=.txt"',
        "attachment; filename*=utf-8''%E8%A6%8B%E7%A9%8D%E8%AD%B0.txt",
        "attachment; filename*=Shift_JIS''%8C%A9%90%CF%8Bc.txt",
        "attachment;\r\n filename*0*=utf-8''%E8%A6%8B%E7%A9;\r\n filename*1*=%8D%E8%AD%B0.txt",
        'attachment; filename="../見積議.txt"',
        'attachment; filename="C:\\\\x\\\\見積議.txt"',
    ],
)
@pytest.mark.parametrize("encoding", ["cp932", "utf-8"])
def test_names_of_attachments(disposition, encoding):
    head = (
        b"Subject: a\r\nContent-Type: multipart/mixed; boundary=X\r\n\r\n--X\r\n\r\nbody\r\n--X\r\n"
    )
    part = f"Content-Type: text/plain\r\nContent-Disposition: {disposition}\r\n\r\n"
    data = head + part.encode(encoding) + b"price 100\r\n--X--\r\n"
    assert texts(data)[1] == ("見積議.txt", "price 100")


def test_attachments_are_documents_of_their_own(tmp_path):
    word, made = docx.Document(), message(text="添付をご覧ください。")
    word.add_paragraph("単価は1,200円です。")
    saved = io.BytesIO()
    word.save(saved)
    forwarded = message("元の件", "転送された本文。")
    forwarded.add_attachment("内側。", filename="内.txt")
    for data, kind, name in (
        (
            saved.getvalue(),
            "vnd.openxmlformats-officedocument.wordprocessingml.document",
            "単価.docx",
        ),
        (b"\x89PNG", "octet-stream", "署名.bin"),
        (b"PK broken", "zip", "壊.zip"),
    ):
        made.add_attachment(data, maintype="application", subtype=kind, filename=name)
    made.add_attachment(forwarded)
    made.add_attachment("別の 単価。", filename="単価.docx")
    (tmp_path / "a.eml").write_bytes(made.as_bytes())
    loaded = load_documents(tmp_path, on_error="skip")
    source = f"{tmp_path}/a.eml"
    assert [(d.metadata.get("inside"), d.metadata["format"]) for d in loaded] == [
        (None, "eml"),
        ("単価.docx", "docx"),
        ("元の件.eml", "eml"),
        ("元の件.eml/内.txt", "txt"),
    ]
    assert "添付: 単価.docx、署名.bin、壊.zip、元の件.eml、単価.docx" in loaded[0].page_content
    assert loaded[1].page_content == "単価は1,200円です。"
    assert loaded.ignored == [f"{source}/署名.bin"]
    assert list(loaded.failed) == [f"{source}/壊.zip", f"{source}/単価 (2).docx"]


@pytest.mark.parametrize(
    ("plain", "html", "read"),
    [
        ("単価は100円です。", "<p>単価は<b>100円</b>です。</p>", "単価は100円です。"),
        (
            "HTMLでご覧ください",
            "<h2>単価</h2><p>机は900円、椅子は700円です。</p>",
            "単価\n\n机は900円、椅子は700円です。",
        ),
        ("", "<table><tr><th>品名<th>単価<tr><td>机<td>900円</table>", "品名: 机、単価: 900円"),
    ],
)
def test_the_body_with_the_text_is_read(plain, html, read):
    made = message("a", plain)
    made.add_alternative(html, subtype="html")
    ((_, text),) = texts(made.as_bytes())
    assert text.partition("\n\n")[2] == read


def test_flowed_lines_are_joined():
    headers = ["Subject: a", "Content-Type: text/plain; format=flowed; delsp=yes; charset=utf-8"]
    body = "会議は三階の \r\n第二会議室です。\r\n> 引用 \r\n-- \r\n山田"
    ((_, text),) = texts(eml(headers, body))
    assert text == "件名: a\n\n会議は三階の第二会議室です。\n> 引用 \n--\n山田"


@pytest.mark.parametrize("kind", ["message/rfc822", "message/global"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_a_message_in_a_message_is_read_however_it_is_encoded(kind, encoding):
    inner = "Subject: 見積\nContent-Type: text/plain; charset=utf-8\n\n単価=500円\n".encode()
    encode = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}
    contents = read_content(forwarded(encode.get(encoding, bytes)(inner), kind, encoding), "a.eml")
    assert [(c.inside, [s.text for s in c.sections]) for c in contents] == [
        ("", ["件名: a\n添付: 見積.eml\n\nx"]),
        ("見積.eml", ["件名: 見積\n\n単価=500円"]),
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_message_in_mail_that_an_editor_saved_is_read(encoding):
    inner = "Subject: 見積\nContent-Type: text/plain; charset=iso-8859-1\n\n単価は500円\n".encode()
    data = forwarded(inner, "message/rfc822", "8bit").decode().encode(encoding)
    contents = read_content(data, "a.eml")
    assert [s.text for s in contents[1].sections] == ["件名: 見積\n\n単価は500円"]


def forwarded(message, kind, encoding):
    """A message with another one as a part."""
    head = (
        'Subject: a\nContent-Type: multipart/mixed; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nx\n"
        f"--b\nContent-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n"
    )
    return head.encode() + message + b"\n--b--\n"


def test_archives_and_mail_are_read_in_each_other_to_a_depth():
    inner = message("内")
    inner.add_attachment(zipped(a=b"A"), maintype="x", subtype="x", filename="中.zip")
    kinds = [(c.inside, c.error) for c in read_content(inner.as_bytes(), "a.eml")]
    assert kinds == [("", ""), ("中.zip/a.txt", "")]
    contents = read_content(zipped(b=inner.as_bytes(), ending=".eml"), "a.zip")
    assert [(c.inside, "archive in an archive" in c.error) for c in contents] == [
        ("b.eml", False),
        ("b.eml/中.zip", True),
    ]
    for _ in range(8):
        outer = message("外")
        outer.add_attachment(inner)
        inner = outer
    *_, last = read_content(inner.as_bytes(), "a.eml")
    assert "nested too deep" in last.error


def zipped(ending=".txt", **files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name + ending, data)
    return buffer.getvalue()


def test_an_encrypted_message_is_a_loss():
    headers = ["Subject: a", "Content-Type: application/pkcs7-mime; name=smime.p7m"]
    (content,) = read_content(eml(headers, "AAAA"), "a.eml")
    assert [(part.reason, part.is_loss) for part in content.left_out] == [
        ("encrypted or signed message (S/MIME, PGP)", True)
    ]


def test_a_file_that_is_not_mail_is_refused():
    with pytest.raises(DocumentError, match=r"a\.eml is not a mail message"):
        read_content(b"\x00\x01\x02", "a.eml")


# Mailboxes


def mailbox(*messages):
    return b"".join(
        b"From a@example.jp Mon Jan  5 10:30:00 2026\n"
        + m.as_bytes().replace(b"\nFrom ", b"\n>From ")
        + b"\n"
        for m in messages
    )


def test_a_mailbox_is_read_by_message():
    first = message("一", "From here on.\n\nFrom the start.")
    first.add_attachment("単価表", filename="価格.txt")
    contents = read_content(mailbox(first, message("二", "本文二。")), "箱.mbox")
    assert [(c.inside, [s.headings for s in c.sections]) for c in contents] == [
        ("", [("一",), ("二",)]),
        ("1/価格.txt", [()]),
    ]
    assert contents[0].sections[0].text.endswith("From here on.\n\nFrom the start.")


ORIGINAL = "定例会議は1月20日の午後2時からです。\n場所は本社の第二会議室です。"


@pytest.mark.parametrize(
    "reply",
    [
        "承知しました。\n\n> 定例会議は1月20日の午後2時からです。\n> 場所は本社の第二会議室です。",
        "承知しました。\n>> 定例会議は1月20日の\n>> 午後2時からです。",
        "承知しました。\n\n-----Original Message-----\nFrom: 山田\nSent: 2026/1/5\n" + ORIGINAL,
        "承知しました。\n\n差出人: 山田\n送信日時: 2026年1月5日\n件名: 会議\n\n" + ORIGINAL,
        "承知しました。\n\n2026年1月5日(月) 10:30 山田 <yamada@example.jp>:\n" + ORIGINAL,
    ],
)
def test_what_a_reply_quotes_is_read_once(reply):
    first = message("会議", ORIGINAL, Message_ID="<1@example.jp>")
    second = message("Re: 会議", reply, In_Reply_To="<1@example.jp>")
    (content,) = read_content(mailbox(first, second), "箱.mbox")
    whole = "\n".join(section.text for section in content.sections)
    assert whole.count("第二会議室") == whole.count("午後2時") == 1
    assert "承知しました。" in whole
    assert [(p.reason, p.is_loss) for p in content.left_out] == [
        ("quotation of a message that is in the same file", False)
    ]


def test_a_quotation_without_its_original_is_kept():
    reply = "承知しました。\n\n> 定例会議は1月20日の午後2時からです。"
    other = message("別件", "定例会議は1月20日の午後2時からです。")
    (content,) = read_content(mailbox(other, message("Re: 会議", reply)), "箱.mbox")
    assert "> 定例会議は" in content.sections[1].text
    assert content.left_out == ()


@pytest.mark.slow
def test_a_message_nested_too_deep_does_not_take_the_others_of_its_mailbox_with_it():
    opened = "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(3_000)
    )
    line = "From a@example.jp Mon Jan  5 10:30:00 2026\n"
    nested = f"{line}From: a@example.jp\nSubject: deep\n{opened}Content-Type: text/plain\n\na\n\n"
    other = mailbox(message("会議", "第二会議室です。"))
    (content,) = read_content(nested.encode() + other, "a.mbox")
    first, second = content.sections
    assert "件名: deep" in first.text
    assert "第二会議室です。" in second.text
    assert [(part.reason, part.is_loss) for part in content.left_out] == [
        ("body whose parts are nested too deep", True)
    ]


@pytest.mark.slow
def test_a_mailbox_with_100_000_quoted_lines_ends():
    """Half of what the sandbox allows on a slow machine."""
    original = "\n".join(f"これは{n}行目の文章である。" for n in range(100_000))
    reply = "\n".join(f"> そのほかの{n}行目の文章だった。" for n in range(100_000))
    first = message("会議", original, Message_ID="<1@example.jp>")
    second = message("Re: 会議", reply, In_Reply_To="<1@example.jp>")
    start = time.process_time()
    (content,) = read_content(mailbox(first, second), "a.mbox")
    assert time.process_time() - start < 60
    assert "99999行目の文章だった。" in content.sections[-1].text
