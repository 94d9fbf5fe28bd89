"""Evaluate metadata filters on the rows of a segment, before the search.

    {"部署": "総務"}                                          equal
    {"page": {"$gte": 3, "$lt": 10}}                          a range
    {"部署": {"$in": ["総務", "経理"]}}                        one of
    {"$or": [{"年": 2026}, {"$not": {"草案": True}}]}          and, or, not

A condition is evaluated once per distinct value, and then looked up for each row.
"""

import operator
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Column:
    """The values of one metadata key: distinct values, and the code of the value of each row.

    Rows without the key have a special value that equals nothing.
    """

    values: Sequence[Any]
    codes: NDArray[np.unsignedinteger]

    @classmethod
    def from_metadata(cls, entries: Iterable[Mapping[str, Any]], key: str) -> "Column":
        """Build the column of a key from the metadata of all rows."""
        known: dict[Any, int] = {}
        values: list[Any] = []
        codes = array("I")
        for metadata in entries:
            value = metadata.get(key, _MISSING)
            # 1 and True are the same key in a dict, but different values in a filter.
            name = (type(value).__name__, value if value.__hash__ else repr(value))
            code = known.setdefault(name, len(known))
            if code == len(values):
                values.append(value)
            codes.append(code)
        return cls(values, np.array(codes, dtype=np.min_scalar_type(len(values))))

    def value(self, code: int) -> Any:
        """The value of a code; `None` if the rows do not have the key."""
        value = self.values[code]
        return None if value is _MISSING else value

    def admitted(self, condition: Callable[[Any], bool]) -> Mask:
        """Mask of the rows whose value matches the condition, shape (rows,)."""
        matching = np.fromiter(
            (condition(v) for v in self.values), dtype=bool, count=len(self.values)
        )
        return matching[self.codes] if len(matching) else np.zeros(0, dtype=bool)


def admitted_rows(filter: Mapping[str, Any], column: Callable[[str], Column], count: int) -> Mask:
    """Mask of the rows that a filter admits, shape (count,).

    Args:
        filter: A filter as in the module's docstring; the conditions of all keys must match.
        column: Function that returns the column of a key.
        count: Number of rows in the segment.

    Raises:
        ValueError: The filter has an unknown operator, or an operand of the wrong type.
    """
    admitted = np.ones(count, dtype=bool)
    for key, expected in filter.items():
        if key in ("$and", "$or"):
            parts = [admitted_rows(part, column, count) for part in _listed(key, expected)]
            joined = np.logical_and if key == "$and" else np.logical_or
            admitted &= joined.reduce(parts) if parts else key == "$and"
        elif key == "$not":
            admitted &= ~admitted_rows(expected, column, count)
        elif key.startswith("$"):
            raise ValueError(f"Unknown operator {key!r}. Use $and, $or or $not.")
        else:
            admitted &= column(key).admitted(_condition(expected))
    return admitted


def _condition(expected: Any) -> Callable[[Any], bool]:
    if not isinstance(expected, Mapping) or not any(str(key).startswith("$") for key in expected):
        return lambda value: _equal(value, expected)
    parts = [_operator(name, operand) for name, operand in expected.items()]
    return lambda value: all(part(value) for part in parts)


def _operator(name: str, operand: Any) -> Callable[[Any], bool]:
    orders = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
    if name in orders:
        order = orders[name]
        # Values that cannot be compared (a text with a number, a missing value) do not match.
        return lambda value: _comparable(value, operand) and bool(order(value, operand))
    if name == "$eq":
        return lambda value: _equal(value, operand)
    if name == "$ne":
        return lambda value: not _equal(value, operand)
    if name in ("$in", "$nin"):
        choices = _listed(name, operand)
        return lambda value: any(_equal(value, c) for c in choices) == (name == "$in")
    if name == "$exists":
        return lambda value: (value is not _MISSING) == bool(operand)
    if name == "$contains":
        return lambda value: _contains(value, operand)
    raise ValueError(
        f"Unknown operator {name!r}. Use $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists or "
        "$contains."
    )


def _equal(value: Any, expected: Any) -> bool:
    if isinstance(value, bool) != isinstance(expected, bool):
        return False
    return bool(value is not _MISSING and value == expected)


def _contains(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        # Otherwise, whether the search raises would depend on the values of all rows.
        return isinstance(operand, str) and operand in value
    return isinstance(value, list | tuple) and operand in value


def _comparable(value: Any, operand: Any) -> bool:
    numbers = (int, float)
    return (isinstance(value, numbers) and isinstance(operand, numbers)) or (
        isinstance(value, str) and isinstance(operand, str)
    )


def _listed(name: str, operand: Any) -> list[Any]:
    if isinstance(operand, str | Mapping) or not isinstance(operand, Iterable):
        raise ValueError(f"{name} takes a list, not {operand!r}.")
    return list(operand)
