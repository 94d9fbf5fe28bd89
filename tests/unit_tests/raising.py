"""Errors as the package raises them, for worker processes: imports nothing else."""

from langchain_swallow.errors import IncompleteOutputError, SwallowError


def made(kind):
    """An error as the package raises it, with what may be added to one."""
    arguments = ("東京", '{"a": "x') if issubclass(kind, IncompleteOutputError) else ("東京",)
    error = kind(*arguments)
    error.retry_after_s = 1.5
    return error


def caught_with_cause(kind):
    try:
        try:
            raise OSError(111, "Connection refused")
        except OSError as cause:
            raise made(kind) from cause
    except SwallowError as error:
        return error


def fail(kind):
    raise caught_with_cause(kind)
