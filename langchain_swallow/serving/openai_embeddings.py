"""`/v1/embeddings`: vectors of the index's embedding model.

A small batch at a time, so that requests take turns, answers go on, and leaving ends the work.
"""

import asyncio
import base64
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, Field, field_validator

from langchain_swallow.serving.api_models import RequestBody
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.openai_errors import BadRequestError, unknown_model
from langchain_swallow.serving.openai_models import Usage, public_model_name

_BATCH_SIZE = 16
_MAX_TEXTS = 2048


class EmbeddingRequest(RequestBody):
    """The body of `POST /v1/embeddings`."""

    model: str = Field(description="the id of the embedding model, see GET /v1/models")
    input: str | list[Any] = Field(description="a text, or up to 2,048 texts, none of them empty")
    encoding_format: Literal["float", "base64"] | None = Field(
        default=None, description="float, the default, or float32 values in base64"
    )
    dimensions: int | None = Field(default=None, description="only the model's own number")
    input_type: Literal["query", "passage"] | None = Field(
        default=None,
        description="what the texts are, for models that were trained with a prefix for each: "
        "questions, or documents (default)",
    )

    @field_validator("input")
    @classmethod
    def _is_texts(cls, value: str | list[Any]) -> list[str]:
        texts = [value] if isinstance(value, str) else value
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(
                "send text, not token ids, which are of another model's tokenizer. In LangChain's "
                "OpenAIEmbeddings, set check_embedding_ctx_length=False"
            )
        if not 1 <= len(texts) <= _MAX_TEXTS or not all(map(str.strip, texts)):
            raise ValueError(f"send 1 to {_MAX_TEXTS} texts, none of them empty")
        return texts


class Embedding(BaseModel):
    """The vector of a text, with unit length."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingResponse(BaseModel):
    """The response to `POST /v1/embeddings`; tokens are counted by the chat model's tokenizer."""

    object: Literal["list"] = "list"
    model: str
    data: list[Embedding]
    usage: Usage


class Embedder:
    """Embeds the texts of requests with the embedding model of an assistant's index."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self.name = public_model_name(assistant.store.embeddings)
        self._turn = asyncio.Lock()

    async def response(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Return the response to a request.

        Raises:
            BadRequestError: The model is unknown, or does not have this number of dimensions.
        """
        if request.model != self.name:
            raise unknown_model(request.model, [self.name])
        embeddings, texts, vectors = self._assistant.store.embeddings, list(request.input), []
        tokens = 0
        for start in range(0, len(texts), _BATCH_SIZE):
            batch = texts[start : start + _BATCH_SIZE]
            async with self._turn:
                if request.input_type == "query":
                    vectors += [await asyncio.to_thread(embeddings.embed_query, t) for t in batch]
                else:
                    vectors += await asyncio.to_thread(embeddings.embed_documents, batch)
                tokens += await asyncio.to_thread(self._count, batch)
            _check_dimensions(request, len(vectors[0]))
        return EmbeddingResponse(
            model=self.name,
            data=[Embedding(index=i, embedding=_encode(v, request)) for i, v in enumerate(vectors)],
            usage=Usage(prompt_tokens=tokens, total_tokens=tokens),
        )

    def _count(self, texts: list[str]) -> int:
        return sum(map(self._assistant.llm.get_num_tokens, texts))


def _check_dimensions(request: EmbeddingRequest, dimensions: int) -> None:
    if request.dimensions not in (None, dimensions):
        raise BadRequestError(
            f"{request.model!r} has vectors of {dimensions} dimensions and cannot shorten them; "
            f"leave out dimensions={request.dimensions}.",
            "dimensions",
        )


def _encode(vector: list[float], request: EmbeddingRequest) -> list[float] | str:
    if request.encoding_format != "base64":
        return vector
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")
