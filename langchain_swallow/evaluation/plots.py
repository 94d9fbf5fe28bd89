"""Figures with Japanese labels, as PNG or SVG: radar, bars with intervals, quality over latency.

Letters are drawn as outlines in SVG, so that a figure looks the same without the font.
"""

import importlib.util
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow.errors import EvaluationError, MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Fonts of the systems, with all of JIS X 0208; else matplotlib-fontja's IPAexGothic.
_FONTS = (
    "Noto Sans CJK JP", "Noto Sans JP", "Source Han Sans JP", "IPAexGothic", "IPAGothic",
    "Hiragino Sans", "Hiragino Kaku Gothic ProN", "Yu Gothic", "Meiryo", "MS Gothic", "TakaoGothic",
)  # fmt: skip
# Okabe and Ito's colours, told apart by everyone; dark ones first.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999933")


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, with the limits of its interval where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A configuration in a plot of quality over latency."""

    label: str
    latency_s: float
    quality: float


def radar(
    path: Path, axes: Sequence[str], series: Mapping[str, Sequence[float]], *, title: str = ""
) -> None:
    """One closed line a series over axes around a circle, all from 0 to 1.

    Args:
        path: Ends in .png or .svg.
        axes: Names of the axes, at least three.
        series: A value for each axis by the name of the series; NaN leaves a gap.
        title: Above the figure.
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
    """Groups of bars with intervals, one bar a series.

    Args:
        path: Ends in .png or .svg.
        groups: Names below the axis.
        series: A bar for each group by the name of the series.
        label: Of the axis of values.
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
        # Japanese has no spaces to break at; seven letters are as wide as a group.
        names = [name if name.isascii() else textwrap.fill(name, 7) for name in groups]
        plot.set_xticks(range(len(groups)), names)
        plot.set_ylabel(label)
        plot.set_ylim(bottom=0)
        plot.grid(axis="y", alpha=0.3)
        plot.set_axisbelow(True)
        if len(series) > 1:
            figure.legend(loc="outside upper center", ncols=3, fontsize=9)


def quality_over_latency(path: Path, points: Sequence[Point], *, quality: str) -> None:
    """Configurations by latency and quality; a line joins those that nothing beats in both.

    Args:
        path: Ends in .png or .svg.
        points: At least one.
        quality: What the quality is, for the axis.
    """
    with _drawing(path, (8, 5)) as figure:
        plot: Any = figure.subplots()
        best = best_points(points)
        rest = [point for point in points if point not in best]
        plot.scatter([p.latency_s for p in rest], [p.quality for p in rest], color="#999999")
        xs, ys = [p.latency_s for p in best], [p.quality for p in best]
        plot.plot(xs, ys, "o-", color=_COLORS[0], label="これより速くて良いものがない設定")
        for point in points:
            plot.annotate(
                point.label, (point.latency_s, point.quality), fontsize=8,
                xytext=(5, 4), textcoords="offset points",
            )  # fmt: skip
        plot.set_xlabel("1問の時間の中央値（秒）")
        plot.set_ylabel(quality)
        plot.grid(alpha=0.3)
        plot.margins(x=0.18, y=0.12)
        plot.legend(fontsize=9, loc="best")


def best_points(points: Sequence[Point]) -> list[Point]:
    """Those for which no other is both at least as fast and better, or faster and as good."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.latency_s, -p.quality)):
        if not best or point.quality > best[-1].quality:
            best.append(point)
    return best


def japanese_font() -> str:
    """Name of a font with Japanese letters: the system's, else the one matplotlib-fontja carries.

    Raises:
        MissingDependencyError: There is none.
    """
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    found = next((name for name in _FONTS if name in installed), None)
    if found:
        return found
    # Importing it would change matplotlib's settings for the whole process.
    package = importlib.util.find_spec("matplotlib_fontja")
    if package is None or package.origin is None:
        raise MissingDependencyError(
            "No font with Japanese letters was found. Install one (Noto Sans CJK JP), or run "
            'pip install "langchain-swallow[plots]".'
        )
    font_manager.fontManager.addfont(Path(package.origin).parent / "fonts" / "ipaexg.ttf")
    return "IPAexGothic"


def require_matplotlib() -> None:
    """Find out before a long measurement whether figures can be drawn.

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
    """What is missing for drawing, and how to install it; `None` if nothing is."""
    try:
        require_matplotlib()
        japanese_font()
    except MissingDependencyError as error:
        return str(error)
    return None


def check_plot(path: Path) -> None:
    """Find out before a long measurement whether its figure can be drawn and saved.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        EvaluationError: The ending is of no format, or the folder does not exist.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    formats = sorted(Figure().canvas.get_supported_filetypes())
    if path.suffix.lower().removeprefix(".") not in formats:
        raise EvaluationError(
            f"Cannot draw a figure into {str(path)!r}: its ending must be one of "
            f"{', '.join(formats)}."
        )
    if not path.parent.is_dir():
        raise EvaluationError(f"{str(path.parent)!r} is not a folder. Make it first.")


@contextmanager
def _drawing(path: Path, size: tuple[float, float]) -> Iterator["Figure"]:
    """A figure that is saved at the end, in a Japanese font."""
    check_plot(path)
    import matplotlib
    from matplotlib.figure import Figure

    # Latin letters of the Japanese font, so that a name in both scripts is of one piece.
    settings = {"font.family": japanese_font(), "axes.unicode_minus": False}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        # No date inside: the same figures make the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=150, metadata=metadata)


def _styles() -> Iterator[dict[str, Any]]:
    lines = ("-", "--", "-.", ":")
    i = 0
    while True:
        dashes = lines[i // len(_COLORS) % len(lines)] if i >= len(_COLORS) else lines[i % 2]
        yield {"color": _COLORS[i % len(_COLORS)], "linestyle": dashes}
        i += 1
