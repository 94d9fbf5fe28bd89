"""Parses untrusted XML without entities and network access, and unifies Office namespaces."""

import re
from typing import Any

from lxml import etree

from langchain_swallow.errors import DocumentError

# The namespaces of Office files in the strict form of ISO/IEC 29500 ("Strict Open XML").
_STRICT = re.compile(rb"""(=\s*["'])http://purl\.oclc\.org/ooxml/(\w+)/""")
_TRANSITIONAL = rb"\1http://schemas.openxmlformats.org/\2/2006/"


def parse_xml(data: bytes, name: str) -> Any:
    """Parse XML; the strict namespaces of Office files become the transitional ones.

    Args:
        data: The XML.
        name: How error messages name the file.

    Returns:
        The root element.

    Raises:
        DocumentError: The data is not well-formed XML.
    """
    # huge_tree allows texts of more than 10 MB, and elements nested 2,048 deep. Entities, which
    # could expand a small file, are not resolved.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
    )
    try:
        return etree.fromstring(without_strict_namespaces(data), parser)
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"{name} is damaged: {error}.") from error


def without_strict_namespaces(data: bytes) -> bytes:
    """Replace the strict Office namespaces by the transitional ones, which the readers use.

    >>> without_strict_namespaces(b'<a xmlns="http://purl.oclc.org/ooxml/drawingml/main"/>')
    b'<a xmlns="http://schemas.openxmlformats.org/drawingml/2006/main"/>'
    """
    # This search is faster than the regular expression over a large sheet.
    return _STRICT.sub(_TRANSITIONAL, data) if b"purl.oclc.org/ooxml" in data else data
