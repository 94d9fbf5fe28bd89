"""Prompt lookup: speculative decoding with draft tokens copied from earlier text.

Answers from documents repeat their text. A draft costs nothing to make, and the model verifies it
in the pass that computes the next token anyway. So drafts change the number of passes, but never
the answer (Saxena 2023, "Prompt Lookup Decoding"; Leviathan et al. 2023).
"""

# Lengths of the n-grams at the end of the text that are looked up, longest first.
_LENGTHS = (3, 2, 1)
MAX_DRAFT = 8
_FIRST_DRAFT = 4


class PromptLookup:
    """Index of the latest position of each n-gram of one sequence; `ids` may grow, never change.

    Drafts become longer while they are accepted and shorter while they are rejected, so that an
    answer without repetitions costs almost nothing.
    """

    def __init__(self, ids: list[int]) -> None:
        self._ids = ids
        self._length = _FIRST_DRAFT
        self._follows: dict[tuple[int, ...], int] = {}
        self._noted = 0

    def draft(self, limit: int) -> list[int]:
        """Return up to `limit` tokens that followed the latest occurrence of the last n-gram."""
        self._note_new()
        for length in _LENGTHS:
            start = self._follows.get(tuple(self._ids[-length:]))
            if start is not None:
                return self._ids[start : start + min(limit, self._length)]
        return []

    def learn(self, drafted: int, right: int) -> None:
        """Adapt the draft length to how many of the `drafted` tokens were `right` (accepted)."""
        if right == drafted:
            self._length = min(MAX_DRAFT, 2 * self._length)
        elif right == 0:
            self._length = max(1, self._length // 2)

    def _note_new(self) -> None:
        """Index every new n-gram that has a token after it."""
        ids = self._ids
        for end in range(max(self._noted, 1), len(ids)):
            for length in _LENGTHS:
                if end >= length:
                    self._follows[tuple(ids[end - length : end])] = end
        self._noted = len(ids)
