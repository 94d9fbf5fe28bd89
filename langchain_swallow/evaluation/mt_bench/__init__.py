"""Japanese MT-Bench as on Swallow's model card: judged two-turn questions in eight categories.

>>> import tempfile
>>> from pathlib import Path
>>> from langchain_core.language_models import FakeListChatModel
>>> from langchain_swallow.evaluation.run_file import RunFile
>>> model = FakeListChatModel(responses=["青い光は散乱しやすいためです。"])
>>> judge = FakeListChatModel(responses=["[[7]]"])
>>> questions = [Question(1, "stem", ("空はなぜ青いですか。", "夕焼けはなぜ赤いですか。"))]
>>> with tempfile.TemporaryDirectory() as folder, RunFile(Path(folder) / "run.jsonl") as run:
...     failed = answer_questions(model, questions, run, name="a")
...     failed += judge_answers(judge, questions, JudgePrompts.built_in(), run, name="b")
...     scores = score_run(run.records)
>>> round(scores.rows[0].average, 3)
0.7

The design of the questions and the judging are from Zheng et al. (2023). The settings are those of
<https://huggingface.co/tokyotech-llm/Swallow-7b-instruct-v0.1>.
"""

from langchain_swallow.evaluation.mt_bench.data import (
    CATEGORIES,
    JudgePrompts,
    Question,
    read_questions,
    read_references,
)
from langchain_swallow.evaluation.mt_bench.pairwise import compare_answers, read_wins
from langchain_swallow.evaluation.mt_bench.published import published_rows
from langchain_swallow.evaluation.mt_bench.run import (
    AnswerSettings,
    JudgeSettings,
    answer_questions,
    judge_answers,
)
from langchain_swallow.evaluation.mt_bench.scores import MtBenchScores, ScoreRow, score_run

__all__ = [
    "CATEGORIES",
    "AnswerSettings",
    "JudgePrompts",
    "JudgeSettings",
    "MtBenchScores",
    "Question",
    "ScoreRow",
    "answer_questions",
    "compare_answers",
    "judge_answers",
    "published_rows",
    "read_questions",
    "read_references",
    "read_wins",
    "score_run",
]
