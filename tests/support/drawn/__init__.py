"""Documents of many kinds whose values are drawn at random, with questions on them.

`KINDS` maps the name of a kind to a function from a random generator to a `Drawn` document. To add
a kind, write such a function in one of the modules and list it there.
"""

from collections.abc import Callable
from random import Random

from tests.support.drawn import lists, notices, rules, tables
from tests.support.drawn.document import Asked, Drawn

KINDS: dict[str, Callable[[Random], Drawn]] = {
    kind.__name__: kind for kind in (*rules.KINDS, *tables.KINDS, *notices.KINDS, *lists.KINDS)
}

__all__ = ["KINDS", "Asked", "Drawn"]
