"""Documents of many kinds whose values are drawn at random, with questions on them.

`KINDS` maps the name of a kind to a function from a random generator to a `Drawn` document. To add
a kind, write such a function in one of the modules and list it there. `COMPOSED` has kinds whose
words are drawn too, for training; their wrong answers are few.
"""

from collections.abc import Callable
from random import Random

from tests.support.drawn import clauses, composed, lists, notices, rules, tables
from tests.support.drawn.document import Asked, Drawn

KINDS: dict[str, Callable[[Random], Drawn]] = {
    kind.__name__: kind for kind in (*rules.KINDS, *tables.KINDS, *notices.KINDS, *lists.KINDS)
}
COMPOSED: dict[str, Callable[[Random], Drawn]] = {
    kind.__name__: kind for kind in (*composed.KINDS, *clauses.KINDS)
}

__all__ = ["COMPOSED", "KINDS", "Asked", "Drawn"]
