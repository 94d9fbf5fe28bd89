"""Errors as the package raises them, for worker processes: imports nothing else."""

import contextlib

from langchain_swallow.errors import SwallowError


def made(kind):
    """An error as the package raises it, whatever its constructor takes, and what may be added."""
    for arguments in (("東京",), ("東京", "京都"), ()):
        for options in ({}, {"status": 503, "retry_after_s": 9}):
            with contextlib.suppress(TypeError):
                error = kind(*arguments, **options)
                error.retry_after_s = 1.5
                return error
    raise AssertionError(f"{kind.__name__} takes other arguments than these.")


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
