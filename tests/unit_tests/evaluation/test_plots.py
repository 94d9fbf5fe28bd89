"""Figures: written in both formats, with Japanese letters of a font that has them."""

import sys
from types import SimpleNamespace

import matplotlib
import pytest
from matplotlib import font_manager

from langchain_swallow.errors import MissingDependencyError
from langchain_swallow.evaluation import plots
from langchain_swallow.evaluation.plots import Bar, Point

HARD = "髙﨑～－∥①㈱薔薇"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_every_figure_has_its_letters(tmp_path, suffix):
    """matplotlib warns of a letter that the font lacks; warnings are errors here."""
    plots.radar(tmp_path / f"radar{suffix}", ["推論", "数学", HARD], {"甲": [0.1, 0.5, 0.9]})
    plots.bars(
        tmp_path / f"bars{suffix}", ["再現率", HARD],
        {"甲": [Bar(0.5, 0.4, 0.6), Bar(0.2)], "乙": [Bar(0.1), Bar(float("nan"))]}, label="割合",
    )  # fmt: skip
    points = [Point("k=2", 1.0, 0.5), Point(HARD, 2.0, 0.7)]
    plots.quality_over_latency(tmp_path / f"sweep{suffix}", points, quality="文字F1")
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    assert all(file.stat().st_size > 5000 for file in files)
    if suffix == ".svg":
        # Outlines, so that a reader needs no font; and nothing of the machine or the day.
        assert not any("<text" in file.read_text("utf-8") for file in files)
        assert not any("<dc:date>" in file.read_text("utf-8") for file in files)


def test_settings_of_the_process_stay(tmp_path):
    before = dict(matplotlib.rcParams)
    plots.radar(tmp_path / "radar.svg", ["推論", "数学", "理系"], {"甲": [0.1, 0.5, 0.9]})
    assert dict(matplotlib.rcParams) == before


def test_a_font_of_the_system_is_taken_first(monkeypatch):
    fonts = SimpleNamespace(ttflist=[SimpleNamespace(name=n) for n in ("Meiryo", "Noto Sans JP")])
    monkeypatch.setattr(font_manager, "fontManager", fonts)
    assert plots.japanese_font() == "Noto Sans JP"


def test_without_a_font_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(font_manager, "fontManager", SimpleNamespace(ttflist=[]))
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"Noto Sans CJK JP.*\[plots\]"):
        plots.japanese_font()


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[plots\]"):
        plots.radar(tmp_path / "radar.svg", ["a", "b", "c"], {"甲": [0.1, 0.5, 0.9]})


def test_the_best_are_those_that_nothing_beats_in_both():
    points = [
        Point("slow and good", 3, 0.9), Point("fast", 1, 0.5), Point("beaten", 2, 0.4),
        Point("as good but slower", 2, 0.5), Point("middle", 2, 0.7),
    ]  # fmt: skip
    labels = [point.label for point in plots.best_points(points)]
    assert labels == ["fast", "middle", "slow and good"]
