"""Reads mailboxes (.mbox): each message as sections, without repeated quotations."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from langchain_swallow.documents.readers.container import Container, Member
from langchain_swallow.documents.readers.eml import as_saved, attached_files, parse_message
from langchain_swallow.documents.readers.html import read_html
from langchain_swallow.documents.readers.mail import Mail, mail_sections
from langchain_swallow.documents.readers.mail_quotes import (
    quotation_key,
    with_quoted,
    without_quotations,
)
from langchain_swallow.documents.readers.section import LeftOut, Section, Sections
from langchain_swallow.errors import DocumentError

# The line above each message ends with the time of its arrival.
_FROM = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From (?=[^\n]*\d\d:\d\d)[^\n]*\n")
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_REPLY = re.compile(
    r"(?:(?:re|fwd?|aw|sv|返信|転送)\s*[:：]|[\[［][^\]］]*[\]］])\s*", re.IGNORECASE
)
# Messages whose texts are searched for a quoted line, from the last.
_MAX_ANSWERED = 5
# Lines × characters that are compared for one message.
_MAX_COMPARED = 50_000_000
_REPEATED = "quotation of a message that is in the same file"


def read_mbox(data: bytes, name: str) -> Container:
    """Read the messages of a mailbox, and their attachments as files of their own.

    The path of an attachment begins with the number of its message.

    Args:
        data: The bytes of the mailbox.
        name: How error messages name the file.

    Raises:
        DocumentError: The file does not begin as a mailbox does.
    """
    data, is_saved_text = as_saved(data)
    starts = [found.span() for found in _FROM.finditer(data)]
    if data.strip() and (not starts or data[: starts[0][0]].strip()):
        raise DocumentError(f"{name} is not a mailbox: it does not begin with a From line.")
    ends = [start for start, _ in starts[1:]] + [len(data)]
    mails = [
        parse_message(
            _ESCAPED.sub(rb"\1", data[begin:end]), is_saved_text=is_saved_text
        ).with_chosen_body()
        for (_, begin), end in zip(starts, ends, strict=True)
    ]
    sections: list[Section] = []
    left_out: list[LeftOut] = []
    for mail in _without_repeats(mails):
        read = mail_sections(mail)
        sections += read
        left_out += read.left_out
    return Container(_members(mails), Sections(sections, left_out))


def _members(mails: list[Mail]) -> Iterator[Member]:
    for number, mail in enumerate(mails, 1):
        yield from attached_files(mail, f"{number}/")


def _without_repeats(mails: list[Mail]) -> Iterator[Mail]:
    """Yield the messages without what they quote of others in their threads."""
    threads = _threads(mails)
    sizes = Counter(threads)
    lines: dict[int, set[str]] = {}
    texts: dict[str, str] = {}
    for mail, thread in zip(mails, threads, strict=True):
        if sizes[thread] > 1:
            keys = [quotation_key(line) for line, quoted in with_quoted(_text(mail)) if not quoted]
            lines.setdefault(thread, set()).update(keys)
            texts[mail.message_id] = "".join(keys)
    for mail, thread in zip(mails, threads, strict=True):
        if sizes[thread] > 1:
            # A program may have broken the lines in other places.
            answered = "\n".join(texts.get(i, "") for i in mail.references[-_MAX_ANSWERED:])
            answered = answered[: _MAX_COMPARED // (1 + _text(mail).count("\n"))]
            shorter, removed = without_quotations(_text(mail), lines[thread], answered)
            if removed:
                left_out = (*mail.left_out, LeftOut(_REPEATED, count=removed, is_loss=False))
                mail = replace(mail, plain=shorter, html="", left_out=left_out)
        yield mail


def _text(mail: Mail) -> str:
    return "\n\n".join(s.text for s in read_html(mail.html)) if mail.html else mail.plain


def _threads(mails: list[Mail]) -> list[int]:
    """Return the number of each message's thread, by references, and by subject for replies."""
    by_id: dict[str, int] = {}
    by_subject: dict[str, int] = {}
    threads = []
    for number, mail in enumerate(mails):
        subject = _REPLY.sub("", mail.subject).strip()
        known = [by_id[i] for i in (mail.message_id, *mail.references) if i in by_id]
        if not known and subject != mail.subject and subject in by_subject:
            known = [by_subject[subject]]
        thread = known[0] if known else number
        threads.append(thread)
        for identity in filter(None, (mail.message_id, *mail.references)):
            by_id.setdefault(identity, thread)
        by_subject.setdefault(subject, thread)
    return threads
