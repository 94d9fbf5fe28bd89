"""What the parts of an Office file refer to."""

import posixpath

from langchain_swallow.formats.archive import Archive
from langchain_swallow.formats.xml import parse_xml


def relations(archive: Archive, path: str, name: str) -> dict[str, str]:
    """Id → path of what a part refers to inside the file.

    Args:
        archive: The file.
        path: Of the part.
        name: What to call the file in an error.
    """
    folder, file = posixpath.split(path)
    written = f"{folder}/_rels/{file}.rels"
    if written not in archive.names():
        return {}
    return {
        relation.get("Id", ""): posixpath.normpath(
            posixpath.join("/", folder, relation.get("Target", ""))
        ).lstrip("/")
        for relation in parse_xml(archive.read(written), name)
        if relation.get("TargetMode") != "External"
    }
