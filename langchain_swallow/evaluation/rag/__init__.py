"""Evaluate answers from documents: retrieval, exact match, F1, citations, refusals, latency.

>>> import tempfile
>>> from pathlib import Path
>>> from langchain_core.runnables import RunnableLambda
>>> from langchain_swallow.evaluation.run_file import RunFile
>>> examples = [Example("1", "試用期間は。", answers=("3か月",))]
>>> chain = RunnableLambda(lambda question: "3か月")
>>> with tempfile.TemporaryDirectory() as folder, RunFile(Path(folder) / "run.jsonl") as run:
...     failed = answer_examples(chain, examples, run, settings={"k": 4})
...     scores = score_run(examples, run.records)
>>> scores.total.metrics["exact_match"].mean
1.0
"""

from langchain_swallow.evaluation.rag.examples import Example, read_examples
from langchain_swallow.evaluation.rag.jsquad import JSQuAD, read_jsquad
from langchain_swallow.evaluation.rag.report import markdown_report, write_report
from langchain_swallow.evaluation.rag.run import (
    answer_examples,
    judge_answers,
    retrieve_examples,
)
from langchain_swallow.evaluation.rag.scores import RagScores, compare_runs, score_run
from langchain_swallow.evaluation.rag.sweep import Configuration, sweep

__all__ = [
    "Configuration",
    "Example",
    "JSQuAD",
    "RagScores",
    "answer_examples",
    "compare_runs",
    "judge_answers",
    "markdown_report",
    "read_examples",
    "read_jsquad",
    "retrieve_examples",
    "score_run",
    "sweep",
    "write_report",
]
