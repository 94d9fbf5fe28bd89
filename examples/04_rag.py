"""Answers from a folder of documents, with checked citations.

python examples/04_rag.py --documents examples/documents
"""

import argparse
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

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="demo")
parser.add_argument("--embeddings", default="demo")
parser.add_argument("--documents", type=Path, default=Path(__file__).parent / "documents")
arguments = parser.parse_args()

llm = ChatSwallow(model=arguments.model, max_tokens=128)
documents = load_documents(arguments.documents)
chunks = JapaneseTextSplitter(max_tokens=300, counter=llm).split_documents(documents)
store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings(arguments.embeddings))
rag = create_rag_chain(llm, HybridRetriever(store=store, k=4))

for question in ("試用期間はどのくらいですか。", "社長の好きな食べ物は何ですか。"):
    answer = rag.invoke(question)
    print(question, "→", answer.text)
    for citation in answer.citations:
        source = Path(citation.document.metadata["source"]).name
        print(f"  [{citation.number}] {source} 「{citation.quote}」")
