"""RAG chains as parts of other things: LCEL, LangGraph, traces."""

from typing import TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph

from langchain_swallow import Answer, ChatSwallow, HybridRetriever, SwallowFAISS, create_rag_chain
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.rag import Citation
from tests.support.embeddings import CharacterEmbeddings
from tests.support.tokenizers import trained_tokenizer

QUESTION, TEXT = "有給休暇は何日ですか。", "10日です。[1]"


@pytest.fixture
def chain():
    store = SwallowFAISS.from_texts(["有給休暇は10日とする。"], CharacterEmbeddings())
    engine = FakeEngine([TEXT] * 2, trained_tokenizer())
    llm = ChatSwallow.from_engine(engine, model="fake", max_tokens=64)
    return create_rag_chain(llm, HybridRetriever(store=store))


class Tracer(BaseTracer):
    """Keeps the runs that LangSmith would be sent."""

    def __init__(self):
        super().__init__()
        self.roots = []

    def _persist_run(self, run):
        self.roots.append(run)


def shape(run):
    return run.name, run.run_type, [shape(child) for child in run.child_runs]


TRACED = (
    "SwallowRAG",
    "chain",
    [("HybridRetriever", "retriever", []), ("ChatSwallow", "llm", [])],
)


def test_a_chain_is_a_part_of_an_lcel_chain(chain):
    composed = {"question": RunnableLambda(str)} | chain | RunnableLambda(lambda a: a.text)
    assert composed.invoke(QUESTION) == TEXT
    assert "".join(composed.stream(QUESTION)) == TEXT


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
async def test_a_trace_has_the_retriever_and_the_model_below_the_chain(chain, way):
    tracer = Tracer()
    config = {"callbacks": [tracer], "metadata": {"部署": "総務"}}
    if way == "invoke":
        chain.invoke(QUESTION, config)
    elif way == "stream":
        list(chain.stream(QUESTION, config))
    elif way == "ainvoke":
        await chain.ainvoke(QUESTION, config)
    else:
        [piece async for piece in chain.astream(QUESTION, config)]
    [root] = tracer.roots
    assert shape(root) == TRACED
    assert root.outputs["output"].text == TEXT
    assert root.error is None
    retriever, model = root.child_runs
    assert retriever.inputs == {"query": QUESTION}
    [found] = retriever.outputs["documents"]
    assert found.page_content == "有給休暇は10日とする。"
    assert found.metadata["score"] > 0
    assert model.outputs["generations"][0][0]["text"] == TEXT
    assert all(run.extra["metadata"]["部署"] == "総務" for run in (root, retriever, model))


def test_a_chain_is_a_node_of_a_graph_whose_state_is_kept(chain):
    class State(TypedDict, total=False):
        question: str
        answer: Answer

    known = JsonPlusSerializer(allowed_msgpack_modules=[Answer, Citation])
    graph = StateGraph(State)
    graph.add_node("rag", lambda state: {"answer": chain.invoke(state["question"])})
    graph.add_edge(START, "rag")
    app = graph.compile(checkpointer=InMemorySaver(serde=known))
    tracer, thread = Tracer(), {"configurable": {"thread_id": "甲"}}
    answer = app.invoke({"question": QUESTION}, {**thread, "callbacks": [tracer]})["answer"]
    assert answer.text == TEXT
    assert app.get_state(thread).values["answer"] == answer
    [root] = tracer.roots
    assert [shape(child) for child in root.child_runs[0].child_runs] == [TRACED]
    streamed = app.stream(
        {"question": QUESTION}, {"configurable": {"thread_id": "乙"}}, stream_mode="messages"
    )
    assert "".join(message.content for message, _ in streamed) == TEXT
