"""Japanese MT-Bench with models that answer by rules: what the tables must be is known before."""

import json
import math
import random
import re
import threading

import pytest

from langchain_swallow.errors import EvaluationError
from langchain_swallow.evaluation import mt_bench
from langchain_swallow.evaluation.mt_bench.data import CATEGORIES, JudgePrompts
from langchain_swallow.evaluation.mt_bench.pairwise import read_wins
from langchain_swallow.evaluation.mt_bench.published import published
from langchain_swallow.evaluation.mt_bench.report import (
    Run,
    markdown_report,
    notes_on,
    write_report,
)
from langchain_swallow.evaluation.mt_bench.run import Key, calls_left, parse_key
from langchain_swallow.evaluation.mt_bench.scores import average_of_categories
from langchain_swallow.evaluation.run_file import RunFile, read_records
from tests.support.judges import RuleModel, echo
from tests.support.paths import DATA, SHARED

QUESTIONS = DATA / "two_turn_questions.jsonl"
BUILT_IN = JudgePrompts.built_in()
# A rating for each category, so that the table is known.
RATINGS = dict(zip(CATEGORIES, (1, 2, 3, 4, 5, 6, 7, 8), strict=True))


@pytest.fixture(scope="module")
def questions():
    return mt_bench.read_questions(QUESTIONS)


def by_category(messages, parameters):
    """A judge that knows the category by the question in its prompt."""
    text = messages[1].content
    category = next(q.category for q in mt_bench.read_questions(QUESTIONS) if q.turns[0] in text)
    second = "###" in text
    return f"理由。評価: [[{RATINGS[category] + second}]]"


def run_all(path, questions, judge=None, *, runs=2, model=None, prompts=BUILT_IN, **judging):
    model = model or RuleModel(rule=echo)
    judge = judge or RuleModel(rule=by_category)
    settings = mt_bench.AnswerSettings(runs=runs, concurrency=4)
    with RunFile(path) as file:
        failed = mt_bench.answer_questions(model, questions, file, name="model", settings=settings)
        failed += mt_bench.judge_answers(
            judge, questions, prompts, file, name="judge",
            settings=mt_bench.JudgeSettings(**judging),
        )  # fmt: skip
    return failed


# What the card publishes


def test_published_averages_are_those_of_their_categories():
    rows = published()["rows"]
    sections = [row["section"] for row in rows]
    assert (len(rows), sections.count("overall")) == (29, 17)
    for row in rows:
        average, *categories = row["scores"]
        computed = average_of_categories(dict(zip(CATEGORIES, categories, strict=True)))
        # In the turn rows the card left out ratings that could not be read.
        assert computed == pytest.approx(
            average, abs=5e-4 if row["section"] == "overall" else 27e-4
        )


def test_published_rows_have_every_model_once():
    names = [row.model for row in mt_bench.published_rows()]
    assert len(names) == len(set(names)) == 14
    assert mt_bench.published_rows()[0].categories["roleplay"] == 0.4720
    assert [r.average for r in mt_bench.published_rows("second")][:2] == [0.3059, 0.1432]
    with pytest.raises(ValueError, match="Use overall, first or second"):
        mt_bench.published_rows("third")


# Answers and judgments


def test_fixed_ratings_give_the_table_known_in_advance(tmp_path, questions):
    assert run_all(tmp_path / "run.jsonl", questions, runs=5) == []
    scores = mt_bench.score_run(read_records(tmp_path / "run.jsonl"))
    overall, first, second = scores.rows
    assert first.categories == {c: pytest.approx(r / 10) for c, r in RATINGS.items()}
    assert second.categories == {c: pytest.approx((r + 1) / 10) for c, r in RATINGS.items()}
    assert overall.categories == {c: pytest.approx((r + 0.5) / 10) for c, r in RATINGS.items()}
    assert (first.average, second.average) == (pytest.approx(0.45), pytest.approx(0.55))
    assert overall.average == pytest.approx(0.5)
    assert (scores.runs, scores.judged, scores.asked_again, scores.unreadable) == (5, 80, 0, 0)
    # One question a category: nothing to resample within one.
    assert overall.intervals["math"].low == overall.intervals["math"].high == pytest.approx(0.45)
    assert overall.intervals["average"].low < 0.5 < overall.intervals["average"].high


def test_answers_are_made_as_fastchat_makes_them(tmp_path, questions):
    model = RuleModel(rule=echo)
    run_all(tmp_path / "run.jsonl", questions, model=model, runs=2)
    temperatures = {}
    for messages, parameters in model.calls:
        assert parameters["max_tokens"] == 1024
        assert [m.type for m in messages] in (["human"], ["human", "ai", "human"])
        question = next(q for q in questions if q.turns[0] == messages[0].content)
        temperatures.setdefault(question.category, set()).add(parameters["temperature"])
        if len(messages) == 3:
            assert messages[1].content == f"回答1: {question.turns[0]} ({parameters['seed']})"
            assert messages[2].content == question.turns[1]
    assert temperatures == {
        "writing": {0.7}, "roleplay": {0.7}, "stem": {0.1}, "humanities": {0.1},
        "reasoning": {0.0}, "math": {0.0}, "coding": {0.0}, "extraction": {0.0},
    }  # fmt: skip
    assert len(model.calls) == 8 * 2 * 2
    assert {parameters["seed"] for _, parameters in model.calls} == {0, 1}


def test_a_model_without_seeds_is_not_given_one(tmp_path, questions):
    model = RuleModel(rule=echo)
    settings = mt_bench.AnswerSettings(runs=1, parameters=("max_tokens",))
    with RunFile(tmp_path / "run.jsonl") as file:
        mt_bench.answer_questions(model, questions[:1], file, name="m", settings=settings)
    assert [parameters for _, parameters in model.calls] == [{"max_tokens": 1024}] * 2


def test_judge_prompts_have_the_question_the_answer_and_the_reference(tmp_path, questions):
    judge = RuleModel(rule=by_category)
    run_all(tmp_path / "run.jsonl", questions, judge, runs=1)
    assert all(p == {"temperature": 0.0, "max_tokens": 2048} for _, p in judge.calls)
    prompts = [messages[1].content for messages, _ in judge.calls]
    (first,) = [p for p in prompts if "りんご" in p and "###" not in p]
    assert "[質問]\n1個120円のりんごを7個買うといくらですか。" in first
    assert "[参照回答ここから]\n840円です。\n[参照回答ここまで]" in first
    assert (
        "[回答ここから]\n回答1: 1個120円のりんごを7個買うといくらですか。 (0)\n[回答ここまで]"
        in first
    )
    (second,) = [p for p in prompts if "お釣り" in p]
    assert second.index("160円です。") < second.index("回答3: 1,000円を出すと")
    (writing,) = [p for p in prompts if "商店街" in p and "###" not in p]
    assert "参照回答" not in writing


def test_prompts_of_a_file_are_used_and_braces_stay(tmp_path, questions):
    lines = [
        {"name": name, "system_prompt": "S", "prompt_template": template}
        for name, template in {
            "single-v1": "Q={question} A={answer}",
            "single-math-v1": "Q={question} R={ref_answer_1} A={answer}",
            "single-v1-multi-turn": "{question_1}|{answer_1}|{question_2}|{answer_2}",
            "single-math-v1-multi-turn": "{ref_answer_1}|{ref_answer_2}|{answer_2}",
        }.items()
    ]
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    prompts = JudgePrompts.read(path)
    judge = RuleModel(rule=lambda messages, parameters: "[[5]]")
    model = RuleModel(rule=lambda messages, parameters: "f({answer}) {question}")
    run_all(tmp_path / "run.jsonl", questions[3:4], judge, model=model, prompts=prompts, runs=1)
    assert [m[1].content for m, _ in judge.calls] == [
        "Q=1個120円のりんごを7個買うといくらですか。 R=840円です。 A=f({answer}) {question}",
        "840円です。|160円です。|f({answer}) {question}",
    ]
    assert [m[0].content for m, _ in judge.calls] == ["S", "S"]
    # Prompts for pairs are not in the file, so the built-in ones remain.
    assert "pair-v2" in prompts.prompts
    with pytest.raises(EvaluationError, match="no judge prompt 'single-v9'"):
        prompts.messages("single-v9", {})
    with pytest.raises(EvaluationError, match=r"unknown placeholder \{answer\}"):
        prompts.messages("single-v1", {"question": "q"})


# Ratings that cannot be read


def test_an_unreadable_rating_is_asked_for_again_and_counted_never_averaged(tmp_path, questions):
    def judge(messages, parameters):
        if len(messages) == 2:
            return "点数を忘れました。" if "[参照回答ここから]" in messages[1].content else "[[4]]"
        # Asked again: the judge sees what it wrote.
        assert messages[2].content in ("点数を忘れました。", "やはり分かりません。")
        return "[[8]]" if "840円です。" in messages[1].content else "やはり分かりません。"

    model = RuleModel(rule=judge)
    assert run_all(tmp_path / "run.jsonl", questions, model, runs=1, retries=2) == []
    scores = mt_bench.score_run(read_records(tmp_path / "run.jsonl"))
    # Math is read at the second attempt; reasoning and coding never are.
    assert scores.judged == 16
    assert scores.asked_again == 2
    assert scores.unreadable == 4
    overall = scores.rows[0]
    assert overall.categories["math"] == pytest.approx(0.8)
    assert "coding" not in overall.categories
    assert overall.average == pytest.approx((10 * 0.4 + 2 * 0.8) / 12)
    assert len(model.calls) == 16 + 2 * 1 + 4 * 2


def test_averages_weigh_answers_or_categories():
    def line(category, turn, rating):
        return {
            "kind": "judgment", "question_id": CATEGORIES.index(category), "run": 0, "turn": turn,
            "category": category, "judge": "j", "rating": rating, "attempts": 1,
        }  # fmt: skip

    records = [line("math", 1, 2), line("math", 2, None), line("stem", 1, 8), line("stem", 2, 8)]
    by_answer = mt_bench.score_run(records).rows[0]
    by_category = mt_bench.score_run(records, average="categories").rows[0]
    assert by_answer.average == pytest.approx((2 + 8 + 8) / 30)
    assert by_category.average == pytest.approx((0.2 + 0.8) / 2)
    # A turn without any rating is a gap, not a zero.
    gap = mt_bench.score_run([line("math", 1, 2)]).rows[2]
    assert math.isnan(gap.average)
    assert not gap.categories


def test_no_readable_rating_at_all_is_an_error(tmp_path, questions):
    judge = RuleModel(rule=lambda messages, parameters: "良い。")
    run_all(tmp_path / "run.jsonl", questions[:1], judge, runs=1, retries=0)
    with pytest.raises(EvaluationError, match="gave no rating that can be read in 2 judgments"):
        mt_bench.score_run(read_records(tmp_path / "run.jsonl"))


# Going on after a kill


class Killed(BaseException):
    """As SIGKILL, but within one process: nothing may catch it."""


def test_killed_at_20_random_points_the_result_is_the_same_and_no_call_is_repeated(
    tmp_path, questions
):
    run_all(tmp_path / "whole.jsonl", questions)
    whole = {
        (r["kind"], parse_key(r)): r["rating"] if r["kind"] == "judgment" else r["text"]
        for r in read_records(tmp_path / "whole.jsonl")
    }
    rng = random.Random(0)
    begun, calls, lock = [], [], threading.Lock()

    def counted(rule):
        def answer(messages, parameters):
            with lock:
                begun.append(None)
                dies = len(begun) in deaths
                deaths.discard(len(begun))
            if dies:
                raise Killed
            text = rule(messages, parameters)
            calls.append(([m.content for m in messages], parameters))
            return text

        return answer

    deaths = set(rng.sample(range(1, len(whole) + 1), 20))
    for _ in range(21):
        try:
            run_all(
                tmp_path / "killed.jsonl",
                questions,
                RuleModel(rule=counted(by_category)),
                model=RuleModel(rule=counted(echo)),
            )
            break
        except Killed:
            continue
    assert not deaths
    assert len(begun) == len(whole) + 20
    assert len(calls) == len(whole) == 8 * 2 * 2 * 2
    result = {
        (r["kind"], parse_key(r)): r["rating"] if r["kind"] == "judgment" else r["text"]
        for r in read_records(tmp_path / "killed.jsonl")
    }
    assert result == whole


def test_a_line_that_was_cut_short_is_written_again(tmp_path, questions):
    path = tmp_path / "run.jsonl"
    run_all(path, questions, runs=1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:25])
    assert len(read_records(path)) == len(lines) - 1
    run_all(path, questions, runs=1)
    assert path.read_bytes().splitlines(keepends=True)[:-1] == lines[:-1]
    assert len(read_records(path)) == len(lines)


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path, questions):
    path = tmp_path / "run.jsonl"
    run_all(path, questions[:1], runs=1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{broken\n" + lines[1])
    with pytest.raises(EvaluationError, match=r"Line 2 of .* is damaged"):
        read_records(path)
    with pytest.raises(EvaluationError, match=r"Line 2 of .* is damaged"):
        RunFile(path)


def test_a_file_begun_with_something_else_is_refused(tmp_path, questions):
    path = tmp_path / "run.jsonl"
    run_all(path, questions, runs=1)
    with RunFile(path) as file:
        with pytest.raises(EvaluationError, match="has model 'model', and this run has 'other'"):
            mt_bench.answer_questions(RuleModel(rule=echo), questions, file, name="other")
        short = mt_bench.AnswerSettings(runs=1, max_tokens=5)
        with pytest.raises(EvaluationError, match=r"has settings .*1024"):
            mt_bench.answer_questions(
                RuleModel(rule=echo), questions, file, name="model", settings=short
            )
        with pytest.raises(EvaluationError, match=r"question 1 .* settings .*2048.* and .*9"):
            mt_bench.judge_answers(
                RuleModel(rule=by_category), questions, BUILT_IN, file, name="judge",
                settings=mt_bench.JudgeSettings(max_tokens=9),
            )  # fmt: skip
        with pytest.raises(EvaluationError, match="written by another process"):
            RunFile(path)
        # Another judge may judge the same answers, and the first one's judgments stay.
        other = RuleModel(rule=lambda messages, parameters: "[[10]]")
        mt_bench.judge_answers(other, questions, BUILT_IN, file, name="judge 2")
    records = read_records(path)
    with pytest.raises(EvaluationError, match=r"judgments of judge, judge 2\. Name one"):
        mt_bench.score_run(records)
    assert mt_bench.score_run(records, judge="judge 2").rows[0].average == 1
    assert mt_bench.score_run(records, judge="judge").rows[0].average == pytest.approx(0.5)


def test_calls_that_fail_are_told_and_tried_again(tmp_path, questions):
    path = tmp_path / "run.jsonl"
    broken = {questions[2].turns[0]}

    def sometimes(messages, parameters):
        if messages[0].content in broken:
            raise ConnectionError("gone")
        return echo(messages, parameters)

    failed = run_all(path, questions, runs=1, model=RuleModel(rule=sometimes))
    assert [(f.task[0].id, str(f.error)) for f in failed] == [(3, "gone")]
    broken.clear()
    again = RuleModel(rule=sometimes)
    assert run_all(path, questions, runs=1, model=again) == []
    assert len(again.calls) == 2
    assert mt_bench.score_run(read_records(path)).judged == 16


def test_a_model_that_always_fails_is_not_asked_for_everything(tmp_path, questions):
    asked = []

    def never(messages, parameters):
        asked.append(1)
        raise PermissionError("wrong key")

    with pytest.raises(PermissionError, match="wrong key"):
        run_all(tmp_path / "run.jsonl", questions, runs=9, model=RuleModel(rule=never))
    assert len(asked) < 20


def test_the_estimate_counts_what_is_left(tmp_path, questions):
    def left(records):
        return calls_left(
            records, questions, BUILT_IN, name="model", judge_name="judge",
            settings=mt_bench.AnswerSettings(runs=2), judge_settings=mt_bench.JudgeSettings(),
        )  # fmt: skip

    answers, judgments = left([])
    assert (len(answers), len(judgments)) == (32, 32)
    assert sum(len(call.prompt) for call in judgments) > 32 * 1024
    run_all(tmp_path / "run.jsonl", questions, runs=1)
    answers, judgments = left(read_records(tmp_path / "run.jsonl"))
    assert (len(answers), len(judgments)) == (16, 16)
    run_all(tmp_path / "run.jsonl", questions, runs=2)
    assert left(read_records(tmp_path / "run.jsonl")) == ([], [])


# Files


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"question_id": 1, "category": "stem"}', "not an MT-Bench question .*'turns'"),
        ('{"question_id": 1, "category": "stem", "turns": ["a"]}', "has 1 turns, not 2"),
        ('{"question_id": 1, "category": "料理", "turns": ["a", "b"]}', "unknown category '料理'"),
        ('{"question_id": 1, "category": "math", "turns": ["a", "b"]}', "this one has none"),
        ("[1]", "is not a JSON object"),
        ("{", "is not valid JSON"),
        ("", "has no questions"),
    ],
)
def test_questions_that_cannot_be_used(tmp_path, line, message):
    path = tmp_path / "questions.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match=message):
        mt_bench.read_questions(path)


def test_the_shared_questions_are_read_with_their_references():
    folder = SHARED / "data" / "mt_bench_ja"
    if not folder.exists():
        pytest.skip("the Japanese MT-Bench questions are not beside this checkout")
    questions = mt_bench.read_questions(
        folder / "question.jsonl", folder / "reference_answer_gpt-4o-2024-08-06.jsonl"
    )
    assert len(questions) == 80
    assert {sum(q.category == c for q in questions) for c in CATEGORIES} == {10}
    assert all(len(q.reference) == 2 for q in questions if q.category == "math")
    prompts = JudgePrompts.read(folder / "judge_prompts_single.jsonl")
    values = {"question": "q", "answer": "a"}
    text = prompts.messages("single-v1", values)[1].content
    assert text.endswith("[The Start of Assistant's Answer]\na\n[The End of Assistant's Answer]")
    multi = prompts.messages(
        "single-v1-multi-turn",
        {"question_1": "1", "question_2": "2", "answer_1": "a", "answer_2": "b"},
    )
    assert "### User:\n1\n\n### Assistant A:\na\n\n### User:\n2" in multi[1].content


# Reports

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


def test_the_report_is_the_cards_table(tmp_path, questions, monkeypatch):
    run_all(tmp_path / "run.jsonl", questions, runs=2)
    records = read_records(tmp_path / "run.jsonl")
    scores = mt_bench.score_run(records)
    text = markdown_report([Run(scores, records)], notes_on(scores, BUILT_IN), card=True)
    head = (
        "| Model | Average | Writing | Roleplay | Reasoning | Math | Coding | Extraction | STEM | "
    )
    assert head + "Humanities |" in text
    assert (
        "| model | 0.5000 | 0.1500 | 0.2500 | 0.3500 | 0.4500 | 0.5500 | 0.6500 | 0.7500 | 0.8500 |"
        in text
    )
    assert (
        "| Swallow-7b-instruct-v0.1 * | 0.3435 | 0.4450 | 0.4720 | 0.1853 | 0.1920 | 0.2204 | "
        "0.3015 | 0.4594 | 0.4720 |" in text
    )
    assert text.count("| Swallow-70b-instruct-v0.1 *") == 3
    assert "The average is that of the ratings, as on the model card." in text
    assert "cannot be compared with scores of another judge or other prompts" in text
    same = mt_bench.score_run(records, average="categories")
    assert "The average is that of the categories" in notes_on(same, BUILT_IN)[0]
    assert not JAPANESE.search(text)
    monkeypatch.setenv("SWALLOW_LANG", "ja")
    text = markdown_report([Run(scores, records)], notes_on(scores, BUILT_IN))
    assert "平均は採点の平均（モデルカードと同じ）" in text
    assert "評価モデルやプロンプトが違う値とは比べられない" in text
    assert "平均は分野の平均" in notes_on(same, BUILT_IN)[0]


def judged_by(judge, path):
    return [
        {**record, "judge": judge} if "judge" in record else record for record in read_records(path)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("judge", ["judge", "gpt-4-1106-preview"])
def test_a_figure_has_the_cards_models_only_beside_their_own_judge(tmp_path, questions, judge):
    run_all(tmp_path / "a.jsonl", questions, runs=1)
    records = judged_by(judge, tmp_path / "a.jsonl")
    runs = [Run(mt_bench.score_run(records), records)]
    names = {file.name for file in write_report(tmp_path, runs, questions)}
    page = (tmp_path / "report.html").read_text("utf-8")
    is_the_cards = judge == published()["judge"]
    assert ("comparison.svg" in names) == is_the_cards
    assert ("Swallow-7b-instruct-v0.1, Swallow" in page) == is_the_cards


@pytest.mark.slow
def test_the_page_shows_texts_as_text_and_figures_inside(tmp_path, questions):
    model = RuleModel(rule=lambda messages, parameters: "<script>alert(1)</script>")
    run_all(tmp_path / "a.jsonl", questions, runs=1, model=model)
    run_all(tmp_path / "b.jsonl", questions, runs=1)
    runs = [
        Run(mt_bench.score_run(records), records)
        for name in "ab"
        for records in [judged_by(published()["judge"], tmp_path / f"{name}.jsonl")]
    ]
    files = write_report(tmp_path, runs, questions, ["注"])
    assert {f.name for f in files} == {
        "report.md", "report.json", "report.html",
        "radar.svg", "radar.png", "comparison.svg", "comparison.png",
    }  # fmt: skip
    assert all(file.stat().st_size > 1000 for file in files)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 16
    assert "回答1: 空が青く見える理由を説明してください。 (0)" in page
    assert page.count("data:image/svg+xml;base64,") == 2
    assert '<html lang="en">' in page
    assert "Judgment (gpt-4-1106-preview)" in page
    assert "採点（" not in page
    # Nothing is fetched: addresses stand in the text only.
    assert not re.search(r"""(src|href)=["']?(https?:|//)|url\(|@import""", page)
    data = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert data["runs"][0]["rows"][0]["categories"]["stem"] == pytest.approx(0.75)
    assert len(data["published"]["rows"]) == 29


# Pairs


def compare(path, questions, first, second, judge, **settings):
    with RunFile(path) as file:
        return mt_bench.compare_answers(
            judge, questions, BUILT_IN, first, second, file, name="judge",
            settings=mt_bench.JudgeSettings(**settings),
        )  # fmt: skip


@pytest.fixture
def two_runs(tmp_path, questions):
    for name in ("甲", "乙"):
        with RunFile(tmp_path / f"{name}.jsonl") as file:
            model = RuleModel(rule=lambda m, p, name=name: f"{name}の回答: {m[-1].content}")
            settings = mt_bench.AnswerSettings(runs=1)
            mt_bench.answer_questions(model, questions, file, name=name, settings=settings)
    return read_records(tmp_path / "甲.jsonl"), read_records(tmp_path / "乙.jsonl")


def test_a_win_must_survive_the_exchange_of_the_answers(tmp_path, questions, two_runs):
    biased = RuleModel(rule=lambda messages, parameters: "最初が良い。[[A]]")
    assert compare(tmp_path / "biased.jsonl", questions, *two_runs, biased) == []
    wins = read_wins(read_records(tmp_path / "biased.jsonl"), judge="judge")
    assert (wins.win, wins.tie, wins.loss, wins.pairs) == (0, 1, 0, 16)
    assert len(biased.calls) == 32

    def fair(messages, parameters):
        text = messages[1].content
        return "[[A]]" if text.index("乙の回答") < text.index("甲の回答") else "[[B]]"

    judge = RuleModel(rule=fair)
    compare(tmp_path / "fair.jsonl", questions, *two_runs, judge)
    wins = read_wins(read_records(tmp_path / "fair.jsonl"), judge="judge")
    assert (wins.first, wins.second) == ("甲", "乙")
    assert (wins.win, wins.tie, wins.loss) == (1, 0, 0)
    assert wins.score.mean == wins.by_category["math"].mean == 1
    # Nothing is judged twice.
    compare(tmp_path / "fair.jsonl", questions, *two_runs, judge)
    assert len(judge.calls) == 32
    with pytest.raises(EvaluationError, match="has models"):
        compare(tmp_path / "fair.jsonl", questions, two_runs[1], two_runs[0], judge)


def test_pairs_whose_verdict_cannot_be_read_are_left_out_and_counted(tmp_path, questions, two_runs):
    judge = RuleModel(
        rule=lambda m, p: "[[C]]" if "商店街" in m[1].content else "どちらとも言えません。"
    )
    compare(tmp_path / "c.jsonl", questions, *two_runs, judge, retries=1)
    wins = read_wins(read_records(tmp_path / "c.jsonl"), judge="judge")
    assert (wins.tie, wins.pairs, wins.unreadable) == (1, 2, 14)
    with pytest.raises(EvaluationError, match="No pair of answers has a verdict of judge"):
        read_wins([], judge="judge")


def test_keys_sort_by_question_run_and_turn():
    assert sorted([Key(2, 0, 1), Key(1, 1, 1), Key(1, 0, 2)])[0] == Key(1, 0, 2)
