"""RAG evaluation over chains whose answers are known: the figures must be too."""

import json
import re
import sys
from collections import Counter
from types import SimpleNamespace

import langsmith
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableGenerator, RunnableLambda

from langchain_swallow.cli.evaluated import say_what_was_written
from langchain_swallow.errors import EvaluationError
from langchain_swallow.evaluation import rag
from langchain_swallow.evaluation.rag import Example
from langchain_swallow.evaluation.rag.langsmith import (
    evaluator,
    from_langsmith,
    metric_of,
    target_of,
    to_langsmith,
)
from langchain_swallow.evaluation.rag.report import report_as_dict
from langchain_swallow.evaluation.rag.scores import is_document, ranked_names
from langchain_swallow.evaluation.rag.sweep import configurations, plot_sweep
from langchain_swallow.evaluation.run_file import RunFile, read_records
from langchain_swallow.rag import Answer, Citation
from tests.support.judges import RuleModel
from tests.support.paths import ROOT

EXAMPLES = [
    Example("1", "試用期間は？", ("3か月",), {"就業規則.md": 1}, "人事"),
    Example("2", "日当は？", ("2,000円",), {"旅費.docx": 1}, "経理"),
    Example("3", "社長の趣味は？"),
    Example("4", "定年は？", ("60歳",), {"就業規則.md": 1}, "人事"),
]


def document(name, text="本文"):
    return Document(text, id=f"id-{name}", metadata={"source": f"/文書/{name}", "score": 0.5})


RULES, TRAVEL, OTHER = map(document, ("就業規則.md", "旅費.docx", "その他.txt"))


def cited(number, where, *, verified=True):
    return Citation(number, where, quote="本文" if verified else "", verified=verified)


# One right, one wrong with one of two citations right, one refused rightly, one refused wrongly.
ANSWERS = {
    "試用期間は？": Answer(
        "3か月です [1]", (cited(1, RULES),), (RULES, OTHER, RULES), "試用期間は？",
        usage={"input_tokens": 100, "output_tokens": 5, "total_tokens": 105},
    ),
    "日当は？": Answer(
        "3,000円 [1][3]", (cited(1, RULES, verified=False), cited(3, TRAVEL)),
        (RULES, OTHER, TRAVEL), "日当は？",
    ),
    "社長の趣味は？": Answer("資料からは分かりません。", documents=(OTHER,), refused=True),
    "定年は？": Answer("資料からは分かりません。", documents=(TRAVEL, OTHER, RULES), refused=True),
}  # fmt: skip


def chain_of(answers, log=None):
    def generate(inputs):
        question = "".join(inputs)
        if log is not None:
            log.append(question)
        answer = answers[question]
        if isinstance(answer, Exception):
            raise answer
        yield Answer(documents=answer.documents, question=answer.question)
        yield Answer(text=answer.text[:2])
        yield Answer(
            text=answer.text[2:], citations=answer.citations, refused=answer.refused,
            usage=answer.usage,
        )  # fmt: skip

    return RunnableGenerator(generate)


def run(path, chain, examples=EXAMPLES, **options):
    with RunFile(path) as file:
        return rag.answer_examples(chain, examples, file, **options)


@pytest.fixture
def scores(tmp_path):
    assert run(tmp_path / "run.jsonl", chain_of(ANSWERS), settings={"k": 3}) == []
    return rag.score_run(EXAMPLES, read_records(tmp_path / "run.jsonl"))


def means(summary):
    return {name: estimate.mean for name, estimate in summary.metrics.items()}


# Figures


def test_figures_known_in_advance(scores):
    found = means(scores.total)
    third = pytest.approx(1 / 3)
    assert found["recall@1"] == third
    assert found["recall@3"] == 1
    # The travel rules are found third; documents seen before are not counted again.
    assert found["mrr@3"] == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
    assert "recall@5" not in found
    assert found["exact_match"] == 0
    assert found["contains"] == third
    # 3か月です and 3か月: 3 of 5 characters; 3000円 and 2000円: 4 of 5; a refusal: none.
    assert found["f1"] == pytest.approx((2 * 3 / 8 + 2 * 4 / 10) / 3)
    assert found["citation_precision"] == pytest.approx((1 + 0.5) / 2)
    assert found["citation_recall"] == pytest.approx((1 + 1 + 0) / 3)
    assert found["citation_support"] == pytest.approx((1 + 0.5) / 2)
    assert found["refusal"] == 1
    assert found["false_refusal"] == third
    assert scores.total.questions == 4
    assert scores.total.metrics["refusal"].count == 1
    assert scores.total.percentiles["input_tokens"]["p50"] == 100
    assert scores.total.percentiles["seconds"]["p95"] >= scores.total.percentiles["seconds"]["p50"]


def test_figures_by_document_and_category(scores):
    assert {name: s.questions for name, s in scores.by_document.items()} == {
        "就業規則.md": 2, "旅費.docx": 1,
    }  # fmt: skip
    assert means(scores.by_category["人事"])["contains"] == 0.5
    assert set(scores.by_category) == {"人事", "経理"}


def test_first_text_is_seen_in_the_stream(scores):
    for one in scores.questions:
        assert 0 < one.record["first_text_s"] <= one.record["seconds"]


def test_retrieval_is_measured_beyond_what_the_model_was_shown(tmp_path):
    path = tmp_path / "run.jsonl"
    run(path, chain_of(ANSWERS))
    found = {e.question: [OTHER, *([TRAVEL] * 6), RULES, OTHER, OTHER] for e in EXAMPLES}
    with RunFile(path) as file:
        assert rag.retrieve_examples(RunnableLambda(found.__getitem__), EXAMPLES, file) == []
    total = means(rag.score_run(EXAMPLES, read_records(path)).total)
    assert total["recall@1"] == 0
    assert total["recall@3"] == 1
    # Distinct documents: other, travel, rules.
    assert total["mrr@10"] == pytest.approx((1 / 3 + 1 / 2 + 1 / 3) / 3)


def test_documents_are_named_by_id_source_or_the_end_of_a_path():
    record = {"id": "x", "source": "/a/規程/旅費.docx"}
    for name in ("x", "旅費.docx", "規程/旅費.docx", "/a/規程/旅費.docx"):
        assert is_document(name, record)
    for name in ("費.docx", "a/旅費.docx", "", "y"):
        assert not is_document(name, record)
    assert is_document("規程/旅費.docx", {"id": None, "source": r"C:\文書\規程\旅費.docx"})
    example = Example("1", "?", ("!",), {"旅費.docx": 1})
    assert ranked_names(example, [record, {"id": "y", "source": None}, record]) == [
        "旅費.docx",
        "y",
    ]


@pytest.mark.parametrize(
    ("output", "text", "refused"),
    [
        ("3か月です。", "3か月です。", False),
        (AIMessage("資料からは分かりません。"), "資料からは分かりません。", True),
        ({"answer": "3か月", "context": [RULES], "input": "?"}, "3か月", False),
    ],
    ids=["text", "message", "LangChain's retrieval chain"],
)
def test_chains_of_any_make(tmp_path, output, text, refused):
    run(tmp_path / "run.jsonl", RunnableLambda(lambda question: output), EXAMPLES[:1])
    (record,) = read_records(tmp_path / "run.jsonl")
    assert (record["text"], record["refused"]) == (text, refused)
    assert len(record["documents"]) == isinstance(output, dict)
    assert rag.score_run(EXAMPLES, [record]).total.questions == 1


def test_a_metric_of_ones_own(tmp_path):
    run(tmp_path / "run.jsonl", chain_of(ANSWERS))
    short = {"short": lambda example, record: len(record["text"]) < 11 if example.answers else None}
    scores = rag.score_run(EXAMPLES, read_records(tmp_path / "run.jsonl"), metrics=short)
    assert scores.total.metrics["short"].count == 3
    assert scores.total.metrics["short"].mean == pytest.approx(1 / 3)


# Runs


def test_a_run_goes_on_where_it_stopped(tmp_path):
    path, log = tmp_path / "run.jsonl", []
    broken = {**ANSWERS, "日当は？": ConnectionError("gone")}
    failed = run(path, chain_of(broken, log), concurrency=2)
    assert [(f.task.id, str(f.error)) for f in failed] == [("2", "gone")]
    assert run(path, chain_of(ANSWERS, log)) == []
    assert Counter(log) == {"試用期間は？": 1, "日当は？": 2, "社長の趣味は？": 1, "定年は？": 1}
    with pytest.raises(EvaluationError, match="has settings"):
        run(path, chain_of(ANSWERS), settings={"k": 4})
    changed = [Example("1", "別の質問", ("3か月",))]
    with pytest.raises(EvaluationError, match="The answer of example '1'"):
        run(path, chain_of(ANSWERS), changed)


def test_the_chain_may_take_another_input(tmp_path):
    chain = RunnableLambda(lambda value: value["input"] + "の答え")
    run(tmp_path / "run.jsonl", chain, EXAMPLES[:1], to_input=lambda e: {"input": e.question})
    assert read_records(tmp_path / "run.jsonl")[0]["text"] == "試用期間は？の答え"


def test_a_judge_grades_free_answers_and_not_refusals(tmp_path):
    path = tmp_path / "run.jsonl"
    run(path, chain_of(ANSWERS))
    judge = RuleModel(rule=lambda m, p: "[[9]]" if "3か月です" in m[1].content else "[[2]]")
    for _ in range(2):
        with RunFile(path) as file:
            assert rag.judge_answers(judge, EXAMPLES, file, name="judge") == []
    assert len(judge.calls) == 2
    prompt = next(m[1].content for m, _ in judge.calls if "日当" in m[1].content)
    assert "[正解例]\n- 2,000円\n\n[回答ここから]\n3,000円" in prompt
    scores = rag.score_run(EXAMPLES, read_records(path))
    assert scores.total.metrics["judge"].mean == pytest.approx(0.55)
    assert scores.total.metrics["judge"].count == 2


def test_nothing_answered_is_an_error():
    with pytest.raises(EvaluationError, match="answers none of the examples"):
        rag.score_run(EXAMPLES, [])


# Comparing


def test_two_runs_are_compared_question_by_question(tmp_path, scores):
    better = {**ANSWERS, "日当は？": Answer("2,000円", documents=(TRAVEL, OTHER, RULES))}
    run(tmp_path / "b.jsonl", chain_of(better), settings={"k": 4})
    second = rag.score_run(EXAMPLES, read_records(tmp_path / "b.jsonl"))
    differences = rag.compare_runs(scores, second)
    assert differences["contains"].mean == pytest.approx(1 / 3)
    assert differences["contains"].count == 3
    assert differences["refusal"].mean == 0
    assert differences["refusal"].p_value == 1
    # Only the first has two questions with citations; the pair is over what both have.
    assert differences["citation_precision"].count == 1


def test_a_sweep_asks_each_configuration_once_and_goes_on(tmp_path):
    asked, built = [], []

    def build(settings):
        built.append(settings["k"])
        answers = {
            q: Answer(a.text if settings["k"] > 2 else "？", documents=a.documents)
            for q, a in ANSWERS.items()
        }
        return chain_of(answers, asked)

    choices = configurations(k=[2, 4], preset=["質問応答"])
    for _ in range(2):
        scores = rag.sweep(build, choices, EXAMPLES, tmp_path)
    assert built == [2, 4]
    assert len(asked) == 8
    assert list(scores) == ["k=2 preset=質問応答", "k=4 preset=質問応答"]
    assert scores["k=2 preset=質問応答"].total.metrics["f1"].mean == 0
    assert scores["k=4 preset=質問応答"].settings == {"k": 4, "preset": "質問応答"}
    plot_sweep(tmp_path / "sweep.png", scores)
    assert (tmp_path / "sweep.png").stat().st_size > 5000


def test_a_sweep_does_not_go_on_with_another_model(tmp_path):
    def sweep(model):
        return rag.sweep(
            lambda settings: chain_of(ANSWERS),
            configurations(k=[2]),
            EXAMPLES,
            tmp_path,
            common={"model": model},
        )

    assert sweep("a") == sweep("a")
    with pytest.raises(EvaluationError, match="other"):
        sweep("b")


def test_a_sweep_stops_at_questions_that_fail(tmp_path):
    broken = {**ANSWERS, "日当は？": ConnectionError("gone")}
    with pytest.raises(EvaluationError, match="1 questions failed with k=2; the first: gone"):
        rag.sweep(lambda settings: chain_of(broken), configurations(k=[2]), EXAMPLES, tmp_path)


# Reports


@pytest.mark.slow
def test_the_report_is_in_the_readers_language(tmp_path, scores, monkeypatch):
    rag.write_report(tmp_path, {"k=3": scores, "k=4": scores})
    text = (tmp_path / "report.md").read_text("utf-8")
    headings = re.findall(r"^## (.*)", text, re.M)
    assert "Difference (paired by question)" in headings
    assert "By category (k=3)" in headings
    assert "Time and tokens (median / 95th percentile, concurrency 1)" in headings
    # Documents and categories are named as the examples have them.
    assert not re.search(
        r"[ぁ-んァ-ヶ一-龠]", re.sub(r"^\| [^|]*\.[a-z]+ \||人事|経理", "", text, flags=re.M)
    )
    page = (tmp_path / "report.html").read_text("utf-8")
    assert '<html lang="en">' in page
    assert "<h2>Questions and answers</h2>" in page
    monkeypatch.setenv("SWALLOW_LANG", "ja")
    rag.write_report(tmp_path, {"k=3": scores, "k=4": scores})
    page = (tmp_path / "report.html").read_text("utf-8")
    assert '<html lang="ja">' in page
    assert "<h2>質問と回答</h2>" in page


def test_the_report(tmp_path, scores, monkeypatch):
    monkeypatch.setenv("SWALLOW_LANG", "ja")
    files = rag.write_report(tmp_path, {"k=3": scores, "同じ": scores})
    assert {f.name for f in files} == {
        "report.md", "report.json", "report.html", "metrics.svg", "metrics.png",
    }  # fmt: skip
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "| 誤拒否率 | 0.333 (0.000–1.000, 3) | 0.333 (0.000–1.000, 3) |" in text
    assert "| 文字F1 | +0.000 | +0.000 – +0.000 | 1.000 | 3 |" in text
    assert "## 分類別（k=3）" in text
    assert "同時に1問" in text
    data = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert data["runs"]["k=3"]["total"]["metrics"]["recall@3"]["mean"] == 1
    assert data["differences"]["f1"]["count"] == 3
    told = json.loads(json.dumps(report_as_dict({"k=3": scores, "同じ": scores})))
    assert data.items() >= told.items()
    # A figure carries its command, its day and its machine.
    assert data["command"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", data["date"])
    assert data["machine"]["cores"] >= 1
    assert data["tables"][0]["columns"] == ["", "k=3", "同じ"]


def test_without_matplotlib_the_report_has_its_tables_and_no_figure(
    tmp_path, scores, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    files = rag.write_report(tmp_path, {"k=3": scores})
    assert {f.name for f in files} == {"report.md", "report.json", "report.html"}
    assert "false refusal rate" in (tmp_path / "report.md").read_text("utf-8")
    assert "<figure" not in (tmp_path / "report.html").read_text("utf-8")
    say_what_was_written(files)
    assert (
        'Figures were left out. Plots need matplotlib: pip install "langchain-swallow[plots]".'
        in (capsys.readouterr().err)
    )


def test_the_page_shows_texts_as_text(tmp_path):
    attack = '<img src=x onerror=alert(1)>"'
    answers = {
        q: Answer(attack, documents=(document(attack),), citations=(cited(1, document(attack)),))
        for q in ANSWERS
    }
    run(tmp_path / "run.jsonl", chain_of(answers))
    scores = rag.score_run(EXAMPLES, read_records(tmp_path / "run.jsonl"))
    rag.write_report(tmp_path, {attack: scores})
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;&#34;" in page
    assert not re.search(r"""(src|href)=["']?(https?:|//)|url\(|@import""", page)


# Files


def test_examples_of_the_repository_are_read():
    examples = rag.read_examples(ROOT / "examples" / "questions.jsonl")
    assert len(examples) == 40
    assert sum(e.answerable for e in examples) == 32
    assert examples[0] == Example(
        "1", "試用期間はどのくらいですか。", ("3か月",), {"就業規則.md": 1}
    )


@pytest.mark.parametrize(
    ("line", "example"),
    [
        ('{"question": "q"}', Example("1", "q")),
        ('{"question": "q", "answer": "a"}', Example("1", "q", ("a",))),
        (
            '{"id": 7, "question": "q", "answers": ["a", "b"], "documents": {"d": 2}}',
            Example("7", "q", ("a", "b"), {"d": 2}),
        ),
        (
            '{"question": "q", "answers": [], "documents": ["d", "e"], "category": "c"}',
            Example("1", "q", (), {"d": 1, "e": 1}, "c"),
        ),
    ],
)
def test_forms_of_examples(tmp_path, line, example):
    path = tmp_path / "q.jsonl"
    path.write_text(line, encoding="utf-8")
    (read,) = rag.read_examples(path)
    assert read == example
    assert read.documents == example.documents


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"answers": ["a"]}', r"Line 1 of .* is not an example .*'question'"),
        ('{"question": " "}', "is not an example"),
        ('{"question": "q", "documents": {"d": "多い"}}', "is not an example"),
        ("[]", "is not an example"),
        ('{"id": 1, "question": "q"}\n{"id": 1, "question": "r"}', "Line 2 .* '1' occurs twice"),
        ("\n", "has no examples"),
    ],
)
def test_examples_that_cannot_be_read(tmp_path, text, message):
    path = tmp_path / "q.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EvaluationError, match=message):
        rag.read_examples(path)


JSQUAD = {
    "data": [
        {
            "title": "梅雨",
            "paragraphs": [
                {
                    "context": "梅雨 [SEP] 梅雨は雨の多い期間。",
                    "qas": [
                        {
                            "id": "a1p0q0",
                            "question": "梅雨とは何ですか。",
                            "answers": [{"text": "雨の多い期間"}, {"text": "雨の多い期間"}],
                        }
                    ],
                }
            ],
        },
        {"title": "雪", "paragraphs": [{"context": "雪 [SEP] 雪は白い。", "qas": []}]},
    ]
}


def test_jsquad_is_paragraphs_and_examples(tmp_path):
    path = tmp_path / "valid.json"
    path.write_text(json.dumps(JSQUAD, ensure_ascii=False), encoding="utf-8")
    data = rag.read_jsquad(path)
    assert [d.page_content for d in data.documents] == ["梅雨は雨の多い期間。", "雪は白い。"]
    assert data.documents[1].metadata == {"source": "1/0", "title": "雪"}
    assert data.examples == [
        Example("a1p0q0", "梅雨とは何ですか。", ("雨の多い期間",), {"0/0": 1}, "梅雨")
    ]
    assert rag.read_jsquad(path, titles=["雪"]).examples == []
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(EvaluationError, match="is not JSQuAD's JSON"):
        rag.read_jsquad(path)


def test_jsquad_validation_has_its_size():
    path = ROOT.parent / "shared" / "data" / "jsquad" / "valid-v1.3.json"
    if not path.exists():
        pytest.skip("JSQuAD is not beside this checkout")
    data = rag.read_jsquad(path)
    assert (len(data.documents), len(data.examples)) == (1145, 4442)


# LangSmith


def test_examples_go_to_langsmith_and_back():
    sent = to_langsmith(EXAMPLES)
    got = [SimpleNamespace(id=f"uuid-{i}", **example) for i, example in enumerate(sent)]
    back = from_langsmith(got)
    assert back == EXAMPLES
    assert [e.documents for e in back] == [e.documents for e in EXAMPLES]
    plain = SimpleNamespace(
        id="u", inputs={"question": "q"}, outputs={"answer": "a"}, metadata=None
    )
    assert from_langsmith([plain]) == [Example("u", "q", ("a",))]


@pytest.mark.filterwarnings("ignore:.*parameter is in beta")
def test_metrics_are_evaluators_of_langsmith():
    """Through LangSmith's own evaluate, on this machine only."""
    examples = [
        langsmith.schemas.Example(
            id=f"00000000-0000-0000-0000-00000000000{i}",
            dataset_id="00000000-0000-0000-0000-000000000009", **example,
        )
        for i, example in enumerate(to_langsmith(EXAMPLES))
    ]  # fmt: skip
    results = langsmith.evaluate(
        target_of(chain_of(ANSWERS)), data=examples,
        evaluators=[evaluator("contains"), evaluator("refusal")],
        upload_results=False, client=langsmith.Client(api_key="none", api_url="http://localhost:1"),
    )  # fmt: skip
    found = {
        row["example"].inputs["question"]: {
            r.key: r.score for r in row["evaluation_results"]["results"]
        }
        for row in results
    }
    assert found["試用期間は？"] == {"contains": 1, "refusal": None}
    assert found["日当は？"] == {"contains": 0, "refusal": None}
    assert found["社長の趣味は？"] == {"contains": None, "refusal": 1}


@pytest.mark.parametrize("wrap", [bool, lambda value: {"key": "own", "score": value}])
def test_evaluators_of_langsmith_are_metrics(tmp_path, wrap):
    def exact(*, inputs, outputs, reference_outputs):
        assert inputs["question"]
        return wrap(outputs["answer"].startswith(tuple(reference_outputs["answers"])))

    run(tmp_path / "run.jsonl", chain_of(ANSWERS))
    records = read_records(tmp_path / "run.jsonl")
    scores = rag.score_run(EXAMPLES, records, metrics={"own": metric_of(exact)})
    assert scores.total.metrics["own"].mean == 0.25
