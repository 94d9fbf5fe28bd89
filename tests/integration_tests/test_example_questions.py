"""The example questions against the example documents, to the bound of docs/benchmarks.md."""

import pytest

from tests.benchmarks.example_questions import measure


@pytest.mark.usefixtures("demo_folder")
def test_most_questions_are_answered_and_unanswerable_ones_refused():
    counts = measure("demo", k=4)
    assert (counts["answerable"], counts["questions"]) == (32, 40)
    assert counts["answered"] >= 0.7 * counts["answerable"]
    assert counts["refused"] >= 6
