"""Old names of fields and arguments work, warn at the caller's line, and name the new one."""

import pytest

from langchain_swallow import ChatSwallow, HybridRetriever, SwallowFAISS
from langchain_swallow.engines.fake import FakeEngine
from tests.support.embeddings import CharacterEmbeddings
from tests.support.tokenizers import trained_tokenizer

STORE = SwallowFAISS(CharacterEmbeddings())


def chat(**fields):
    return ChatSwallow(model="demo", **fields)


def hybrid(**fields):
    return HybridRetriever(store=STORE, **fields)


# What makes the object, the old name and its value, the new name and its value.
RENAMED = [
    (chat, "served_model", "swallow", "served_model_name", "swallow"),
    (chat, "prompt_as", "text", "prompt_encoding", "text"),
    (hybrid, "least_lexical", 0.2, "min_lexical_score", 0.2),
    (hybrid, "least_dense", 0.9, "min_dense_score", 0.9),
    (hybrid, "neighbours", 2, "neighbors", 2),
    (hybrid, "words", True, "tokenizer", "sudachi"),
]
EACH = pytest.mark.parametrize(
    ("make", "old", "old_value", "new", "value"), RENAMED, ids=[row[1] for row in RENAMED]
)


def warns(old, new):
    return pytest.warns(DeprecationWarning, match=rf"^{old} of .* will be removed .* Use {new}\.$")


@EACH
def test_a_field_can_be_passed_by_its_old_name(make, old, old_value, new, value):
    with warns(old, new) as caught:
        made = make(**{old: old_value})
    assert getattr(made, new) == value != getattr(make(), new)
    assert made == make(**{new: value})
    assert [warning.filename for warning in caught] == [__file__]


@EACH
def test_a_field_can_be_read_and_set_by_its_old_name(make, old, old_value, new, value):
    made = make()
    with warns(old, new) as caught:
        setattr(made, old, old_value)
    assert getattr(made, new) == value
    with warns(old, new):
        assert getattr(made, old) == old_value
    with warns(old, new):
        assert getattr(make().model_copy(update={old: old_value}), new) == value
    assert caught[0].filename == __file__


@EACH
def test_both_names_are_an_error(make, old, old_value, new, value):
    with pytest.raises(ValueError, match=rf"got both {new} and {old}, .* Pass {new} only"):
        make(**{old: old_value, new: value})


def test_an_option_of_a_call_can_be_passed_by_its_old_name():
    store = SwallowFAISS.from_texts(["会議室は3階。", "日当は2,000円。"], CharacterEmbeddings())
    retriever = HybridRetriever(store=store, k=1, lexical_weight=0)
    assert retriever.invoke("会議") != retriever.invoke("会議", hypothetical_document="日当は。")
    with warns("like", "hypothetical_document"):
        found = retriever.invoke("会議", like="日当は。")
    assert found == retriever.invoke("会議", hypothetical_document="日当は。")
    with pytest.raises(ValueError, match="got both hypothetical_document and like"):
        retriever.invoke("会議", like="日当は。", hypothetical_document="日当は。")


def test_an_engine_can_have_the_old_name_of_a_method():
    class OwnEngine(FakeEngine):
        release_cpu_threads = property()
        released = 0

        def make_way(self):
            self.released += 1

    engine = OwnEngine(["はい", "はい"], trained_tokenizer())
    llm = ChatSwallow.from_engine(engine, model="demo")
    with warns("make_way", "release_cpu_threads"):
        assert llm.batch(["問", "問"])[0].content == "はい"
    assert engine.released == 1
