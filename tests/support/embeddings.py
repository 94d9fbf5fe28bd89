"""Embeddings for tests: likeness of texts is likeness of vectors, or a real small encoder."""

import copy
import zlib

import numpy as np
from langchain_core.embeddings import Embeddings

from tests.support.tokenizers import trained_tokenizer

DIMENSION = 256


class CharacterEmbeddings(Embeddings):
    """Hashed character 1+2-grams."""

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


def transformer_encoder(folder):
    """A ModernBERT of random weights, as ruri v3 is one, that sentence-transformers averages."""
    from transformers import ModernBertConfig, ModernBertModel

    tokenizer = copy.deepcopy(trained_tokenizer())
    tokenizer.pad_token = tokenizer.eos_token
    ids = {"pad_token_id": 0, "bos_token_id": 1, "cls_token_id": 1}
    ids |= {"eos_token_id": 2, "sep_token_id": 2}
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        **ids,
    )
    ModernBertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def static_encoder(folder, prompts=None, default_prompt_name=None):
    """A real sentence-transformers model: a static embedding of the trained tokenizer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    tokenizer = trained_tokenizer().backend_tokenizer
    weights = np.random.default_rng(0).normal(size=(600, 16)).astype(np.float32)
    module = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(
        modules=[module], prompts=prompts, default_prompt_name=default_prompt_name
    ).save(str(folder))
    return str(folder)


class FixedEmbeddings(Embeddings):
    """Vectors from a table."""

    def __init__(self, vectors):
        self.vectors = vectors

    def embed_documents(self, texts):
        return [self.vectors[text] for text in texts]

    def embed_query(self, text):
        return self.vectors[text]
