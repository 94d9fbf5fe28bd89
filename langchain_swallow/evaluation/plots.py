"""Plots with Japanese labels, as PNG or SVG: radar, bars with intervals, quality over latency.

In SVG, text is drawn as outlines, so that a plot looks the same without the font.
"""

import importlib.util
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.errors import EvaluationError, MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# System fonts that cover JIS X 0208. If none is installed, matplotlib-fontja provides IPAexGothic.
_FONTS = (
    "Noto Sans CJK JP", "Noto Sans JP", "Source Han Sans JP", "IPAexGothic", "IPAGothic",
    "Hiragino Sans", "Hiragino Kaku Gothic ProN", "Yu Gothic", "Meiryo", "MS Gothic", "TakaoGothic",
)  # fmt: skip
# Colors of Okabe and Ito, which color-blind readers can distinguish; dark ones first.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999933")


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, with the limits of its interval if it has one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A configuration in a plot of quality over latency in seconds."""

    label: str
    latency_s: float
    quality: float


def radar(
    path: Path, axes: Sequence[str], series: Mapping[str, Sequence[float]], *, title: str = ""
) -> None:
    """Radar plot: one closed line per series, over axes from 0 to 1.

    Args:
        path: File to write; its name ends in .png or .svg.
        axes: Names of the axes, at least three.
        series: Name of a series → one value per axis; NaN leaves a gap.
        title: Title above the plot; default: none.
    """
    with _drawing(path, (8, 6)) as figure:
        angles = [2 * math.pi * i / len(axes) for i in range(len(axes))]
        plot: Any = figure.add_subplot(projection="polar")
        plot.set_theta_offset(math.pi / 2)
        plot.set_theta_direction(-1)
        plot.set_xticks(angles, axes, fontsize=12)
        plot.set_ylim(0, 1)
        plot.set_yticks([0.2, 0.4, 0.6, 0.8, 1.0])
        plot.tick_params(axis="x", pad=20)
        plot.tick_params(axis="y", labelsize=8, labelcolor="#555555")
        plot.set_rlabel_position(180 / len(axes))
        for (name, values), style in zip(series.items(), _styles(), strict=False):
            closed = [*values, values[0]]
            plot.plot([*angles, angles[0]], closed, label=name, linewidth=2, **style)
            if len(series) == 1:
                plot.fill(angles, values, color=style["color"], alpha=0.15)
        figure.legend(loc="outside lower center", ncols=2, fontsize=9)
        figure.suptitle(title)


def bars(
    path: Path, groups: Sequence[str], series: Mapping[str, Sequence[Bar]], *, label: str
) -> None:
    """Bar plot: groups of bars with intervals, one bar per series in each group.

    Args:
        path: File to write; its name ends in .png or .svg.
        groups: Names of the groups.
        series: Name of a series → one bar per group.
        label: Label of the axis of values.
    """
    with _drawing(path, (max(6, 1.1 * len(groups)), 4.5)) as figure:
        plot: Any = figure.subplots()
        width = 0.8 / len(series)
        for i, ((name, values), style) in enumerate(zip(series.items(), _styles(), strict=False)):
            places = [x + (i - (len(series) - 1) / 2) * width for x in range(len(groups))]
            heights = [bar.value for bar in values]
            plot.bar(places, heights, width * 0.92, label=name, color=style["color"])
            limits = [(x, b) for x, b in zip(places, values, strict=True) if b.low is not None]
            for x, bar in limits:
                plot.vlines(x, bar.low, bar.high, color="#333333", linewidth=1.2)
        # Japanese has no spaces at which to break; seven characters are as wide as a group.
        names = [name if name.isascii() else textwrap.fill(name, 7) for name in groups]
        plot.set_xticks(range(len(groups)), names)
        plot.set_ylabel(label)
        plot.set_ylim(bottom=0)
        plot.grid(axis="y", alpha=0.3)
        plot.set_axisbelow(True)
        if len(series) > 1:
            figure.legend(loc="outside upper center", ncols=3, fontsize=9)


def quality_over_latency(path: Path, points: Sequence[Point], *, quality: str) -> None:
    """Scatter plot of quality over latency; a line connects the Pareto-optimal configurations.

    Args:
        path: File to write; its name ends in .png or .svg.
        points: Configurations, at least one.
        quality: Label of the quality axis.
    """
    with _drawing(path, (8, 5)) as figure:
        plot: Any = figure.subplots()
        best = best_points(points)
        rest = [point for point in points if point not in best]
        plot.scatter([p.latency_s for p in rest], [p.quality for p in rest], color="#999999")
        xs, ys = [p.latency_s for p in best], [p.quality for p in best]
        plot.plot(
            xs,
            ys,
            "o-",
            color=_COLORS[0],
            label=in_language("これより速くて良いものがない設定", "Pareto-optimal configurations"),
        )
        for point in points:
            plot.annotate(
                point.label, (point.latency_s, point.quality), fontsize=8,
                xytext=(5, 4), textcoords="offset points",
            )  # fmt: skip
        plot.set_xlabel(in_language("1問の時間の中央値（秒）", "median time of a question (s)"))
        plot.set_ylabel(quality)
        plot.grid(alpha=0.3)
        plot.margins(x=0.18, y=0.12)
        plot.legend(fontsize=9, loc="best")


def best_points(points: Sequence[Point]) -> list[Point]:
    """The Pareto-optimal points, fastest first.

    For each of them, no other point is at least as good in latency and quality and better in one.
    """
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.latency_s, -p.quality)):
        if not best or point.quality > best[-1].quality:
            best.append(point)
    return best


def japanese_font() -> str:
    """Name of a font with Japanese characters: a system font, or else that of matplotlib-fontja.

    Raises:
        MissingDependencyError: Neither is installed.
    """
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    system_font = next((name for name in _FONTS if name in installed), None)
    if system_font:
        return system_font
    # Importing matplotlib-fontja would change matplotlib's settings for the whole process.
    package = importlib.util.find_spec("matplotlib_fontja")
    if package is None or package.origin is None:
        raise MissingDependencyError(
            "No font with Japanese characters was found. Install one (Noto Sans CJK JP), or run "
            'pip install "langchain-swallow[plots]".'
        )
    font_manager.fontManager.addfont(Path(package.origin).parent / "fonts" / "ipaexg.ttf")
    return "IPAexGothic"


def require_matplotlib() -> None:
    """Check before a long measurement that plots can be drawn.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            'Plots need matplotlib: pip install "langchain-swallow[plots]".'
        ) from error


def why_not_drawn() -> str | None:
    """What is missing for plots, and how to install it; `None` if nothing is missing."""
    try:
        require_matplotlib()
        japanese_font()
    except MissingDependencyError as error:
        return str(error)
    return None


def check_plot(path: Path) -> None:
    """Check before a long measurement that its plot can be drawn and saved.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        EvaluationError: The file extension is not a supported format, or the folder does not exist.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    formats = sorted(Figure().canvas.get_supported_filetypes())
    if path.suffix.lower().removeprefix(".") not in formats:
        raise EvaluationError(
            f"Cannot draw a plot into {str(path)!r}: the file extension must be one of "
            f"{', '.join(formats)}."
        )
    if not path.parent.is_dir():
        raise EvaluationError(f"{str(path.parent)!r} is not a folder. Create it first.")


@contextmanager
def _drawing(path: Path, size: tuple[float, float]) -> Iterator["Figure"]:
    """Yield a figure with a Japanese font, and save it at the end."""
    check_plot(path)
    import matplotlib
    from matplotlib.figure import Figure

    # Latin letters use the Japanese font too, so that names in both scripts look uniform.
    settings = {"font.family": japanese_font(), "axes.unicode_minus": False}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        # The file contains no date, so that the same values make the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=150, metadata=metadata)


def _styles() -> Iterator[dict[str, Any]]:
    lines = ("-", "--", "-.", ":")
    i = 0
    while True:
        dashes = lines[i // len(_COLORS) % len(lines)] if i >= len(_COLORS) else lines[i % 2]
        yield {"color": _COLORS[i % len(_COLORS)], "linestyle": dashes}
        i += 1
