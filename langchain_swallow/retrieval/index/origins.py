"""Which file a passage is of, however its `source` is written.

`source` stays as the user wrote it: filters and citations use it. The same file may be written as
`規程/a.txt`, `./規程/a.txt`, `/srv/規程/a.txt`, or through a link to a folder, and `規程/a.txt` may
be two files, seen from two folders. So an index keeps the location of the file beside the source.
"""

import os
from collections.abc import Iterable
from dataclasses import replace

from langchain_swallow.documents.locations import file_location
from langchain_swallow.retrieval.index.segment import Passage


def with_origins(passages: Iterable[Passage]) -> list[Passage]:
    """Passages with the location of the file that their `source` names from here.

    It is empty where that is not a file, such as an address or the name of an upload. Passages that
    have a location keep it.
    """
    found: dict[str, str] = {}
    located = []
    for passage in passages:
        source = passage.metadata.get("source")
        if passage.origin is None and isinstance(source, str):
            if source not in found:
                found[source] = file_location(source) if os.path.isfile(source) else ""
            passage = replace(passage, origin=found[source])
        located.append(passage)
    return located
