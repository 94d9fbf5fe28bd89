"""Embeddings for tests: hashed character 1+2-grams, so that likeness of texts is likeness."""

import zlib

import numpy as np
from langchain_core.embeddings import Embeddings

DIMENSION = 256


class CharacterEmbeddings(Embeddings):
    def __init__(self, model="characters"):
        self.model = model
        self.embedded = []

    def embed_documents(self, texts):
        self.embedded += texts
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        vector = np.zeros(DIMENSION, dtype=np.float32)
        for size in (1, 2):
            for i in range(len(text) - size + 1):
                vector[zlib.crc32(text[i : i + size].encode()) % DIMENSION] += 1
        return vector.tolist()
