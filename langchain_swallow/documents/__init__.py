"""Loads files and folders as Documents, and splits them into chunks."""

from typing import TYPE_CHECKING

from langchain_swallow._system.lazy import lazy_names

if TYPE_CHECKING:
    from langchain_swallow.documents.load import (
        LoadedDocuments,
        lazy_load_documents,
        load_documents,
    )
    from langchain_swallow.documents.split import JapaneseTextSplitter

__all__ = [
    "JapaneseTextSplitter",
    "LoadedDocuments",
    "lazy_load_documents",
    "load_documents",
]

__getattr__ = lazy_names(
    __name__,
    {
        "JapaneseTextSplitter": "split",
        "LoadedDocuments": "load",
        "lazy_load_documents": "load",
        "load_documents": "load",
    },
)
