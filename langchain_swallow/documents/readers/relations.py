"""Reads the relationships between the parts of an Office file."""

import posixpath
from typing import NamedTuple

from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.xml import parse_xml


class Relation(NamedTuple):
    """A relationship from one part of a file to another.

    `kind` is the last word of its type, such as "image" or "comments"; `path` is the target's.
    """

    kind: str
    path: str


def relations(archive: Archive, path: str, name: str) -> dict[str, Relation]:
    """Return the relationships of a part to other parts of the file, by id.

    Args:
        archive: The file.
        path: The path of the part; empty for the file as a whole.
        name: How error messages name the file.
    """
    folder, file = posixpath.split(path)
    written = posixpath.join(folder, "_rels", f"{file}.rels")
    if written not in archive:
        return {}
    return {
        relation.get("Id", ""): Relation(
            posixpath.basename(relation.get("Type", "")),
            _path(folder, relation.get("Target", "")),
        )
        for relation in parse_xml(archive.read(written), name)
        if isinstance(relation.tag, str) and relation.get("TargetMode") != "External"
    }


def _path(folder: str, target: str) -> str:
    # Some programs write paths with backslashes.
    target = target.replace("\\", "/")
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")


def main_part(archive: Archive, name: str, usual: str) -> str:
    """Return the path of the main part, which programs may name as they like.

    Args:
        archive: The file.
        name: How error messages name the file.
        usual: The path to return if the file does not name its main part.
    """
    for relation in relations(archive, "", name).values():
        if relation.kind == "officeDocument" and relation.path in archive:
            return relation.path
    return usual
