"""Old names of fields and arguments: they work until 0.3, with a warning that names the new one."""

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, model_validator
from typing_extensions import Self

# Modules whose frames are not the caller who used an old name.
_INNER = frozenset({"langchain_core", "langchain_swallow", "pydantic"})


class RenamedField(property):
    """The old name of a field, as an attribute of a `RenamedFields` class.

    Args:
        field: The name of the field now.
        convert: Converts a value of the old field to one of the new field. Default: the same.
        restore: Converts it back.
    """

    def __init__(
        self,
        field: str,
        convert: Callable[[Any], Any] = lambda value: value,
        restore: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self.field, self.convert = field, convert

        def read(model: BaseModel) -> Any:
            warn_renamed(self.old, field, type(model).__name__)
            return restore(getattr(model, field))

        def write(model: BaseModel, value: Any) -> None:
            warn_renamed(self.old, field, type(model).__name__)
            setattr(model, field, convert(value))

        super().__init__(read, write)

    def __set_name__(self, owner: type, name: str) -> None:
        self.old = name


class RenamedFields(BaseModel):
    """A model whose renamed fields can still be passed, read and set by their old names."""

    @model_validator(mode="before")
    @classmethod
    def _take_old_names(cls, values: Any) -> Any:
        return _current_names(cls, values) if isinstance(values, Mapping) else values

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with updated values; see pydantic."""
        return super().model_copy(update=update and _current_names(type(self), update), deep=deep)


def renamed_fields(owner: type) -> list[RenamedField]:
    """Return the old names that a class and its bases define."""
    values = (value for base in owner.__mro__ for value in vars(base).values())
    return [value for value in values if isinstance(value, RenamedField)]


def warn_renamed(old: str, name: str, owner: str, *, has_new: bool = False) -> None:
    """Warn, at the line that used it, that an old name is deprecated.

    Args:
        old: The old name.
        name: The new name.
        owner: The class or function.
        has_new: Whether a value was passed by the new name, too.

    Raises:
        ValueError: Values were passed by both names.
    """
    if has_new:
        raise ValueError(f"{owner} got both {name} and {old}, its old name. Pass {name} only.")
    warnings.warn(
        f"{old} of {owner} is deprecated and will be removed in 0.3. Use {name}.",
        DeprecationWarning,
        stacklevel=_caller_level(),
    )


def _current_names(owner: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the current names of their fields."""
    current = dict(values)
    for renamed in renamed_fields(owner):
        if renamed.old in current:
            has_new = renamed.field in current
            warn_renamed(renamed.old, renamed.field, owner.__name__, has_new=has_new)
            current[renamed.field] = renamed.convert(current.pop(renamed.old))
    return current


def _caller_level() -> int:
    """Return the `stacklevel` at which `warn_renamed` was called from outside of `_INNER`.

    Python shows a `DeprecationWarning` by default only if it points to the user's own code.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _INNER:
        level, frame = level + 1, frame.f_back
    return level
