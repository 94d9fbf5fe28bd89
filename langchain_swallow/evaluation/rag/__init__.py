"""Answers from documents: retrieval, exact match and F1, citations, refusals, latency, tokens.

examples = read_examples(Path("questions.jsonl"))
with RunFile(folder / "run.jsonl") as run:
answer_examples(chain, examples, run, settings={"k": 4})
report = score_run(examples, read_records(folder / "run.jsonl"))
print(markdown_report({"k=4": report}))
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
