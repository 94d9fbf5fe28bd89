"""Reads mail messages (.eml, MIME): the headers and body as text, and the attached files."""

import base64
import binascii
import codecs
import contextlib
import mimetypes
import quopri
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from email.message import Message
from email.parser import BytesFeedParser
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from langchain_swallow.documents.encoding import decode
from langchain_swallow.documents.readers.container import Container, Member, distinct_paths
from langchain_swallow.documents.readers.mail import Attachment, Mail, mail_sections
from langchain_swallow.documents.readers.mime_headers import (
    RawHeaders,
    decode_text,
    file_name,
    header_text,
)
from langchain_swallow.documents.readers.section import LeftOut
from langchain_swallow.errors import DocumentError

_Part: TypeAlias = "Message[Any, Any]"
# Files that belong to the transport of a message and have no text of it.
_TRANSPORT = frozenset(
    "application/pgp-signature application/pkcs7-signature application/x-pkcs7-signature".split()
)
_ENCRYPTED = frozenset(
    "application/pkcs7-mime application/x-pkcs7-mime application/pgp-encrypted".split()
)

_MESSAGES = frozenset(("message/rfc822", "message/global"))

_PARSED_BYTES = 1 << 16
_START_BYTES = 64
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


def read_eml(data: bytes, name: str) -> Container:
    """Read a message: its text, and its attachments as files of their own.

    Args:
        data: The bytes of the message.
        name: How error messages name the file.

    Raises:
        DocumentError: The file has no headers of a message.
    """
    data, is_saved_text = as_saved(data)
    mail = parse_message(data, is_saved_text=is_saved_text)
    if not (mail.sender or mail.date or mail.subject or mail.to):
        raise DocumentError(f"{name} is not a mail message: it has none of the usual headers.")
    mail = mail.with_chosen_body()
    return Container(attached_files(mail), mail_sections(mail))


def as_saved(data: bytes) -> tuple[bytes, bool]:
    """Convert mail that an editor saved as UTF-16, or with a byte order mark, to plain UTF-8.

    Also returns whether it was: then the encodings that it declares are the original ones.
    """
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :], True
    # Headers have no NUL in ASCII.
    if b"\0" in data[:_START_BYTES]:
        with contextlib.suppress(DocumentError):
            return decode(data).text.encode(), True
    return data, False


def attached_files(mail: Mail, folder: str = "") -> Iterator[Member]:
    """Yield the attachments as files, below a folder if one is given."""
    paths = distinct_paths(f"{folder}{attachment.name}" for attachment in mail.attachments)
    for path, attachment in zip(paths, mail.attachments, strict=True):
        yield Member(path, None if attachment.data is None else _returning(attachment.data))


def _returning(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def parse_message(data: bytes, *, is_saved_text: bool = False) -> Mail:
    """Parse a message with all of its bodies and attachments.

    Of a message whose parts are nested hundreds of times, only the headers are read.

    Args:
        data: The bytes of the message.
        is_saved_text: Whether an editor saved it, from `as_saved`. Default: false.
    """
    parts = _Parts(is_saved_text)
    try:
        message = _parsed(data)
        parts.add(message)
    except RecursionError:
        headers = _END_OF_HEADERS.split(data, maxsplit=1)[0]
        message = _parsed(headers)
        parts = _Parts(is_saved_text)
        parts.left_out.append(LeftOut("body whose parts are nested too deep"))
    ids = f"{message.get('References', '')} {message.get('In-Reply-To', '')}".split()
    return Mail(
        subject=header_text(message, "Subject"),
        sender=header_text(message, "From"),
        to=header_text(message, "To"),
        cc=header_text(message, "Cc"),
        date=_date(str(message.get("Date", ""))),
        message_id=str(message.get("Message-ID", "")).strip(),
        references=tuple(dict.fromkeys(ids)),
        plain="\n\n".join(parts.plain),
        html="\n".join(parts.html),
        attachments=tuple(parts.attachments),
        left_out=tuple(parts.left_out),
    )


def _parsed(data: bytes) -> _Part:
    # As `message_from_bytes` does, which takes five times the memory of the message.
    parser = BytesFeedParser(policy=RawHeaders())
    for start in range(0, len(data), _PARSED_BYTES):
        parser.feed(data[start : start + _PARSED_BYTES])
    return parser.close()


def _date(written: str) -> datetime | None:
    try:
        return parsedate_to_datetime(written)
    except (ValueError, IndexError, TypeError):
        return None


class _Parts:
    """Collects the parts of a message; see `parse_message`."""

    def __init__(self, is_saved_text: bool) -> None:
        self._is_saved_text = is_saved_text
        self.plain: list[str] = []
        self.html: list[str] = []
        self.attachments: list[Attachment] = []
        self.left_out: list[LeftOut] = []

    def add(self, part: Any) -> None:
        """Add a part, and the parts in it."""
        kind = part.get_content_type()
        if kind in _MESSAGES:
            self._add_message(part)
        elif part.is_multipart():
            for inside in part.get_payload():
                self.add(inside)
        elif kind in _ENCRYPTED:
            self.left_out.append(LeftOut("encrypted or signed message (S/MIME, PGP)"))
        elif kind not in _TRANSPORT:
            self._add_leaf(part, kind)

    def _add_message(self, part: _Part) -> None:
        """A message that was forwarded as a file; its subject is its name if it has no other."""
        payload: Any = part.get_payload()
        if not isinstance(payload, list) or not payload:
            return
        data = _message_bytes(part, payload[0])
        subject = header_text(_parsed(_END_OF_HEADERS.split(data, maxsplit=1)[0]), "Subject")
        name = file_name(part) or subject.replace("/", "／") or "message"
        name = name if name.lower().endswith(".eml") else f"{name}.eml"
        # What `as_saved` says of this message holds for the ones in it.
        mark = codecs.BOM_UTF8 if self._is_saved_text else b""
        self.attachments.append(Attachment(name, mark + data))

    def _add_leaf(self, part: _Part, kind: str) -> None:
        data: Any = part.get_payload(decode=True) or b""
        name = file_name(part)
        is_body = part.get_content_disposition() != "attachment" and not name
        if is_body and kind == "text/html":
            self.html.append(decode_text(data, self._charset(part)))
        elif is_body and part.get_content_maintype() in ("text", "message"):
            self.plain.append(_unflowed(decode_text(data, self._charset(part)), part))
        elif data:
            number = len(self.attachments) + 1
            named = name or f"attachment {number}{mimetypes.guess_extension(kind) or ''}"
            self.attachments.append(Attachment(named, data))

    def _charset(self, part: _Part) -> str | None:
        is_encoded = _transfer_encoding(part) in ("base64", "quoted-printable")
        is_as_sent = is_encoded or not self._is_saved_text
        return part.get_content_charset() if is_as_sent else None


def _message_bytes(part: _Part, inside: _Part) -> bytes:
    """A message that is a part; GroupWise and some gateways encode it, against RFC 2046."""
    data = inside.as_bytes()
    if _transfer_encoding(part) == "quoted-printable":
        return quopri.decodestring(data)
    if _transfer_encoding(part) == "base64" and not inside.keys():
        with contextlib.suppress(binascii.Error):
            return base64.b64decode(data)
    return data


def _transfer_encoding(part: _Part) -> str:
    return str(part.get("Content-Transfer-Encoding", "")).strip().lower()


def _unflowed(text: str, part: _Part) -> str:
    """Normalize line ends, and join the lines of a flowed text (RFC 3676)."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if str(part.get_param("format", "")).lower() != "flowed":
        return "\n".join(lines)
    removes_space = str(part.get_param("delsp", "")).lower() == "yes"
    joined: list[str] = []
    is_open = False
    for line in lines:
        soft = line.endswith(" ") and line != "-- " and not line.startswith(">")
        text = line[:-1] if soft and removes_space else line
        if is_open and not line.startswith(">"):
            joined[-1] += text
        else:
            joined.append(text)
        is_open = soft
    return "\n".join(joined)
