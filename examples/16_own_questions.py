"""自分の文書と自分の質問で回答を測り、悪くなったら失敗する。

Measure answers to your own questions, read what went wrong, and fail if it got worse: for a CI job.

    python examples/16_own_questions.py --documents 社内規程 --questions 質問.jsonl --least 0.8

A line of the questions: {"question": "試用期間は。", "answers": ["3か月"], "document": "就業規則.md"}.
Leave "answers" empty where the documents hold no answer: then a refusal is right.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from langchain_swallow import (
    ChatSwallow,
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
    create_rag_chain,
    load_documents,
)
from langchain_swallow.evaluation import rag
from langchain_swallow.evaluation.run_file import RunFile

HERE = Path(__file__).parent

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="demo")
parser.add_argument("--embeddings", default="demo")
parser.add_argument("--documents", type=Path, default=HERE / "documents")
parser.add_argument("--questions", type=Path, default=HERE / "questions.jsonl")
parser.add_argument("--limit", type=int, default=12)
parser.add_argument(
    "--least", type=float, default=0.5, help="least share of answers with the truth"
)
parser.add_argument("--output", type=Path, help="by default a temporary folder")
arguments = parser.parse_args()

examples = rag.read_examples(arguments.questions)[: arguments.limit]
llm = ChatSwallow(model=arguments.model, max_tokens=64)
chunks = JapaneseTextSplitter(300, llm).split_documents(load_documents(arguments.documents))
store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings(arguments.embeddings))
chain = create_rag_chain(llm, HybridRetriever(store=store))

output = arguments.output or Path(tempfile.mkdtemp(prefix="own-questions-"))
output.mkdir(parents=True, exist_ok=True)
# Each answer is written at once: the same command goes on where it was stopped.
with RunFile(output / "run.jsonl") as run:
    settings = {"model": arguments.model, "k": 4}
    failed = rag.answer_examples(chain, examples, run, settings=settings, concurrency=8)
    scores = rag.score_run(examples, run.records)
rag.write_report(output, {arguments.model: scores})

for scored in scores.questions:
    if scored.values.get("contains") == 0 or scored.values.get("refusal") == 0:
        right = "、".join(scored.example.answers) or "（文書に答えなし）"
        print(f"{scored.example.question} → {scored.record['text']}  正解: {right}")
share = scores.total.metrics["contains"].mean
print(f"正解を含む回答: {share:.2f} (report.html: {output.name})")
sys.exit(1 if failed or share < arguments.least else 0)
