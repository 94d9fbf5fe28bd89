"""The tokenizer of a model, had of its files, without its weights."""

from langchain_swallow.engines.files import resolve_files, unavailable
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.errors import ModelUnavailableError
from langchain_swallow.prompts.client_tokenizer import load_client_tokenizer
from langchain_swallow.prompts.tokenizer import Tokenizer

_tokenizers: dict[LoadSettings, Tokenizer] = {}


def tokenizer_from_files(settings: LoadSettings) -> Tokenizer:
    """The tokenizer for these settings, read by the first who asks for it.

    Raises:
        ModelUnavailableError: Its files cannot be had.
    """
    if settings in _tokenizers:
        return _tokenizers[settings]
    # Of two threads that read it at once, both get the first's.
    return _tokenizers.setdefault(settings, _read(settings))


def forget_tokenizer(settings: LoadSettings) -> None:
    """Read the files again when they are needed again."""
    _tokenizers.pop(settings, None)


def _read(settings: LoadSettings) -> Tokenizer:
    """By the files themselves; where those are not enough, by transformers.

    transformers 5 rebuilds a tokenizer from its files, and encodes runs of spaces otherwise than
    SentencePiece where there is no tokenizer.json. A client of a server does without transformers,
    which loads torch.
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
