"""Japanese MT-Bench as on Swallow's model card: two-turn questions in eight categories, graded.

    questions = read_questions(path)
    with RunFile(folder / "run.jsonl") as run:
        answer_questions(model, questions, run, name="…")
        judge_answers(judge, questions, prompts, run, name="…", judge_name="…")
    print(markdown_table(score_run(read_records(path), …)))

Zheng et al. (2023) for the questions' design and the grading; the settings are those of
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
