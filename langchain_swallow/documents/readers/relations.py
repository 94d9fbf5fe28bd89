"""What the parts of an Office file refer to, and which part is its main one."""

import posixpath
from typing import NamedTuple

from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.xml import parse_xml


class Relation(NamedTuple):
    """What a part refers to inside the file.

    `kind` is the last word of its type, such as "image" or "comments"; `path` is the part.
    """

    kind: str
    path: str


def relations(archive: Archive, path: str, name: str) -> dict[str, Relation]:
    """Id → what a part refers to inside the file.

    Args:
        archive: The file.
        path: Of the part; empty for the file as a whole.
        name: What to call the file in an error.
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
    # Some programs write a folder as Windows does.
    target = target.replace("\\", "/")
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")


def main_part(archive: Archive, name: str, usual: str) -> str:
    """Path of the part that a file begins with; programs may name it as they like.

    Args:
        archive: The file.
        name: What to call the file in an error.
        usual: The path where nothing says another.
    """
    for relation in relations(archive, "", name).values():
        if relation.kind == "officeDocument" and relation.path in archive:
            return relation.path
    return usual
