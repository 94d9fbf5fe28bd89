"""What a grammar admits, whatever the tokenizer: over a vocabulary of the 256 bytes."""

from langchain_swallow.engines.grammar import GrammarCompiler


class _Bytes:
    all_special_ids = (256,)
    bos_token_id = None
    eos_token_id = 256

    def __len__(self):
        return 257

    def convert_ids_to_tokens(self, token):
        return "</s>"


BYTES = GrammarCompiler(
    _Bytes(), lambda token: bytes([token]), frozenset({256}), lambda text: list(text.encode())
)


def admits(grammar, text):
    """Whether the grammar admits the text as a whole answer."""
    matcher = BYTES.mask(grammar)._matcher
    data = list(text.encode())
    return matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting()
