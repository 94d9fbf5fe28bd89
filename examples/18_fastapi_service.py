"""自社の FastAPI サービスに、文書に答える API を組み込む。

A FastAPI service of your own that mounts the API of `create_app` below /rag.

    pip install ".[demo,serve]"
    SWALLOW_TOKEN=my-secret uvicorn --app-dir examples 18_fastapi_service:app
    curl -s localhost:8000/rag/v1/answers -H "Authorization: Bearer my-secret" \
        -H "Content-Type: application/json" -d '{"question": "試用期間はどのくらいですか。"}'

SWALLOW_MODEL names another model. Put a proxy with TLS before it, as docs/security.md says.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from langchain_swallow import (
    ChatSwallow,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
    load_documents,
)
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.assistant import Assistant

model = os.environ.get("SWALLOW_MODEL", "demo")
embeddings = SwallowEmbeddings("demo") if model == "demo" else SwallowEmbeddings()
llm = ChatSwallow(model=model, max_tokens=256)
store = SwallowFAISS(embeddings)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Load everything before the first request is taken."""
    llm.load()
    documents = load_documents(Path(__file__).parent / "documents")
    store.add_documents(JapaneseTextSplitter(300, llm).split_documents(documents))
    yield
    llm.unload()


app = FastAPI(title="社内サービス", lifespan=lifespan)


@app.get("/")
def hello() -> dict[str, int]:
    """A route of your own beside the API."""
    return {"chunks": len(store)}


# A missing token would let everyone read the documents: a KeyError is the better start.
app.mount("/rag", create_app(Assistant(llm, store), page=False, token=os.environ["SWALLOW_TOKEN"]))
