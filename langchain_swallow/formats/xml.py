"""XML of strangers: no entities, no network."""

from typing import Any

from lxml import etree

from langchain_swallow.errors import DocumentError


def parse_xml(data: bytes, name: str) -> Any:
    """The root element.

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
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"{name} is damaged: {error}.") from error
