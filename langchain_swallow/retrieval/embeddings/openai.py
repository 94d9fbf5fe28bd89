"""Embed texts on a server with OpenAI's embeddings API, through langchain-openai."""

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
    """Return a function that embeds texts on the server.

    Args:
        model: Name of the embedding model on the server.
        base_url: URL of the API, such as `http://host:8000/v1`.
        api_key: API key, sent as bearer token; `None` sends a placeholder.
        batch_size: Texts per request.

    Raises:
        MissingDependencyError: langchain-openai is not installed.
        ServerConnectionError: `base_url` is not a valid URL.
        AuthenticationError: The key contains characters that an HTTP header cannot contain.
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

    # A forked child opens its own connections, and those of the parent stay open.
    @functools.cache
    def open_client(process: int) -> Any:
        with typed_settings():
            return OpenAIEmbeddings(
                model=model,
                base_url=url,
                # Without a key, langchain-openai would send OPENAI_API_KEY to this server.
                api_key=SecretStr(api_key or "none"),
                chunk_size=batch_size,
                # Send texts: token ids would be those of OpenAI's tokenizer.
                check_embedding_ctx_length=False,
                model_kwargs={"encoding_format": "float"},
            )

    def embed(texts: list[str]) -> list[list[float]]:
        client = open_client(os.getpid())
        try:
            vectors: list[list[float]] = client.embed_documents(texts)
        except APIStatusError as error:
            # The response of the openai package has the interface of `httpx.Response`.
            response: Any = error.response
            raise error_from_response(url, response, response.content) from error
        except APIConnectionError as error:
            cause = error.__cause__
            raise transport_error(url, cause if isinstance(cause, Exception) else error) from error
        except Exception as error:  # the client does not validate responses, so any error can occur
            raise EmbeddingError(f"{shown_url(url)} returned no vectors: {error!r}.") from error
        return vectors

    return embed
