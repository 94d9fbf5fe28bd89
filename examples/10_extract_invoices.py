"""請求書から決まった形で取り出す。形は文法で守られるので、崩れた出力は起こらない。

Invoices → objects of a class. The shape cannot be missed, because generation is held to a grammar;
whether the values are right depends on the model: the demo model misses some, so what must be right
is checked against the text.

    python examples/10_extract_invoices.py --model tokyotech-llm/Swallow-7b-instruct-v0.1
"""

import argparse
import re
import unicodedata
from pathlib import Path

from pydantic import BaseModel, Field

from langchain_swallow import ChatSwallow, load_documents
from langchain_swallow.rag import create_extraction_chain


class Invoice(BaseModel):
    """請求書または領収書"""

    issuer: str = Field(max_length=20, description="発行した会社または店の名前")
    total_yen: int = Field(ge=0, le=10_000_000, description="税込の合計金額（円）")
    kind: str = Field(pattern="^(請求書|領収書)$", description="書類の種類")


def stands_in(text: str, invoice: Invoice) -> bool:
    """Whether the name and the amount are written in the document."""
    plain = unicodedata.normalize("NFKC", text)
    amounts = [int(found.replace(",", "")) for found in re.findall(r"\d[\d,]*", plain)]
    return invoice.issuer in text and invoice.total_yen in amounts


parser = argparse.ArgumentParser()
parser.add_argument("--model", default="demo")
parser.add_argument("--documents", type=Path, default=Path(__file__).parent / "invoices")
arguments = parser.parse_args()

llm = ChatSwallow(model=arguments.model, max_tokens=96)
# 窓より長い文書は部分ごとに読まれる。 / A document longer than the window is read in parts.
extract = create_extraction_chain(llm, Invoice)
documents = load_documents(arguments.documents)

for document, found in zip(documents, extract.batch(documents), strict=True):
    print(Path(document.metadata["source"]).name)
    for invoice in found:
        note = "" if stands_in(document.page_content, invoice) else "　※本文と照合できません"
        print(f"  {invoice.model_dump()}{note}")
