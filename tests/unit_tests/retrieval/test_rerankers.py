"""The CrossEncoder reranker, with a tiny one of random weights."""

import pytest
import torch
from langchain_core.documents import Document
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from langchain_swallow import HybridRetriever, SwallowFAISS, SwallowReranker
from langchain_swallow.rag import Claim, SupportCheck
from tests.support.embeddings import CharacterEmbeddings

TEXTS = ["有給休暇は10日。", "会議室は3階。", "日当は3,000円。"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("reranker")
    characters = sorted(set("".join(TEXTS) + "何はどこですか"))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    (path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, num_labels=1,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(path)
    BertTokenizerFast(str(path / "vocab.txt")).save_pretrained(path)
    return path


def test_scores_are_the_models_and_order_the_result(folder):
    reranker = SwallowReranker(str(folder), device="cpu")
    scores = reranker.score("会議室はどこですか", TEXTS)
    assert scores.shape == (3,)
    assert len(set(scores.tolist())) == 3
    # A text's score does not depend on the others.
    alone = [float(reranker.score("会議室はどこですか", [text])[0]) for text in TEXTS]
    assert scores.tolist() == pytest.approx(alone, abs=1e-5)
    store = SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings())
    found = HybridRetriever(store=store, k=3, reranker=reranker).invoke("会議室はどこですか")
    order = [TEXTS[i] for i in sorted(range(3), key=lambda i: -scores[i])]
    assert [d.page_content for d in found] == order


def test_claims_are_scored_as_pairs(folder):
    reranker = SwallowReranker(str(folder), device="cpu")
    asked = [Claim("会議室はどこですか", "3階", Document(text)) for text in TEXTS]
    scores = reranker.score("会議室はどこですか 3階", TEXTS).tolist()
    worst = scores.index(min(scores))
    check = SupportCheck(reranker, min_support=sorted(scores)[1])
    assert check.confirmation().invoke(asked) == [i != worst for i in range(3)]


def test_nothing_is_loaded_for_nothing():
    assert SwallowReranker("does/not-exist").score("問", []).tolist() == []
