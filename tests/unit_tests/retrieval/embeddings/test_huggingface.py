"""LangChain's own `HuggingFaceEmbeddings` go into a store as they are."""

import numpy as np
import pytest
from langchain_huggingface import HuggingFaceEmbeddings
from sentence_transformers import SentenceTransformer

from langchain_swallow import HybridRetriever, SwallowFAISS
from langchain_swallow.errors import IndexStoreError
from tests.support.embeddings import static_encoder

TEXTS = ["会議室は3階にある。", "有給休暇は10日。", "日当は3,000円。"]
PROMPTS = {"query": "問い: ", "document": "文章: "}


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    return static_encoder(tmp_path_factory.mktemp("encoder") / "encoder", PROMPTS)


def embeddings(folder):
    return HuggingFaceEmbeddings(
        model_name=folder,
        model_kwargs={"device": "cpu"},
        encode_kwargs={"prompt_name": "document"},
        query_encode_kwargs={"prompt_name": "query"},
    )


def test_the_prompts_of_the_model_are_kept(encoder_folder):
    store = SwallowFAISS.from_texts(TEXTS, embeddings(encoder_folder))
    encoder = SentenceTransformer(encoder_folder, device="cpu")
    passages = encoder.encode_document(TEXTS, normalize_embeddings=True)
    query = encoder.encode_query("休暇は何日？", normalize_embeddings=True)
    assert not np.allclose(query, encoder.encode("休暇は何日？", normalize_embeddings=True))
    assert store.query_vector("休暇は何日？") == pytest.approx(query, abs=1e-6)
    assert store.snapshot().scores(query) == pytest.approx((1 + passages @ query) / 2, abs=1e-6)


def test_an_index_is_opened_with_the_same_model(encoder_folder, tmp_path):
    made = SwallowFAISS.from_texts(TEXTS, embeddings(encoder_folder), path=tmp_path / "索引")
    again = SwallowFAISS(embeddings(encoder_folder), path=tmp_path / "索引")
    retriever = HybridRetriever(store=again, k=1)
    assert retriever.invoke("有給休暇は何日？")[0].page_content == TEXTS[1]
    assert len(made) == 3
    other = static_encoder(tmp_path / "別")
    with pytest.raises(IndexStoreError, match="was made with the embedding"):
        SwallowFAISS(HuggingFaceEmbeddings(model_name=other), path=tmp_path / "索引")
