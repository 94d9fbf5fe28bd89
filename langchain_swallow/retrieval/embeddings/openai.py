"""Vectors from a server with OpenAI's embeddings API, by langchain-openai."""

import functools
import os
from collections.abc import Callable
from typing import Any

from langchain_swallow.engines.server.connection import authorization, checked_url, typed_settings
from langchain_swallow.engines.server.errors import (
    error_from_response,
    shown_url,
    transport_error,
)
from langchain_swallow.errors import EmbeddingError, MissingDependencyError


def openai_embedder(
    model: str, base_url: str, api_key: str | None, batch_size: int
) -> Callable[[list[str]], list[list[float]]]:
    """A function from texts to vectors.

    Args:
        model: The encoder's name on the server.
        base_url: Such as `http://host:8000/v1`.
        api_key: Sent as bearer token.
        batch_size: Texts of a request.

    Raises:
        MissingDependencyError: langchain-openai is not installed.
        ServerConnectionError: The URL is not one.
        AuthenticationError: An HTTP header cannot have the key.
    """
    try:
        from langchain_openai import OpenAIEmbeddings
        from openai import APIConnectionError, APIStatusError
        from pydantic import SecretStr
    except ImportError as error:
        raise MissingDependencyError(
            "Using an embedding server, but langchain-openai is not installed. "
            "Install it using `pip install langchain-swallow[openai]`."
        ) from error

    url = checked_url(base_url)
    authorization(api_key)

    # A forked child has connections of its own; the parent's stay open.
    @functools.cache
    def open_client(process: int) -> Any:
        with typed_settings():
            return OpenAIEmbeddings(
                model=model,
                base_url=url,
                # Without one, OPENAI_API_KEY would be sent to whatever server this is.
                api_key=SecretStr(api_key or "none"),
                chunk_size=batch_size,
                # Texts as they are: token ids would be those of OpenAI's models.
                check_embedding_ctx_length=False,
                model_kwargs={"encoding_format": "float"},
            )

    def embed(texts: list[str]) -> list[list[float]]:
        client = open_client(os.getpid())
        try:
            vectors: list[list[float]] = client.embed_documents(texts)
        except APIStatusError as error:
            # A response as httpx has it, of the copy that openai brings.
            response: Any = error.response
            raise error_from_response(url, response, response.content) from error
        except APIConnectionError as error:
            cause = error.__cause__
            raise transport_error(url, cause if isinstance(cause, Exception) else error) from error
        except Exception as error:  # the client checks no answer: whatever comes of a wrong one
            raise EmbeddingError(f"{shown_url(url)} gave no vectors: {error!r}.") from error
        return vectors

    return embed
