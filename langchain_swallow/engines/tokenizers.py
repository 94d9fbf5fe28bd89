"""Loads and caches a model's tokenizer without its weights."""

from langchain_swallow.engines.files import resolve_files, unavailable
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.errors import ModelUnavailableError
from langchain_swallow.prompts.client_tokenizer import load_client_tokenizer
from langchain_swallow.prompts.tokenizer import Tokenizer

_tokenizers: dict[LoadSettings, Tokenizer] = {}


def tokenizer_from_files(settings: LoadSettings) -> Tokenizer:
    """Return the tokenizer for these settings; the first caller loads it.

    Raises:
        ModelUnavailableError: The tokenizer's files are not available.
    """
    if settings in _tokenizers:
        return _tokenizers[settings]
    # If two threads load it at the same time, both get the first one's.
    return _tokenizers.setdefault(settings, _read(settings))


def forget_tokenizer(settings: LoadSettings) -> None:
    """Remove a tokenizer from the cache; the next caller loads it again."""
    _tokenizers.pop(settings, None)


def _read(settings: LoadSettings) -> Tokenizer:
    """Load the files directly, or with transformers if the files alone are not enough.

    transformers 5 rebuilds a tokenizer from its files, and encodes runs of spaces differently from
    SentencePiece if there is no tokenizer.json. A client of a server also avoids transformers
    because it loads torch.
    """
    name = resolve_files(settings.tokenizer or settings.model)
    try:
        return load_client_tokenizer(name, **settings.hub)
    except ModelUnavailableError:
        if settings.has_server:
            raise
    from transformers import AutoTokenizer

    remote_code = settings.trust_remote_code
    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=remote_code, **settings.hub)
    except (OSError, ValueError) as error:
        raise unavailable(settings, error) from error
