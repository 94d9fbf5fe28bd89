"""Ask many configurations the same questions, to compare their quality and latency."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from langchain_core.runnables import Runnable

from langchain_swallow.errors import EvaluationError
from langchain_swallow.evaluation.pages import format_score
from langchain_swallow.evaluation.plots import Point, quality_over_latency
from langchain_swallow.evaluation.rag.examples import Example
from langchain_swallow.evaluation.rag.report import display_name
from langchain_swallow.evaluation.rag.run import answer_examples, unanswered
from langchain_swallow.evaluation.rag.scores import RagScores, score_run
from langchain_swallow.evaluation.run_file import RunFile, read_records, short_hash
from langchain_swallow.evaluation.tables import Table


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings of a chain by name, such as `{"chunk_tokens": 300, "k": 4}`."""

    settings: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Label for tables and plots, such as `chunk_tokens=300 k=4`."""
        return " ".join(f"{name}={value}" for name, value in self.settings.items())

    @property
    def folder(self) -> str:
        """Name of its folder, valid on any file system: a hash of the label."""
        return short_hash(self.label)


def configurations(**choices: Sequence[Any]) -> list[Configuration]:
    """All combinations of the choices; the last one changes fastest.

    >>> [c.label for c in configurations(k=[2, 4], preset=["質問応答"])]
    ['k=2 preset=質問応答', 'k=4 preset=質問応答']
    """
    names = list(choices)
    return [Configuration(dict(zip(names, v, strict=True))) for v in product(*choices.values())]


def sweep(
    build: Callable[[Mapping[str, Any]], Runnable[Any, Any]],
    choices: Sequence[Configuration],
    examples: Sequence[Example],
    folder: Path,
    *,
    common: Mapping[str, Any] | None = None,
    concurrency: int = 1,
    progress: bool = False,
) -> dict[str, RagScores]:
    """Ask each configuration all questions.

    Args:
        build: Function that builds a chain from the settings of a configuration. It is not called
            for a configuration whose run file is complete.
        choices: The configurations.
        examples: The questions.
        folder: Folder in which each configuration has a folder with its run file.
        common: Settings that all configurations share, such as the model, for the record; default:
            none.
        concurrency: Questions in flight; default 1.
        progress: Whether to show progress bars on stderr; default `False`.

    Returns:
        Label of each configuration → its scores.

    Raises:
        EvaluationError: Questions failed; if you run the function again, it tries them again. Or
            the run files were made with other settings than `common`.
    """
    scores = {}
    for choice in choices:
        path = folder / choice.folder / "run.jsonl"
        settings = {**(common or {}), **choice.settings}
        if unanswered(read_records(path), examples, settings):
            with RunFile(path) as file:
                failed = answer_examples(
                    build(choice.settings), examples, file, settings=settings,
                    concurrency=concurrency, progress=progress,
                )  # fmt: skip
            if failed:
                raise EvaluationError(
                    f"{len(failed)} questions failed with {choice.label}; the first: "
                    f"{failed[0].error}"
                ) from failed[0].error
        scores[choice.label] = score_run(examples, read_records(path))
    return scores


def sweep_table(scores: Mapping[str, RagScores], *, metric: str = "f1") -> Table:
    """Table with a metric and the median latency in seconds of each configuration."""
    rows = [
        [
            label,
            format_score(one.total.metrics[metric].mean if metric in one.total.metrics else None),
            format_score(one.total.percentiles["seconds"]["p50"], 2),
        ]
        for label, one in scores.items()
    ]
    return Table("Sweep", ["configuration", metric, "p50, s"], rows)


def plot_sweep(path: Path, scores: Mapping[str, RagScores], *, metric: str = "f1") -> None:
    """Plot a metric over the median latency, with one point per configuration.

    The label of a point contains the settings that differ between configurations.
    """
    settings = [one.settings for one in scores.values()]
    differing = [name for name in settings[0] if len({str(s.get(name)) for s in settings}) > 1]
    points = [
        Point(
            " ".join(f"{name}={one.settings[name]}" for name in differing) or label,
            one.total.percentiles["seconds"]["p50"],
            one.total.metrics[metric].mean,
        )
        for label, one in scores.items()
        if metric in one.total.metrics
    ]
    quality_over_latency(path, points, quality=display_name(metric))
