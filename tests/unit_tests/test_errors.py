"""Every error of the package: pickled, copied, raised in another process."""

import copy
import importlib
import multiprocessing
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor

import pytest

import langchain_swallow
from langchain_swallow import errors
from langchain_swallow.errors import IncompleteOutputError, ServerConnectionError, SwallowError
from tests.support.raising import caught_with_cause, fail, made

# Modules that start something when they are imported.
_PROGRAMS = {"langchain_swallow.cli.__main__"}


def _all_errors():
    for module in pkgutil.walk_packages(langchain_swallow.__path__, "langchain_swallow."):
        if module.name not in _PROGRAMS:
            importlib.import_module(module.name)
    found, left = [], [SwallowError]
    while left:
        kind = left.pop()
        found.append(kind)
        left += kind.__subclasses__()
    return [kind for kind in found if kind.__module__.startswith("langchain_swallow")]


ALL = _all_errors()


def test_all_errors_are_walked():
    assert {getattr(errors, name) for name in errors.__all__ if "Model" not in name} - set(ALL) == {
        errors.ContextOverflowError
    }


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_an_error_is_the_same_after_pickling(kind, protocol):
    error = caught_with_cause(kind)
    back = pickle.loads(pickle.dumps(error, protocol))
    assert type(back) is kind
    assert str(back) == str(error)
    assert back.args == error.args
    assert back.__dict__ == error.__dict__
    assert str(back.__cause__) == "ConnectionRefusedError: [Errno 111] Connection refused"
    # And from there to the next process.
    assert str(pickle.loads(pickle.dumps(back)).__cause__) == str(back.__cause__)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_can_be_copied(kind):
    for copied in (copy.copy(made(kind)), copy.deepcopy(made(kind))):
        assert (type(copied), str(copied)) == (kind, str(made(kind)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [IncompleteOutputError, ServerConnectionError])
def test_an_error_of_a_worker_reaches_the_parent(kind):
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool, pytest.raises(kind, match="東京") as met:
        pool.submit(fail, kind).result(60)
    assert "Connection refused" in str(met.value.__cause__)
    with fresh.Pool(1) as pool, pytest.raises(kind, match="東京") as met:
        pool.apply_async(fail, (kind,)).get(60)
    assert "Connection refused" in str(met.value.__cause__)
    if kind is IncompleteOutputError:
        assert met.value.partial == met.value.llm_output == "京都"
