"""Locations of the files that chunks are from, independent of the spelling of `source`.

`source` stays as the user wrote it, because filters and citations use it. The same file may be
written as `規程/a.txt`, `./規程/a.txt`, `/srv/規程/a.txt`, or through a link to a folder. Seen from
two folders, `規程/a.txt` may be two files. An index therefore stores the location of the file in
addition to the source.
"""

import os
from collections.abc import Iterable
from dataclasses import replace

from langchain_swallow.documents.locations import file_location
from langchain_swallow.retrieval.index.segment import Passage


def with_origins(passages: Iterable[Passage]) -> list[Passage]:
    """Add the location of the file that `source` names from the working directory.

    The location is empty if `source` is not a file, but for example a URL or the name of an upload.
    Chunks that already have a location keep it.
    """
    locations: dict[str, str] = {}
    located = []
    for passage in passages:
        source = passage.metadata.get("source")
        if passage.origin is None and isinstance(source, str):
            if source not in locations:
                locations[source] = file_location(source) if os.path.isfile(source) else ""
            passage = replace(passage, origin=locations[source])
        located.append(passage)
    return located
