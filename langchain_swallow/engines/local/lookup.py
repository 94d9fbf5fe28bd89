"""Prompt lookup: guesses at the next tokens, copied from where the last ones stood before.

Answers from documents repeat them. A guess costs nothing to make and is verified by the model in
the pass that computes the next token anyway, so it changes how many passes an answer takes and
never which answer (Saxena 2023, "Prompt Lookup Decoding"; Leviathan et al. 2023).
"""

# The end of the text is looked up in these lengths, longest first.
_LENGTHS = (3, 2, 1)
MAX_DRAFT = 8
_FIRST_DRAFT = 4


class PromptLookup:
    """Where each run of tokens stood last, for one sequence; `ids` may grow, never change.

    Guesses become longer while they hold and shorter while they fail, so that an answer that
    repeats nothing costs next to nothing.
    """

    def __init__(self, ids: list[int]) -> None:
        self._ids = ids
        self._length = _FIRST_DRAFT
        self._follows: dict[tuple[int, ...], int] = {}
        self._noted = 0

    def draft(self, limit: int) -> list[int]:
        """Up to `most` tokens that followed the latest place with the same last tokens."""
        self._note_new()
        for length in _LENGTHS:
            start = self._follows.get(tuple(self._ids[-length:]))
            if start is not None:
                return self._ids[start : start + min(limit, self._length)]
        return []

    def learn(self, drafted: int, right: int) -> None:
        """Note how many tokens of the last guess were right."""
        if right == drafted:
            self._length = min(MAX_DRAFT, 2 * self._length)
        elif right == 0:
            self._length = max(1, self._length // 2)

    def _note_new(self) -> None:
        """Note every run that has a token after it."""
        ids = self._ids
        for end in range(max(self._noted, 1), len(ids)):
            for length in _LENGTHS:
                if end >= length:
                    self._follows[tuple(ids[end - length : end])] = end
        self._noted = len(ids)
