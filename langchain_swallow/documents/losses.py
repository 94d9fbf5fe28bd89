"""Lists what of files may be missing in their Documents."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from langchain_swallow.documents.readers.formats import is_document, is_hidden, what_to_do
from langchain_swallow.documents.readers.section import LeftOut, describe_left_out


def losses(left_out: Mapping[str, Sequence[LeftOut]], ignored: Iterable[str]) -> Iterator[str]:
    """Yield a line for each reason for which text is missing, and for each document not read.

    Args:
        left_out: The parts of files that were not read; those left out by design are no losses.
        ignored: The files that were not read. Those that are not documents, such as pictures, and
            hidden ones are no losses.
    """
    for where, parts in left_out.items():
        for line in describe_left_out(part for part in parts if part.is_loss):
            yield f"{where}: {line}"
    for path in map(PurePosixPath, ignored):
        if is_document(path.suffix.lower()) and not any(map(is_hidden, path.parts)):
            yield f"{path}: {what_to_do(path.suffix.lower())}"
