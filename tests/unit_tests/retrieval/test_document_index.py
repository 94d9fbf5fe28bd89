"""LangChain's suites of a document index, over a store.

langchain-tests advises against shipping a `DocumentIndex`; this one shows that adding, replacing,
fetching and deleting by id are what its contract asks for.
"""

from typing import Any

import pytest
from langchain_core.indexing.base import DocumentIndex
from langchain_tests.integration_tests.indexer import (
    AsyncDocumentIndexTestSuite,
    DocumentIndexerTestSuite,
)

from langchain_swallow import SwallowFAISS
from tests.support.embeddings import CharacterEmbeddings


class StoreIndex(DocumentIndex):
    store: Any

    def upsert(self, items, /, **_):
        return {"succeeded": self.store.add_documents(list(items)), "failed": []}

    def delete(self, ids=None, **_):
        if ids is None:
            raise ValueError("No ids: a store would delete everything.")
        there = [document.id for document in self.store.get_by_ids(ids)]
        self.store.delete(ids)
        return {"succeeded": there, "num_deleted": len(there), "num_failed": 0, "failed": []}

    def get(self, ids, /, **_):
        return self.store.get_by_ids(ids)

    def _get_relevant_documents(self, query, *, run_manager):
        return self.store.similarity_search(query)


def made(tmp_path):
    return StoreIndex(store=SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引"))


class TestIndexer(DocumentIndexerTestSuite):
    @pytest.fixture
    def index(self, tmp_path):
        return made(tmp_path)


class TestAsyncIndexer(AsyncDocumentIndexTestSuite):
    @pytest.fixture
    async def index(self, tmp_path):
        return made(tmp_path)
