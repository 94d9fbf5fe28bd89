"""A Jinja sandbox that limits a template's memory and time.

Jinja's own sandbox protects the system, but does not stop `x ~ x` in a loop. Here every value that
a template creates (by a call, a filter, an operator, a literal, a slice or a block) passes a
`Budget`. It refuses an operation in advance if its arguments allow more than `_MAX_STEPS` steps,
counts the values, and checks the clock, also in every iteration of a loop. Operations whose
time is linear in their values' size, such as comparisons and tests, only check the clock.
"""

import functools
import re
import sys
import time
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

# Maximum characters and items of one value, including nested ones: more than any context window.
_MAX_SIZE = 4 * 1024**2
# Maximum bytes of all values together, and maximum steps of one operation.
_MAX_BYTES = 1024**3
_MAX_STEPS = 64 * 1024**2
# Maximum of names times statements: many times that of a checkpoint's template.
_MAX_SYMBOLS = 1024**2
# Maximum bits of a number: those far above the modulus of Python's hash (2 ** 61 - 1) may all have
# the same hash.
_MAX_BITS = 64
_LIMIT_S = 10.0
# Filters whose time or output is quadratic in their input.
_QUADRATIC = frozenset({"pprint", "striptags", "sum", "urlize", "wordwrap"})
# Size of an empty list, of which some filters create any number.
_LIST_BYTES = sys.getsizeof([])
# Of a float, before its point.
_DIGITS = sys.float_info.max_10_exp + 1
_WIDTH = re.compile(r"[%:.)<>=^][^%:.)<>=^\d]{0,4}(\d+)")
_NESTED = re.compile(r":[^{}]*\{")
_FORMATTING = ("format", "format_map")
_CODING = ("encode", "decode")
_CONTAINERS = (list, tuple, dict, set, frozenset, KeysView, ValuesView, ItemsView)
# Arguments that Jinja adds to calls.
_JINJA_ARGUMENTS = ("_block_vars", "_loop_vars")


class Budget:
    """The remaining time and memory of one rendering."""

    def __init__(self) -> None:
        self._bytes_left = _MAX_BYTES
        self._deadline = time.monotonic() + _LIMIT_S
        # Values are immutable, so their sizes are constant. Keeping the values ensures that ids are
        # not reused.
        self._sizes: dict[int, tuple[Any, int]] = {}

    def tick(self) -> None:
        """Check the time limit."""
        if time.monotonic() > self._deadline:
            raise TemplateError(f"The template takes over {_LIMIT_S:g} s.")

    def check(self, value: Any, arguments: Iterable[Any]) -> None:
        """Raise an error if an operation on these values may exceed the maximum of steps.

        No operation takes more steps than the product of its two largest arguments. An integer
        counts by its value, because it may be a width or a number of copies.
        """
        self.tick()
        sizes = sorted([self.size(value), 1, *map(self._magnitude, arguments)])
        if sizes[-1] * sizes[-2] > _MAX_STEPS:
            raise TemplateError(f"The template makes an operation of over {_MAX_STEPS} steps.")

    def take(self, value: Any, size: int | None = None) -> Any:
        """Count a new value; for an iterator, pass the size."""
        self.tick()
        _check_bits(*((value.start, value.stop) if isinstance(value, range) else (value,)))
        self._bytes_left -= sys.getsizeof(value, 0)
        if self._bytes_left < 0:
            raise TemplateError(f"The template makes over {_MAX_BYTES} bytes of values.")
        if size is not None:
            self._sizes[id(value)] = value, size
        if self.size(value) > _MAX_SIZE:
            raise _too_large()
        return value

    def size(self, value: Any) -> int:
        """Number of characters and items of a value, including nested ones."""
        if isinstance(value, str | bytes):
            return len(value) + 1
        if id(value) in self._sizes:
            return self._sizes[id(value)][1]
        if isinstance(value, range):
            return len(value) + 1
        if not isinstance(value, _CONTAINERS):
            return 1
        size = 1 + sum(self.size(item) for item in value)
        if isinstance(value, dict):
            size += sum(self.size(item) for item in value.values())
        self._sizes[id(value)] = value, size
        return size

    def _magnitude(self, argument: Any) -> int:
        return abs(argument) if isinstance(argument, int) else self.size(argument)


_budget: ContextVar[Budget] = ContextVar("budget")


@contextmanager
def budget() -> Iterator[None]:
    """Context in which templates of a `BoundedEnvironment` are compiled and rendered."""
    token = _budget.set(Budget())
    try:
        yield
    finally:
        _budget.reset(token)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A Jinja environment whose templates are limited by a `Budget`; see `budget`.

    A template that exceeds its budget raises a `TemplateError`.

    Args:
        filters: Filters in addition to Jinja's.
        **options: Passed to Jinja's `Environment`.
    """

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def __init__(self, filters: dict[str, Callable[..., Any]], **options: Any) -> None:
        super().__init__(**options)
        self.filters = {n: _bounded(n, call) for n, call in (self.filters | filters).items()}
        self.tests = {n: _timed(call) for n, call in self.tests.items()}
        # Only values that are not text yet are converted, and counted, at output.
        self.finalize = lambda v: v if type(v) is str else _budget.get().take(str(v))
        self.take = lambda value=None: _budget.get().take(value)
        self.join = lambda *values: bounded_concat(map(str, values))
        self.globals["namespace"] = _Namespace
        del self.globals["lipsum"]

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        """Join the text of a block or a macro."""
        return bounded_concat(parts)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        names = len({node.name for node in template.find_all(nodes.Name)})
        statements = sum(1 for _ in template.find_all(nodes.Stmt))
        if names * statements > _MAX_SYMBOLS:  # Jinja copies all names for each branch
            raise TemplateError(
                f"The template has {names} names and {statements} statements; "
                f"their product may be {_MAX_SYMBOLS}."
            )
        parsed: nodes.Template = _Bounds().visit(template)
        return parsed.set_environment(self)  # type: ignore[return-value]

    def call(
        __self,
        __context: Context,
        __obj: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Call a function, a method or a macro."""
        if __obj is __self.take or __obj is __self.join:
            return __obj(*args)
        remaining = _budget.get()
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps `format`
        owner = getattr(method, "__self__", None)
        # The environment's own functions have their own limits.
        if owner is not None:
            arguments = [*args, *(v for name, v in kwargs.items() if name not in _JINJA_ARGUMENTS)]
            if isinstance(owner, str) and method.__name__ in _FORMATTING:
                arguments = _formatting(owner, arguments, has_widths=bool(_NESTED.search(owner)))
            if method.__name__ in _CODING and arguments not in ([], ["utf-8"]):
                arguments.append(owner)  # punycode takes quadratic time
            remaining.check(owner, arguments)
        return remaining.take(super().call(__context, __obj, *args, **kwargs))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item of a value."""
        _budget.get().tick()  # a tuple is hashed again each time
        return super().getitem(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Apply a binary operator."""
        remaining, size = _budget.get(), None
        if isinstance(left, int) and isinstance(right, int):
            _check_bits(left, right)
            if operator == "**" and left.bit_length() * abs(right) > _MAX_BITS:
                raise _too_many_bits()
        elif operator == "*":
            copied, times = (right, left) if isinstance(left, int) else (left, right)
            if isinstance(times, int) and remaining.size(copied) * times > 2 * _MAX_SIZE:
                raise _too_large()
        elif operator == "%" and isinstance(left, str):
            values = right if isinstance(right, tuple) else (right,)
            remaining.check(left, _formatting(left, values, has_widths="*" in left))
        elif operator == "+" and isinstance(left, list | tuple):
            size = remaining.size(left) + remaining.size(right)
        return remaining.take(super().call_binop(context, operator, left, right), size)


class _Namespace(Namespace):
    """A namespace without its content in `repr`, because it is mutable and may be large."""

    def __repr__(self) -> str:
        return "<Namespace>"


class _Bounds(NodeTransformer):
    """Wraps expressions that create a value without a call, and loop iterations, in calls."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_call("take", [], node), lineno=node.lineno))
        if node.test is not None:
            node.test = _call("take", [node.test], node)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        return _call("join", node.nodes, node)

    def _visit_made(self, node: nodes.Expr) -> nodes.Expr:
        self.generic_visit(node)
        return _call("take", [node], node)

    visit_List = visit_Dict = visit_Compare = _visit_made

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Expr:
        return self._visit_made(node) if node.ctx == "load" else node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        self.generic_visit(node)
        return _call("take", [node], node) if isinstance(node.arg, nodes.Slice) else node


def _call(name: str, arguments: list[Any], node: nodes.Node) -> nodes.Call:
    function = nodes.EnvironmentAttribute(name, lineno=node.lineno)
    return nodes.Call(function, arguments, [], None, None, lineno=node.lineno)


def bounded_concat(parts: Iterable[str]) -> str:
    """Join parts up to the maximum size."""
    joined, size, remaining = [], 0, _budget.get()
    for part in parts:
        remaining.tick()
        joined.append(part)
        size += len(part)
        if size > _MAX_SIZE:
            raise _too_large()
    return str(remaining.take("".join(joined)))


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter whose results are counted."""
    # Jinja passes the environment or context to some filters as the first argument.
    start = 1 if getattr(function, "jinja_pass_arg", None) else 0

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        remaining = _budget.get()
        value, arguments = args[start], [*args[start + 1 :], *kwargs.values()]
        if name in _QUADRATIC:
            arguments.append("x" * remaining.size(value))
        elif name == "round":
            arguments *= 2  # a precision n is a power of ten, of n digits
        elif name in ("batch", "slice"):
            arguments.append("x" * _LIST_BYTES)
        if name == "format":
            arguments = _formatting(str(value), arguments, has_widths="*" in value)
        remaining.check(value, arguments)
        if name == "unique":  # the time is quadratic in the number of items with one hash
            args = (*args[:start], _timed_items(value), *args[start + 1 :])
        result = function(*args, **kwargs)
        # An iterator yields values that are already counted.
        return remaining.take(
            result, remaining.size(value) if isinstance(result, Iterator) else None
        )

    return call


def _timed(function: Any) -> Callable[..., Any]:
    """Return a test that checks the clock: its time is linear in its arguments' size."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        _budget.get().tick()
        return function(*args, **kwargs)

    return call


def _timed_items(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        _budget.get().tick()
        yield item


def _check_bits(*values: Any) -> None:
    if any(isinstance(v, int) and v.bit_length() > _MAX_BITS for v in values):
        raise _too_many_bits()


def _too_many_bits() -> TemplateError:
    return TemplateError(f"The template computes a number of over {_MAX_BITS} bits.")


def _formatting(form: str, values: Iterable[Any], *, has_widths: bool) -> list[Any]:
    """Return the values that determine a formatted text's length."""
    widths = [int(digits[:9]) for digits in _WIDTH.findall(form)]
    return [_DIGITS, *widths, *(v for v in values if has_widths or not isinstance(v, int))]


def _too_large() -> TemplateError:
    return TemplateError(f"The template makes a text or list of over {_MAX_SIZE} characters.")
