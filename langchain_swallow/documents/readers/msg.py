"""Reads messages of Outlook (.msg), which are OLE compound files with properties of MAPI."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.message import EmailMessage

import olefile

from langchain_swallow.documents.readers.container import Container
from langchain_swallow.documents.readers.eml import attached_files, parse_message
from langchain_swallow.documents.readers.mail import Attachment, Mail, mail_sections
from langchain_swallow.documents.readers.mime_headers import decode_text
from langchain_swallow.documents.readers.rtf_body import read_rtf_body
from langchain_swallow.documents.readers.section import LeftOut
from langchain_swallow.errors import DocumentError

# Ids of properties, from [MS-OXPROPS].
_SUBJECT, _HEADERS, _BODY, _RTF, _HTML = 0x0037, 0x007D, 0x1000, 0x1009, 0x1013
_SENT, _DELIVERED, _MESSAGE_ID, _CODEPAGE, _HTML_CODEPAGE = 0x0039, 0x0E06, 0x1035, 0x3FFD, 0x3FDE
_SENDER_NAME, _SENDER_ADDRESS, _SENDER_SMTP, _CC, _TO = 0x0C1A, 0x0C1F, 0x5D01, 0x0E03, 0x0E04
_DATA, _LONG_NAME, _SHORT_NAME, _SHOWN_NAME = 0x3701, 0x3707, 0x3704, 0x3001
_MIME_TYPE = 0x370E
# Types of properties, at the end of the names of their streams.
_UNICODE, _BYTES_STRING, _BINARY, _OBJECT = "001F", "001E", "0102", "000D"
_EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)
_CODECS = {65001: "utf-8", 20127: "ascii", 28591: "iso-8859-1", 51932: "euc-jp"}
_CODECS |= dict.fromkeys((50220, 50221, 50222), "iso-2022-jp")
# Length of what precedes the properties in their stream.
_HEADER, _EMBEDDED_HEADER = 32, 24


def read_msg(data: bytes, name: str) -> Container:
    """Read a message: its text, and its attachments as files of their own.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: The file is not a message of Outlook.
    """
    if not olefile.isOleFile(data=data):
        raise DocumentError(f"{name} is not a message of Outlook. It may be damaged.")
    with olefile.OleFileIO(io.BytesIO(data)) as ole:
        if not ole.exists("__properties_version1.0"):
            raise DocumentError(f"{name} is not a message of Outlook, but another OLE file.")
        mail = _Storage(ole, ()).mail(_HEADER).with_chosen_body()
    return Container(attached_files(mail), mail_sections(mail))


class _Storage:
    """A storage of the file: the message, an attachment, or a message in an attachment."""

    def __init__(self, ole: olefile.OleFileIO, path: tuple[str, ...]) -> None:
        self._ole, self._path = ole, path

    def mail(self, header: int) -> Mail:
        """The message in this storage; `header` is the length before its properties."""
        numbers = self._numbers(header)
        codec = _codec(numbers.get(_CODEPAGE, 0))
        sent = parse_message(self._text(_HEADERS, codec).encode("utf-8"))
        name, address = self._text(_SENDER_NAME, codec), self._text(_SENDER_SMTP, codec)
        address = address or self._text(_SENDER_ADDRESS, codec)
        shown = f"{name} <{address}>" if "@" in address and address != name else name or address
        html = self._bytes(_HTML, _BINARY)
        plain = self._text(_BODY, codec).replace("\r\n", "\n").replace("\r", "\n")
        left_out = []
        rtf = self._bytes(_RTF, _BINARY)
        if rtf and not plain.strip() and html is None:
            try:
                plain = read_rtf_body(rtf)
            except DocumentError as error:
                left_out.append(LeftOut(f"body that Outlook keeps as RTF only ({error})"))
        mail = Mail(
            subject=self._text(_SUBJECT, codec).strip(),
            sender=sent.sender or shown,
            to=sent.to or self._text(_TO, codec).replace("\0", ""),
            cc=sent.cc or self._text(_CC, codec).replace("\0", ""),
            date=sent.date or _time(numbers.get(_SENT) or numbers.get(_DELIVERED, 0)),
            message_id=self._text(_MESSAGE_ID, codec) or sent.message_id,
            references=sent.references,
            plain=plain,
            html=self._text(_HTML, codec)
            if html is None
            else decode_text(html, _codec(numbers.get(_HTML_CODEPAGE, 0))),
            attachments=tuple(self._attachments(codec)),
            left_out=tuple(left_out),
        )
        signed = self._signed_message(codec)
        if signed is None:
            return mail
        return replace(
            mail,
            plain=signed.plain,
            html=signed.html,
            attachments=signed.attachments,
            left_out=signed.left_out,
        )

    def _signed_message(self, codec: str) -> Mail | None:
        """The body and attachments of a signed message, which Outlook keeps as one attachment."""
        for child in self._children():
            attachment = _Storage(self._ole, (*self._path, child))
            data = attachment._bytes(_DATA, _BINARY)
            if data and attachment._text(_MIME_TYPE, codec).startswith("multipart/signed"):
                return parse_message(data)
        return None

    def _children(self) -> list[str]:
        """The names of the storages of attachments."""
        depth = len(self._path)
        paths = map(tuple, self._ole.listdir())
        names = {path[depth] for path in paths if path[:depth] == self._path}
        return sorted(name for name in names if name.startswith("__attach_version1.0_"))

    def _attachments(self, codec: str) -> Iterator[Attachment]:
        for number, child in enumerate(self._children(), 1):
            yield _Storage(self._ole, (*self._path, child))._attachment(codec, number)

    def _attachment(self, codec: str, number: int) -> Attachment:
        names = (self._text(one, codec) for one in (_LONG_NAME, _SHORT_NAME, _SHOWN_NAME))
        name = next(filter(None, (n.replace("\0", "").strip() for n in names)), "")
        name = name.replace("\\", "/").rpartition("/")[2] or f"attachment {number}"
        message = (*self._path, _stream(_DATA, _OBJECT))
        if self._ole.exists([*message, "__properties_version1.0"]):
            mail = _Storage(self._ole, message).mail(_EMBEDDED_HEADER)
            return Attachment(name.removesuffix(".msg") + ".eml", _as_eml(mail))
        return Attachment(name, self._bytes(_DATA, _BINARY))

    def _bytes(self, identity: int, kind: str) -> bytes | None:
        path = [*self._path, _stream(identity, kind)]
        return self._ole.openstream(path).read() if self._ole.exists(path) else None

    def _text(self, identity: int, codec: str) -> str:
        if (data := self._bytes(identity, _UNICODE)) is not None:
            return data.decode("utf-16-le", "replace")
        data = self._bytes(identity, _BYTES_STRING)
        return decode_text(data, codec) if data else ""

    def _numbers(self, header: int) -> dict[int, int]:
        """Properties that are numbers or times, by id."""
        data = self._ole.openstream([*self._path, "__properties_version1.0"]).read()
        rows = (data[start : start + 16] for start in range(header, len(data) - 15, 16))
        return {
            int.from_bytes(row[2:4], "little"): int.from_bytes(row[8:16], "little") for row in rows
        }


def _stream(identity: int, kind: str) -> str:
    return f"__substg1.0_{identity:04X}{kind}"


def _codec(codepage: int) -> str:
    # Only the low 32 bits are the value.
    codepage &= 0xFFFFFFFF
    return _CODECS.get(codepage, f"cp{codepage}" if codepage else "unknown")


def _time(ticks: int) -> datetime | None:
    """The time of a number of 100 nanoseconds since 1601."""
    try:
        return _EPOCH + timedelta(microseconds=ticks // 10) if ticks else None
    except OverflowError:
        return None


def _as_eml(mail: Mail) -> bytes:
    """Write a message that was attached as one, so that it is read like any attached mail."""
    message = EmailMessage()
    for header, value in (
        ("Subject", mail.subject),
        ("From", mail.sender),
        ("To", mail.to),
        ("Cc", mail.cc),
        ("Message-ID", mail.message_id),
    ):
        if value:
            # Written as it is: the reader takes headers in any encoding.
            message[header] = " ".join(value.split())
    if mail.date:
        message["Date"] = mail.date
    message.set_content(mail.plain)
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
    for attachment in mail.attachments:
        message.add_attachment(
            attachment.data or b"",
            maintype="application",
            subtype="octet-stream",
            filename=attachment.name,
        )
    return message.as_bytes()
