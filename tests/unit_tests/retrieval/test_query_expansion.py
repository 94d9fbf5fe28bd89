"""Searching with what a model makes of a question."""

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from langchain_tests.integration_tests import RetrieversIntegrationTests

from langchain_swallow import HybridRetriever, SwallowFAISS
from langchain_swallow.retrieval.query_expansion import HyDERetriever, MultiQueryRetriever
from tests.support.embeddings import CharacterEmbeddings

TEXTS = [
    "食堂のカレーは500円。",
    "年次有給休暇は入社半年後に10日付与する。",
    "会議室は本社ビルの3階にある。",
    "出張の日当は3,000円とする。",
]


@pytest.fixture
def retriever():
    return HybridRetriever(store=SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings()), k=2)


def saying(text):
    return FakeListChatModel(responses=[text])


class TestMultiQueryStandard(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self):
        return MultiQueryRetriever

    @property
    def retriever_constructor_params(self):
        store = SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings())
        return {
            "retriever": RunnableLambda(store.similarity_search),
            "llm": FakeListChatModel(responses=["会議室はどこにありますか。"]),
            "k": 3,
        }

    @property
    def retriever_query_example(self):
        return "会議室はどこですか。"


def test_each_paraphrase_is_searched_once():
    asked = []

    def search(query):
        asked.append(query)
        return [Document(query)]

    llm = saying(
        "1. お休みは何日もらえますか。\n・ お休みは何日もらえますか。\n\n(2) 休暇の日数は。\n余り"
    )
    found = MultiQueryRetriever(
        retriever=RunnableLambda(search), llm=llm, paraphrases=2, k=None
    ).invoke("休みは何日ですか。")
    wanted = ["休みは何日ですか。", "お休みは何日もらえますか。", "休暇の日数は。"]
    assert sorted(asked) == sorted(wanted)
    assert [d.page_content for d in found] == wanted


def test_a_paraphrase_finds_what_the_question_does_not(retriever):
    question = "バカンスはどこですか。"
    assert TEXTS[1] not in [d.page_content for d in retriever.invoke(question)][:1]
    llm = saying("有給休暇は何日付与されますか。\n年次有給休暇の日数は何日ですか。")
    found = MultiQueryRetriever(retriever=retriever, llm=llm, k=2).invoke(question)
    assert found[0].page_content == TEXTS[1]
    assert len(found) == 2


def test_what_is_no_paraphrase_is_not_searched(retriever):
    asked = []
    search = RunnableLambda(lambda query: asked.append(query) or retriever.invoke(query))
    question = "会議室はどこですか。"
    for said in ("", "  \n\n", "承知しました。" * 30):
        MultiQueryRetriever(retriever=search, llm=saying(said)).invoke(question)
    assert asked == [question] * 3


async def test_async_finds_the_same(retriever):
    question = "バカンスはどこですか。"
    llm = saying("有給休暇は何日付与されますか。")
    for made in (
        MultiQueryRetriever(retriever=retriever, llm=llm),
        HyDERetriever(retriever=retriever, llm=llm),
    ):
        found = made.invoke(question)
        assert [d.id for d in await made.ainvoke(question)] == [d.id for d in found]


def test_a_made_up_passage_leads_to_the_real_one(retriever):
    question = "バカンスはどこですか。"
    llm = saying("年次有給休暇は、入社から半年後に12日付与する。")
    found = HyDERetriever(retriever=retriever, llm=llm).invoke(question)
    assert found[0].page_content == TEXTS[1]
    # Nothing made up: the question alone.
    plain = [d.id for d in retriever.invoke(question)]
    assert [d.id for d in HyDERetriever(retriever=retriever, llm=saying(" ")).invoke(question)] == (
        plain
    )


async def test_what_a_call_wants_reaches_the_search(retriever):
    llm = saying("会議室は3階にある。")
    for made in (HyDERetriever(retriever=retriever, llm=llm), retriever):
        assert len(made.invoke("会議室はどこですか。", k=3)) == 3
        assert len(await made.ainvoke("会議室はどこですか。", k=3)) == 3
