"""回答の質を測る。設定を変えたら何が変わったかを、同じ質問で比べる。

Measure answers from documents, and compare two settings question by question. The same from the
command line: `langchain-swallow eval rag`. Figures, tables and a page to read are written to a folder.
"""

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
FILES = [HERE / "documents" / name for name in ("就業規則.md", "経費精算規程.txt")]

llm = ChatSwallow(model="demo", max_tokens=48)
chunks = JapaneseTextSplitter(counter=llm).split_documents(load_documents(FILES))
store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings("demo"))

# 質問と正解と、答えのある文書。答えのない質問も混ぜる。
names = {file.name for file in FILES}
examples = [
    example
    for example in rag.read_examples(HERE / "questions.jsonl")
    if not example.answerable or names & set(example.documents)
][:16]

output = Path(tempfile.mkdtemp(prefix="evaluation-"))
scores = {}
for k in (1, 4):
    chain = create_rag_chain(llm, HybridRetriever(store=store, k=k))
    # 一問ごとに記録されるので、止まっても続きから始まる。
    with RunFile(output / f"k{k}.jsonl") as run:
        rag.answer_examples(chain, examples, run, settings={"k": k}, concurrency=8)
        scores[f"k={k}"] = rag.score_run(examples, run.records)

print(rag.markdown_report(scores))
print("written:", *(path.name for path in rag.write_report(output, scores)))
