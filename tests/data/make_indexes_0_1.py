"""Writes `indexes-0.1.zip`: indexes as version 0.1 laid them out, from 130 rows on approximate.

    git worktree add --detach ../old 50d494c
    PYTHONPATH=../old python tests/data/make_indexes_0_1.py

In each the third passage was deleted, and the last five came in a second segment.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_swallow.index import vectors

from langchain_swallow import SwallowFAISS


class Rows(Embeddings):
    """Vectors by number; the same in the test."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        near = rng.normal(size=(10, 4))[rng.integers(10, size=135)]
        self.rows = (near + 0.3 * rng.normal(size=near.shape)).astype(np.float32)

    def embed_documents(self, texts):
        return [self.rows[int(text)].tolist() for text in texts]

    def embed_query(self, text):
        return self.rows[int(text)].tolist()


def main() -> None:
    vectors._APPROXIMATE_FROM = 130
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("hnsw", "ivfpq"):
            store = SwallowFAISS(Rows(), index=kind, path=Path(folder) / kind)
            for part in (range(130), range(130, 135)):
                texts = [str(i) for i in part]
                store.add_texts(texts, [{"seven": i % 7} for i in part], ids=texts)
            store.delete(["2"])
            (Path(folder) / kind / ".lock").unlink(missing_ok=True)
        shutil.make_archive(str(Path(__file__).with_name("indexes-0.1")), "zip", folder)


if __name__ == "__main__":
    main()
