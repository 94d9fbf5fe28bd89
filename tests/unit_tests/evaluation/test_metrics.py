"""Metrics and intervals, each beside a second implementation."""

import random
import re
import unicodedata
import warnings

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langchain_core.rate_limiters import BaseRateLimiter
from scipy import stats

from langchain_swallow.evaluation import ranking, text_metrics
from langchain_swallow.evaluation.calls import rate_limiter
from langchain_swallow.evaluation.intervals import compare_paired, estimate_mean, estimate_ratio
from langchain_swallow.evaluation.judging import ask_rating, read_rating, read_verdict
from tests.support.judges import RuleModel

# Ranking


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_rankings_agree_with_trec_eval(k):
    rng = random.Random(k)
    qrels, runs = {}, {}
    for query in range(200):
        names = [f"d{i}" for i in range(30)]
        relevant = rng.sample(names, rng.randint(1, 6))
        qrels[str(query)] = {name: rng.choice((0, 1, 1, 2, 3)) for name in relevant}
        if not any(qrels[str(query)].values()):
            qrels[str(query)][relevant[0]] = 1
        runs[str(query)] = rng.sample(names, rng.randint(1, 20))
    # trec_eval ranks by score; reciprocal rank has no cutoff there, so the ranking gets one.
    scored = {q: {name: -float(i) for i, name in enumerate(run)} for q, run in runs.items()}
    cut = {q: {name: -float(i) for i, name in enumerate(run[:k])} for q, run in runs.items()}
    measures = {f"recall.{k}", f"ndcg_cut.{k}"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(scored)
    reciprocal = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(cut)
    for query, run in runs.items():
        gains = qrels[query]
        ours = (
            ranking.recall_at(run, gains, k),
            ranking.ndcg_at(run, gains, k),
            ranking.reciprocal_rank_at(run, gains, k),
        )
        assert ours == pytest.approx(
            (
                theirs[query][f"recall_{k}"],
                theirs[query][f"ndcg_cut_{k}"],
                reciprocal[query]["recip_rank"],
            ),
            abs=1e-9,
        )


def test_nothing_relevant_is_zero():
    assert ranking.recall_at(["a"], {}, 1) == 0
    assert ranking.ndcg_at(["a"], {"a": 0}, 1) == 0
    assert ranking.reciprocal_rank_at([], {"a": 1}, 3) == 0


# Text


PUNCTUATION = ".:,、。，．!?;・…\"'`“”‘’「」『』()（）[]{}【】〔〕〈〉《》｛｝"


def second_key(text):
    """The same rules, written down letter by letter."""
    text = re.sub(r"[\[［]\s*(\d+\s*[,、，・~〜～–-]\s*)*\d+\s*[\]］]", "", text)
    for odd in "−‐‑–—―":
        text = text.replace(odd, "-")
    text = text.translate({ord("〜"): "~", ord("～"): "~", ord("﨑"): "崎", ord("髙"): "高"})
    text = unicodedata.normalize("NFKC", text).casefold()
    kept = []
    for i, char in enumerate(text):
        before = text[i - 1] if i else ""
        after = text[i + 1] if i + 1 < len(text) else ""
        digits = before in set("0123456789") - {""} and after in set("0123456789") - {""}
        if char in ".:" and before and after and digits:
            kept.append(char)
        elif (
            char.isspace()
            or char in ".:,、。，．!?;・…\"'`“”‘’「」『』()（）[]{}【】〔〕〈〉《》｛｝"
        ):
            continue
        else:
            kept.append(char)
    return "".join(kept)


def second_f1(answer, golds):
    """Characters in common, counted by sorting."""
    best = 0.0
    for gold in golds:
        left, right = sorted(second_key(answer)), sorted(second_key(gold))
        i = j = common = 0
        while i < len(left) and j < len(right):
            if left[i] == right[j]:
                common, i, j = common + 1, i + 1, j + 1
            elif left[i] < right[j]:
                i += 1
            else:
                j += 1
        if common:
            best = max(best, 2 * common / (len(left) + len(right)))
    return best


TEXTS = st.text(st.sampled_from("東京都アｱ0１23.．,:、。 　「」[]［］()％%-〜aＡ"), max_size=12)


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
def test_em_and_f1_agree_with_a_second_implementation(answer, golds):
    assert text_metrics.character_f1(answer, golds) == pytest.approx(second_f1(answer, golds))
    exact = second_key(answer) in [second_key(gold) for gold in golds]
    assert text_metrics.exact_match(answer, golds) == exact


@pytest.mark.parametrize(
    ("answer", "gold", "exact"),
    [
        ("3か月 [1]", "３か月", 1),
        ("「東京」です。", "東京です", 1),
        ("1,000円", "1000円", 1),
        ("3.5％", "35%", 0),
        ("午前10:30", "午前1030", 0),
        ("10〜15人", "10～15人", 1),
        ("10 日［1、2］", "10日", 1),
        ("", "東京", 0),
    ],
)
def test_exact_match_after_normalising(answer, gold, exact):
    assert text_metrics.exact_match(answer, [gold]) == exact


def test_contains_is_for_answers_in_sentences():
    assert text_metrics.contains_answer("試用期間は、３か月です。[1]", ["3か月"]) == 1
    assert text_metrics.contains_answer("分かりません。", ["3か月"]) == 0


# Ratings


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("Rating: [[5]]", 5), ("[[7.5]]。[[9]]", 7.5), ("[[ 5 ]]", None), ("評価は[6]です", 6),
        ("[1] を見よ。[[10]]", 10), ("[[11]]", None), ("[[0]]", None), ("", None),
        ("点数: 5", None),
    ],
)  # fmt: skip
def test_ratings_are_read_as_fastchat_reads_them(text, rating):
    assert read_rating(text) == rating


@pytest.mark.parametrize(
    ("text", "verdict"), [("[[A]]", "A"), ("判定[[B]]", "B"), ("[[C]]", "tie"), ("A", None)]
)
def test_verdicts(text, verdict):
    assert read_verdict(text) == verdict


# Intervals


def test_intervals_are_those_of_scipys_bootstrap():
    values = np.random.default_rng(1).normal(0.6, 0.2, 80)
    ours = estimate_mean(values.tolist())
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, random_state=2
    ).confidence_interval
    assert ours.mean == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)
    assert ours.count == 80


def test_ratings_of_one_question_are_drawn_together():
    rng = np.random.default_rng(3)
    ratings = [[level] * 5 for level in rng.uniform(0, 1, 40)]
    clustered = estimate_ratio([sum(r) for r in ratings], [5] * 40)
    apart = estimate_mean([r for rs in ratings for r in rs])
    assert clustered.mean == pytest.approx(apart.mean)
    # Five equal ratings tell no more than one.
    assert clustered.high - clustered.low > 2 * (apart.high - apart.low)
    # Questions without a rating weigh nothing.
    assert estimate_ratio([1.0, 0.0], [2, 0]).mean == 0.5
    with pytest.raises(ValueError, match="Pass at least one value"):
        estimate_mean([])


def test_paired_comparisons_are_those_of_scipys_permutation_test():
    rng = np.random.default_rng(4)
    first = rng.normal(0.5, 0.2, 60)
    second = first + rng.normal(0.03, 0.1, 60)
    ours = compare_paired(first.tolist(), second.tolist())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = stats.permutation_test(
            (first, second), lambda a, b: np.mean(b - a), permutation_type="samples",
            n_resamples=9999, random_state=5,
        )  # fmt: skip
    assert ours.mean == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.015)
    assert ours.low < ours.mean < ours.high
    same = compare_paired([0.5, 1.0], [0.5, 1.0])
    assert (same.mean, same.p_value) == (0, 1)
    with pytest.raises(ValueError, match="not 1 and 2"):
        compare_paired([1.0], [1.0, 2.0])


def test_the_same_values_have_the_same_interval():
    values = [0.1, 0.5, 0.9, 0.2]
    assert estimate_mean(values) == estimate_mean(values)
    assert 0.1 < estimate_mean(values).low < estimate_mean(values).high < 0.9


# Limits of a judge


class Counting(BaseRateLimiter):
    """A limiter that lets everything pass and counts."""

    def __init__(self):
        self.acquired = 0

    def acquire(self, *, blocking=True):
        self.acquired += 1
        return True

    async def aacquire(self, *, blocking=True):
        return self.acquire()


def test_every_question_to_a_judge_waits_for_its_turn():
    answers = iter(["点数なし", "やはりなし", "[[3]]"])
    judge = RuleModel(rule=lambda messages, parameters: next(answers))
    limiter = Counting()
    judgment = ask_rating(judge, [HumanMessage("採点して。")], retries=5, limiter=limiter)
    assert (judgment.value, judgment.attempts, limiter.acquired) == (3, 3, 3)
    # The tokens of all three are paid for.
    assert judgment.usage["output_tokens"] == 3


def test_a_limit_a_minute_is_langchains_limiter():
    assert rate_limiter(None) is None
    assert rate_limiter(90).requests_per_second == 1.5
