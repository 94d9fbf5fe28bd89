"""XML of strangers: no entities, no network; the namespaces of Office files in one form."""

import re
from typing import Any

from lxml import etree

from langchain_swallow.errors import DocumentError

# Office files in the strict form of ISO/IEC 29500 ("Strict Open XML") name their namespaces so.
_STRICT = re.compile(rb"""(=\s*["'])http://purl\.oclc\.org/ooxml/(\w+)/""")
_TRANSITIONAL = rb"\1http://schemas.openxmlformats.org/\2/2006/"


def parse_xml(data: bytes, name: str) -> Any:
    """The root element; strict namespaces of Office files become the transitional ones.

    Args:
        data: XML.
        name: What to call it in an error.

    Raises:
        DocumentError: It is no XML.
    """
    # huge_tree: a text may be longer than 10 MB, and elements nested 2,048 deep. Entities, which
    # could make a small file large, are not resolved.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
    )
    try:
        return etree.fromstring(without_strict_namespaces(data), parser)
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"{name} is damaged: {error}.") from error


def without_strict_namespaces(data: bytes) -> bytes:
    """XML whose Office namespaces are the transitional ones, which readers know.

    >>> without_strict_namespaces(b'<a xmlns="http://purl.oclc.org/ooxml/drawingml/main"/>')
    b'<a xmlns="http://schemas.openxmlformats.org/drawingml/2006/main"/>'
    """
    # A regular expression over a large sheet takes longer than this search.
    return _STRICT.sub(_TRANSITIONAL, data) if b"purl.oclc.org/ooxml" in data else data
