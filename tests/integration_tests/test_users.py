"""Several users of one server with a short queue: the short form of `tests.benchmarks.users`."""

import pytest

from tests.benchmarks.users import measure

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def test_users_are_answered_or_told_to_wait():
    figures = measure(8, 20, ["--api", "--max-running", "2", "--max-waiting", "1"])
    assert (figures.counts["errors"], figures.counts["mixed"]) == (0, 0)
    assert figures.counts["answers"] > 3
    assert figures.counts["refused"] > 0
    assert figures.counts["own words"] > 0
