"""Reads the bodies that Outlook keeps as compressed RTF only."""

from langchain_swallow.documents.readers.converted import read_converted
from langchain_swallow.errors import DocumentError


def read_rtf_body(compressed: bytes) -> str:
    """Return the text of a body, which may be HTML inside RTF.

    Args:
        compressed: The body, compressed as [MS-OXRTFCP] says.

    Raises:
        DocumentError: It is damaged, or LibreOffice, which reads RTF, is not installed.
    """
    from compressed_rtf import decompress

    try:
        rtf = decompress(compressed)
    except Exception as error:  # the library checks little of what it is given
        raise DocumentError(f"its compressed RTF is damaged: {error!r}") from error
    return "\n\n".join(section.text for section in read_converted(rtf, "body.rtf"))
