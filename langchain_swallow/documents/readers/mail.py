"""Writes a mail message as sections: its headers, then its body below the subject."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from langchain_swallow.documents.layout.headings import split_at_headings
from langchain_swallow.documents.layout.layout import join_wrapped_lines
from langchain_swallow.documents.readers.html import read_html
from langchain_swallow.documents.readers.mail_quotes import is_quoted
from langchain_swallow.documents.readers.section import LeftOut, Section, Sections

# The plain text is read if it has at least this share of the characters of the HTML: programs write
# both with the same text, but some write only a note that the message is HTML.
_MIN_SHARE_OF_HTML = 0.8


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to a message; `data` is `None` if it cannot be read."""

    name: str
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Mail:
    """A message, decoded; texts that it does not have are empty."""

    subject: str = ""
    sender: str = ""
    to: str = ""
    cc: str = ""
    date: datetime | None = None
    message_id: str = ""
    references: tuple[str, ...] = ()
    plain: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def with_chosen_body(self) -> "Mail":
        """Return the message with one body, as plain text where it has as much text as the HTML."""
        if not self.html:
            return self
        whole = "".join(section.text for section in read_html(self.html))
        is_enough = _letters(self.plain) >= _MIN_SHARE_OF_HTML * _letters(whole)
        return replace(self, html="") if is_enough else replace(self, plain="")


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def mail_sections(mail: Mail) -> Sections:
    """Return the sections of a message with a chosen body.

    The headers are text at the beginning and metadata of every section.
    """
    fields = tuple((name, value) for name, value in _metadata(mail) if value)
    head = "\n".join(f"{label}: {value}" for label, value in _shown(mail) if value)
    html = read_html(mail.html) if mail.html else Sections()
    body = [(section.headings, section.text) for section in html] or list(_plain(mail.plain))
    above = (mail.subject,) if mail.subject else ()
    sections = []
    for number, (headings, text) in enumerate(body or [((), "")]):
        shown = f"{head}\n\n{text}".strip() if number == 0 else text
        path = (*above, *(heading for heading in headings if heading not in above))
        sections.append(Section(shown, path, fields=fields))
    return Sections(sections, [*mail.left_out, *html.left_out])


def _metadata(mail: Mail) -> Iterator[tuple[str, str]]:
    yield "subject", mail.subject
    yield "from", mail.sender
    yield "to", mail.to
    yield "cc", mail.cc
    yield "date", mail.date.isoformat() if mail.date else ""
    yield "message_id", mail.message_id


def _shown(mail: Mail) -> Iterator[tuple[str, str]]:
    yield "件名", mail.subject
    yield "差出人", mail.sender
    yield "宛先", mail.to
    yield "CC", mail.cc
    if mail.date:
        yield "日時", f"{mail.date.year}年{mail.date.month}月{mail.date.day}日 {mail.date:%H:%M}"
    yield "添付", "、".join(attachment.name for attachment in mail.attachments)


def _plain(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the heading paths and texts of a plain body; quoted lines are not joined."""
    runs = itertools.groupby(text.strip("\n").split("\n"), is_quoted)
    joined = [
        "\n".join(lines) if quoted else join_wrapped_lines("\n".join(lines))
        for quoted, lines in runs
    ]
    for _, headings, part in split_at_headings(["\n".join(joined)]):
        yield headings, part
