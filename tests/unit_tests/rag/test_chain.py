"""The RAG chain: packing, citations, refusal, streaming."""

import dataclasses
import functools
import itertools
import operator
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda

from langchain_swallow import (
    Answer,
    ChatSwallow,
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowFAISS,
    create_rag_chain,
)
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.errors import PromptOverflowError
from langchain_swallow.prompts.presets import REFUSAL, Preset, get_preset
from langchain_swallow.rag.citation_checks import CitationFilter, find_citations
from langchain_swallow.rag.packing import best_at_both_ends, fenced, merged, numbered, pack
from langchain_swallow.rag.rewrite import accepted, stands_alone
from tests.support.embeddings import CharacterEmbeddings
from tests.support.tokenizers import trained_tokenizer

PASSAGES = [
    Document("有給休暇は入社半年後に10日付与する。", metadata={"source": "就業規則.md"}),
    Document("会議室は本社ビルの3階にある。", metadata={"source": "案内.md"}),
    Document("出張の日当は３，０００円とする。", metadata={"source": "旅費.md"}),
]


def retrieve(_question):
    return PASSAGES


def chain_of(*answers, retriever=retrieve, window=4096, **options):
    engine = FakeEngine(answers, trained_tokenizer(), context_window=window)
    fields = {"max_tokens": options.pop("max_tokens", 128)}
    llm = ChatSwallow.from_engine(engine, model="fake", **fields)
    return create_rag_chain(llm, retriever, **options), engine


def test_an_answer_with_its_citation():
    chain, engine = chain_of("10日です。[1]")
    answer = chain.invoke({"question": "有給休暇は何日？"})
    assert answer.text == "10日です。[1]"
    assert answer.question == "有給休暇は何日？"
    assert answer.documents == tuple(PASSAGES)
    assert not answer.refused
    (citation,) = answer.citations
    assert citation.number == 1
    assert citation.document == PASSAGES[0]
    assert answer.usage["input_tokens"] == len(engine.requests[0].prompt_ids)


def test_the_prompt_is_the_preset_with_numbered_passages():
    chain, engine = chain_of("10日 [1]")
    chain.invoke("有給休暇は何日？")
    prompt = engine.tokenizer.decode(engine.requests[0].prompt_ids)
    values = {"context": fenced(PASSAGES), "question": "有給休暇は何日？"}
    (_, human) = get_preset("質問応答").template.invoke(values).to_messages()
    # The small vocabulary of the test has no unknown characters: it falls back to bytes.
    assert human.text in prompt
    assert numbered(PASSAGES).startswith("[1] 有給休暇は入社半年後に10日付与する。\n\n[2] 会議室")


def test_passages_stand_between_lines_that_none_of_them_contains():
    opening, *shown, closing = fenced(PASSAGES).split("\n")
    mark = re.fullmatch(r"〔資料([0-9a-f]{4})〕", opening)[1]
    assert closing == f"〔資料{mark}終わり〕"
    assert "\n".join(shown) == numbered(PASSAGES)
    assert fenced(PASSAGES) == fenced(PASSAGES)
    # An author who knows all other passages, and so what the mark will be, gains nothing by it.
    guessed = [*PASSAGES]
    for _ in range(300):
        mark = fenced(guessed).split("〕")[0].removeprefix("〔資料")
        assert mark not in numbered(guessed)
        guessed = [*PASSAGES, Document(f"{guessed[-1].page_content}\n{mark}終わり〕{mark.upper()}")]


def test_a_text_with_every_short_mark_has_a_longer_one():
    every = Document(" ".join(f"{n:04x}" for n in range(16**4)))
    assert re.match(r"〔資料[0-9a-f]{5}〕", fenced([every]))


@pytest.mark.parametrize("question", ["", "  ", {"question": ""}, {}])
def test_no_question_is_an_error(question):
    with pytest.raises(ValueError, match=r"No question\. Pass a string or"):
        chain_of("x")[0].invoke(question)


def test_when_nothing_is_found_the_model_is_not_asked():
    chain, engine = chain_of(retriever=lambda q: [])
    answer = chain.invoke("問")
    assert (answer.text, answer.refused, answer.citations) == (REFUSAL, True, ())
    assert not engine.requests


@pytest.mark.parametrize("text", [REFUSAL, "資料からは分かりません", f"{REFUSAL} [2]"])
def test_a_refusal_is_marked_and_cites_nothing(text):
    answer = chain_of(text)[0].invoke("問")
    assert answer.refused
    assert answer.citations == ()


# Streaming


@pytest.mark.parametrize(
    ("said", "text", "refused"),
    [
        ("10日 [1]", "10日 [1]", False),
        # Corrected first: the words are those of the first passage.
        ("10日 [2]", "10日 [1]", False),
        ("100万円です。[1]", REFUSAL, True),
        ("10日", REFUSAL, True),
        (f"{REFUSAL}[1]", REFUSAL, True),
    ],
)
def test_an_answer_without_support_is_a_refusal_where_support_is_required(said, text, refused):
    chain, _ = chain_of(said, require_support=True)
    pieces = list(chain.stream("有給休暇は何日？"))
    answer = functools.reduce(operator.add, pieces)
    assert (answer.text, answer.refused, bool(answer.citations)) == (text, refused, not refused)
    assert answer.usage
    # Nothing is shown that is taken back.
    assert [piece.text for piece in pieces if piece.text] == [text]
    # By default it is shown.
    shown = chain_of(said)[0].invoke("有給休暇は何日？")
    assert shown.text != REFUSAL or said.startswith(REFUSAL)


def test_a_stream_adds_up_to_the_answer():
    text = "有給は10日です[1]。日当は3,000円[3][9]。"
    chain, _ = chain_of(text, text)
    pieces = list(chain.stream("問"))
    whole = chain.invoke("問")
    assert sum(pieces[1:], pieces[0]) == whole
    assert whole.text == "有給は10日です[1]。日当は3,000円[3]。"
    assert pieces[0].documents == tuple(PASSAGES)
    assert len([p for p in pieces if p.text]) > 10
    assert whole.removed_citations == (9,)


async def test_async_is_the_same():
    text = "10日 [1]"
    chain, _ = chain_of(*[text] * 3)
    pieces = [piece async for piece in chain.astream("問")]
    assert sum(pieces[1:], pieces[0]) == await chain.ainvoke("問") == chain.invoke("問")


def test_batch_asks_all():
    chain, engine = chain_of("一 [1]", "一 [1]", "一 [1]")
    assert [a.text for a in chain.batch(["問1", "問2", "問3"])] == ["一 [1]"] * 3
    assert len(engine.requests) == 3


# Conversations

HISTORY = [HumanMessage("有給休暇は何日ですか。"), AIMessage("10日です。[1]")]


@pytest.mark.parametrize(
    ("question", "alone"),
    [
        ("有給休暇は入社何か月後にもらえますか。", True),
        ("会議室はどこにありますか。", True),
        ("それはいつもらえますか。", False),
        ("その場合の手続きは何ですか。", False),
        ("大阪は。", False),
        ("海外の場合は？", False),
        ("では、パートも対象ですか。", False),
        ("ほかに必要な書類はありますか。", False),
        ("いつまで？", False),
        ("何日前までですか。", False),
        ("どうすればよいですか。", False),
        ("いくらまで購入できますか。", True),
        ("どこに届け出ますか。", True),
    ],
)
def test_which_questions_lean_on_the_conversation(question, alone):
    assert stands_alone(question) == alone


@pytest.mark.parametrize(
    ("rewrite", "searched"),
    [
        ("有給休暇はいつもらえますか。", "有給休暇はいつもらえますか。"),
        ("有給休暇はいつもらえますか。\n回答: 半年後です。", "有給休暇はいつもらえますか。"),
        ("", "有給休暇は何日ですか。 それはいつもらえますか。"),
        ("半年後です。", "有給休暇は何日ですか。 それはいつもらえますか。"),
        ("When do I get it?", "有給休暇は何日ですか。 それはいつもらえますか。"),
        ("有給休暇はいつ" * 20 + "か。", "有給休暇は何日ですか。 それはいつもらえますか。"),
    ],
    ids=["good", "first line", "empty", "an answer", "not Japanese", "too long"],
)
async def test_a_follow_up_is_searched_as_a_whole_question(rewrite, searched):
    asked = []

    def search(question):
        asked.append(question)
        return PASSAGES

    chain, engine = chain_of(*[rewrite, "10日 [1]"] * 2, retriever=search)
    inputs = {"question": "それはいつもらえますか。", "history": HISTORY}
    assert chain.invoke(inputs).question == searched
    assert (await chain.ainvoke(inputs)).question == searched
    assert asked == [searched] * 2
    prompt = engine.tokenizer.decode(engine.requests[0].prompt_ids)
    assert "質問: 有給休暇は何日ですか。\n回答: 10日です。[1]\n最後の質問: それは" in prompt


@pytest.mark.parametrize(
    ("question", "rewrite", "is_taken"),
    [
        ("では慶弔休暇は？", "慶弔休暇は何日ですか。", True),
        ("では慶弔休暇は？", "有給休暇は何日ですか。", False),
        ("ではパートは？", "パートの有給休暇は何日ですか。", True),
        ("ではパートは？", "正社員の有給休暇は何日ですか。", False),
        ("ではパートは？", "パートは何ですか。", False),
        ("3年だと？", "勤続3年の有給休暇は何日ですか。", True),
        ("3年だと？", "勤続4年の有給休暇は何日ですか。", False),
        ("それはいつまで？", "有給休暇は何日ですか。", False),
        ("それはいつまで？", "有給休暇はいつまで使えますか。", True),
        ("その10日はいつまで使えますか。", "有給休暇の10日はいつまで使えますか。", True),
    ],
)
def test_a_rewrite_has_what_is_asked_and_what_it_is_about(question, rewrite, is_taken):
    fallback = f"有給休暇は何日ですか。 {question}"
    assert accepted(rewrite, HISTORY, question) == (rewrite if is_taken else fallback)


@pytest.mark.parametrize(
    ("rewrite", "is_taken"), [("麺類はいくらですか。", True), ("麺類はどれですか。", False)]
)
def test_a_question_word_goes_on_from_the_last_question(rewrite, is_taken):
    history = [HumanMessage("カレーはいくらですか。"), AIMessage("380円です。")]
    assert (accepted(rewrite, history, "麺類は？") == rewrite) == is_taken


def test_a_follow_up_of_a_follow_up_goes_back_to_the_question_that_stands_alone():
    history = [*HISTORY, HumanMessage("ではパートは？"), AIMessage("7日です。")]
    assert accepted("", history, "役員は？") == "有給休暇は何日ですか。 役員は？"
    assert accepted("", history[2:], "役員は？") == "ではパートは？ 役員は？"


def test_a_question_that_stands_alone_is_not_rewritten():
    chain, engine = chain_of("3階 [2]")
    inputs = {"question": "会議室はどこにありますか。", "history": HISTORY}
    assert chain.invoke(inputs).question == "会議室はどこにありますか。"
    assert len(engine.requests) == 1


# Any model and any retriever


@pytest.mark.parametrize(
    "retriever",
    [
        retrieve,
        RunnableLambda(retrieve),
        HybridRetriever(store=SwallowFAISS.from_documents(PASSAGES, CharacterEmbeddings()), k=3),
        SwallowFAISS.from_documents(PASSAGES, CharacterEmbeddings()).as_retriever(),
    ],
    ids=["function", "Runnable", "HybridRetriever", "as_retriever"],
)
def test_any_retriever(retriever):
    answer = chain_of("10日 [1]", retriever=retriever)[0].invoke("有給休暇は何日")
    assert answer.citations[0].document.page_content == PASSAGES[0].page_content


def test_any_chat_model():
    chain = create_rag_chain(FakeListChatModel(responses=["10日 [1]"]), retrieve)
    assert chain.invoke("問").citations[0].quote == "10日"
    chain = create_rag_chain(RunnableLambda(lambda _: AIMessage("3階 [2]")), retrieve)
    assert chain.invoke("問").citations[0].document == PASSAGES[1]


def test_any_preset_with_the_two_variables():
    mine = Preset(
        "短", "短く。", "短く。", "{context}\n{question}", {"context": "", "question": ""}
    )
    chain, engine = chain_of("10日", preset=mine)
    chain.invoke("問")
    assert f"短く。\n{fenced(PASSAGES)}" in engine.tokenizer.decode(engine.requests[0].prompt_ids)
    with pytest.raises(ValueError, match="Use a preset with context and question"):
        chain_of("x", preset="要約")


# The window


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 120), min_size=1, max_size=8),
    window=st.integers(200, 700),
    max_tokens=st.integers(1, 60),
)
def test_prompt_and_answer_never_exceed_the_window(lengths, window, max_tokens):
    documents = [Document("有給休暇の規程です。" * n) for n in lengths]
    chain, engine = chain_of(
        "一 [1]", retriever=lambda q: documents, window=window, max_tokens=max_tokens
    )
    try:
        answer = chain.invoke("有給休暇は何日ですか。")
    except PromptOverflowError:
        assert not engine.requests
        return
    (request,) = engine.requests
    assert len(request.prompt_ids) + request.max_tokens <= window
    # The best come first and whole; only the last is cut, at a sentence end.
    for shown, document in zip(answer.documents[:-1], documents, strict=False):
        assert shown == document
    assert documents[len(answer.documents) - 1].page_content.startswith(
        answer.documents[-1].page_content
    )
    assert answer.documents[-1].page_content.endswith("。")


def test_a_question_beside_which_nothing_fits_is_an_error():
    chain, engine = chain_of("一", window=200, max_tokens=100)
    with pytest.raises(
        PromptOverflowError, match="leaves no room for a passage in 100 prompt tokens"
    ):
        chain.invoke("長い質問" * 50)
    assert not engine.requests


def test_packing_takes_what_fits_and_cuts_the_last_at_a_sentence():
    documents = [Document("一。二。"), Document("三。四。五。"), Document("六。")]

    def fits(limit):
        return lambda shown: sum(len(d.page_content) for d in shown) <= limit

    def texts(limit):
        return [d.page_content for d in pack(documents, fits(limit))]

    assert texts(99) == ["一。二。", "三。四。五。", "六。"]
    assert texts(9) == ["一。二。", "三。四。"]
    assert texts(5) == ["一。二。"]
    assert texts(3) == ["一。"]
    assert texts(1) == []


SECTION = "".join(f"第{i}文は{'あ' * (i % 5)}です。" for i in range(20))


@given(st.lists(st.integers(0, 99), unique=True, max_size=12))
def test_overlapping_passages_become_one_and_nothing_is_lost(order):
    whole = [Document(SECTION, metadata={"source": s}) for s in ("a", "b")]
    chunks = JapaneseTextSplitter(25, len).split_documents(whole)
    documents = [chunks[i % len(chunks)] for i in order]
    found = merged(documents)
    for document in found:
        start, end = document.metadata["start_index"], document.metadata["end_index"]
        assert document.page_content == SECTION[start:end]
    for one, other in itertools.combinations(found, 2):
        apart = (
            one.metadata["end_index"] <= other.metadata["start_index"]
            or other.metadata["end_index"] <= one.metadata["start_index"]
        )
        assert apart or one.metadata["source"] != other.metadata["source"]

    def covered(documents):
        return {
            (d.metadata["source"], i)
            for d in documents
            for i in range(d.metadata["start_index"], d.metadata["end_index"])
        }

    assert covered(found) == covered(documents)
    # The best stays first.
    assert not documents or covered(documents[:1]) <= covered(found[:1])


def test_passages_that_do_not_overlap_stay():
    def passage(text, start, **metadata):
        place = {"source": "a", "start_index": start, "end_index": start + len(text)}
        return Document(text, metadata={**place, **metadata})

    documents = [
        passage("一番。二番。", 0, score=0.9),
        # It only touches: another section may have the same headings, a table its next row.
        passage("三番。", 6),
        passage("二番。三番。", 3, headings="別の章"),
        passage("違う。四番。", 3),
        Document("一番。二番。", metadata={"source": "a"}),
        # Other splitters and stores have offsets of their own kinds.
        Document("一番。", metadata={"source": "a", "start_index": 0, "end_index": None}),
        Document("一番。二番。", metadata={"source": "a", "start_index": "零", "end_index": "六"}),
    ]
    assert merged(documents) == documents
    joined = merged([documents[1], documents[0], passage("二番。三番。", 3)])
    assert [d.page_content for d in joined] == ["一番。二番。三番。"]
    assert "score" not in joined[0].metadata
    # What was cut to fit says where it ends.
    (cut,) = pack(joined, lambda shown: len(shown[0].page_content) <= 7)
    assert (cut.page_content, cut.metadata["end_index"]) == ("一番。二番。", 6)
    (cut,) = pack(documents[-1:], lambda shown: len(shown[0].page_content) <= 5)
    assert (cut.page_content, cut.metadata["end_index"]) == ("一番。", "六")


def test_the_chain_shows_overlapping_passages_as_one():
    chunks = JapaneseTextSplitter(25, len).split_documents(
        [Document(SECTION, metadata={"source": "a"})]
    )
    chain, engine = chain_of("第3文 [1]", retriever=lambda _: [chunks[1], chunks[0]])
    answer = chain.invoke("何文ですか。")
    (shown,) = answer.documents
    assert shown.page_content == SECTION[: chunks[1].metadata["end_index"]]
    prompt = engine.tokenizer.decode(engine.requests[0].prompt_ids)
    assert prompt.count("第2文") == 1


def test_many_passages_have_the_best_at_both_ends():
    few = [Document(str(i)) for i in range(9)]
    assert best_at_both_ends(few) == few
    many = [Document(str(i)) for i in range(11)]
    assert [d.page_content for d in best_at_both_ends(many)] == ("0 2 4 6 8 10 9 7 5 3 1".split())
    chain, engine = chain_of("八 [11]", retriever=lambda _: many)
    answer = chain.invoke("何ですか。")
    # Numbers are those of the prompt.
    assert answer.documents == tuple(best_at_both_ends(many))
    assert "[11] 1\n" in engine.tokenizer.decode(engine.requests[0].prompt_ids)


def test_a_model_bound_to_more_tokens_leaves_room_for_them():
    engine = FakeEngine(["一 [1]"], trained_tokenizer(), context_window=600)
    llm = ChatSwallow.from_engine(engine, model="fake", max_tokens=10).bind(max_tokens=200)
    documents = [Document("有給休暇の規程です。" * 60)]
    create_rag_chain(llm, lambda q: documents).invoke("問")
    assert len(engine.requests[0].prompt_ids) + 200 <= 600


# Citations


@pytest.mark.parametrize(
    ("text", "shown", "removed"),
    [
        ("10日[1]。", "10日[1]。", []),
        ("10日［１］", "10日[1]", []),
        ("10日［1］", "10日[1]", []),
        ("三日 [1, 2]", "三日 [1][2]", []),
        ("10日[1、7]", "10日[1]", [7]),
        ("10日 [7]。", "10日。", [7]),
        ("10日[0]", "10日", [0]),
        ("配列a[x]と[", "配列a[x]と[", []),
        ("[INST]", "[INST]", []),
    ],
)
def test_marks_without_a_passage_are_removed_however_the_text_arrives(text, shown, removed):
    for size in (1, 2, 3, 100):
        made = CitationFilter(PASSAGES[:2])
        pieces = [made.push(text[i : i + size]) for i in range(0, len(text), size)]
        assert "".join([*pieces, made.finish()]) == shown
        assert made.removed == removed


@pytest.mark.parametrize(
    ("text", "shown", "corrected"),
    [
        ("10日 [2]", "10日 [1]", [(2, 1)]),
        ("会議室は3階 [1]", "会議室は3階 [1]", []),
        ("本社ビルの3階にある。[3]", "本社ビルの3階にある。[2]", [(3, 2)]),
        ("10日[3]、3,000円[1]", "10日[1]、3,000円[3]", [(3, 1), (1, 3)]),
        ("10日 [1][2]", "10日 [1]", [(2, 1)]),
        ("10日 [1、2]", "10日 [1]", [(2, 1)]),
        ("日 [2]", "日 [2]", []),
        ("[2]", "[2]", []),
    ],
)
def test_a_mark_is_moved_to_the_passage_that_has_its_words(text, shown, corrected):
    for size in (1, 2, 5, 100):
        made = CitationFilter(PASSAGES)
        pieces = [made.push(text[i : i + size]) for i in range(0, len(text), size)]
        assert "".join([*pieces, made.finish()]) == shown
        assert made.corrected == corrected


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        ("10日 [1]", {1: "10日"}),
        ("日当は3,000円とする[3]。", {3: "日当は３，０００円とする"}),
        ("会議室は3階です[2]。", {2: None}),
        (
            "有給は10日 [1]、会議室は本社ビルの3階にある。[2]",
            {1: None, 2: "会議室は本社ビルの3階にある"},
        ),
        ("20年です [1]", {1: ""}),
    ],
)
def test_a_citation_is_checked_against_its_passage(text, quotes):
    found = find_citations(text, PASSAGES, "")
    assert [c.number for c in found] == list(quotes)
    for citation in found:
        wanted = quotes[citation.number]
        assert citation.document.page_content[citation.start : citation.end] == citation.quote
        assert (citation.status != "not_found") == bool(citation.quote)
        if wanted is not None:
            assert citation.quote == wanted


def test_an_answer_is_json():
    answer = chain_of("10日 [1]")[0].invoke("有給は何日ですか。")
    made = answer.as_dict()
    assert made["citations"] == [
        {"number": 1, "source": "就業規則.md", "quote": "10日", "start": 11, "end": 14,
         "status": "supported", "contradicted": False, "verified": True}
    ]  # fmt: skip
    assert made["text"] == str(answer) == "10日 [1]"
    assert made["documents"][1]["metadata"] == {"source": "案内.md"}


def test_answers_are_values():
    assert Answer("a") + Answer("b") == Answer("ab")
    with pytest.raises(dataclasses.FrozenInstanceError):
        Answer("a").text = "b"


# For notebooks and pages


def test_an_answer_is_shown_with_its_passages():
    documents = [
        Document(
            "日当は<b>3,000円</b>。\n\n宿泊は別。", metadata={"source": "a/<旅費>.md", "page": 2}
        ),
        Document("食堂は1階。", metadata={"source": "b.md"}),
    ]
    llm = FakeListChatModel(responses=["日当は3,000円 [1]。<script>x</script> 食堂は1階 [2]、[7]"])
    answer = create_rag_chain(llm, lambda _: documents).invoke("日当はいくらですか。")
    shown = answer._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<b>" not in shown
    assert "3,000円</mark>" in shown
    assert "[1] &lt;旅費&gt;.md 2頁" in shown
    (anchor,) = set(re.findall(r'href="#(passage-\w+)-1"', shown))
    assert f'id="{anchor}-1"' in shown
    assert "\n\n" not in shown
    assert Answer(text="a\n\nb [1]")._repr_html_() == "<p>a<br><br>b [1]</p>"
