"""Figures of a comparison of methods.

They use matplotlib objects only, without windows and global state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vit_tfm.benchmark.evaluate import MethodScores
from napari_vit_tfm.benchmark.kinds import KindScores
from napari_vit_tfm.benchmark.solvers import ZERO
from napari_vit_tfm.config import ORACLE, DisplayConfig
from napari_vit_tfm.fields import FloatArray
from napari_vit_tfm.plain_text import for_figure
from napari_vit_tfm.plotting import COLOURS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_PANEL = 1.75
"""Width of the panel of a field, in inches."""

_LARGEST_FACTOR = 8
"""Largest upper limit of the colour scale of ratios."""

_CLEAN_GAP = 0.8
"""Distance of clean fields from the lowest noise level on the axis, in decades."""


def error_figure(results: Sequence[MethodScores], *, n_fields: int) -> Figure:
    """Plot the mean sum of squared errors of every method against the noise.

    Parameters
    ----------
    results : sequence of MethodScores
        The scores. Predicting zero is drawn as a dashed line.
    n_fields : int, keyword-only
        Number of fields, for the label.

    Returns
    -------
    matplotlib.figure.Figure
        Both axes are logarithmic. Clean fields are drawn separately on the left.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.subplots()
    positions = _noise_positions(sorted(results[0].samples))
    ends = {}
    styles = _styles(results)
    for result in results:
        means = {s: v["sum_of_squared_errors"] for s, v in result.noise.items()}
        levels = sorted(means)
        # A logarithmic axis cannot show an error of zero.
        y = np.array([means[sigma] or np.nan for sigma in levels])
        x = np.array([positions[sigma] for sigma in levels])
        colour, marker, dashes = styles[result.name]
        noisy = np.array(levels) > 0
        axes.plot(x[noisy], y[noisy], dashes, color=colour, marker=marker, ms=5)
        axes.plot(x[~noisy], y[~noisy], color=colour, marker=marker, ms=5, ls="")
        if not noisy.all():
            axes.plot(x[:2], y[:2], ":", color=colour, lw=0.8, zorder=1)
        if np.isfinite(y[-1]):
            ends[result.name] = float(y[-1])
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    _noise_axis(axes, positions)
    of = "one field" if n_fields == 1 else f"mean of {n_fields} fields"
    axes.set_ylabel(f"sum of squared errors of t/E, {of}")
    axes.grid(axis="y", which="major", color="0.9")
    _name_ends(axes, max(positions.values()), ends, styles)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def fields_figure(
    displacement: Mapping[float, FloatArray],
    truth: FloatArray,
    results: Sequence[MethodScores],
) -> Figure:
    """Draw the displacement, the known and all reconstructed tractions of one field.

    Parameters
    ----------
    displacement : mapping of float to array of shape (H, W, 2)
        Displacement at each noise level, as a fraction of the field width.
    truth : array of shape (H, W, 2)
        Known traction ``t / E``.
    results : sequence of MethodScores
        Scores with examples of this field.

    Returns
    -------
    matplotlib.figure.Figure
        Two rows per noise level: the magnitudes, and the magnitudes of the errors. All
        tractions have the colour scale of the known traction.
    """
    from matplotlib.figure import Figure

    shown = [result for result in results if result.name != ZERO]
    n_columns, n_rows = 2 + len(shown), 2 * len(displacement)
    height, width = truth.shape[:2]
    panel = np.array([_PANEL, _PANEL * height / width + 0.22])
    size = panel * (n_columns, n_rows) + (0.3, 0.3)
    figure = Figure(figsize=(float(size[0]), float(size[1])), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    limits = (
        max(float(_magnitude(noisy).max()) for noisy in displacement.values()) or 1.0,
        float(_magnitude(truth).max()) or 1.0,
    )
    for level, (sigma, noisy) in enumerate(displacement.items()):
        upper, lower = grid[2 * level], grid[2 * level + 1]
        examples = {result.name: result.examples[sigma] for result in shown}
        images = _draw_level(upper, lower, noisy, truth, examples, limits)
        upper[0].set_ylabel("clean" if sigma == 0 else f"sigma {sigma:g}")
        if level == 0:
            label = "displacement\n(field widths)"
            _colour_bar(figure, lower[0], images[0], label, exceeded=False)
            label = "traction, error\n(t/E)"
            _colour_bar(figure, lower[1], images[1], label, exceeded=True)
    for axes, name in zip(
        grid[0], ["displacement", "truth", *(r.name for r in shown)], strict=True
    ):
        axes.set_title(for_figure(name), fontsize=9)
    return figure


def kinds_figure(scores: KindScores) -> Figure:
    """Draw the error of a method relative to the best classical method.

    Parameters
    ----------
    scores : KindScores
        Scores of any kinds and noise levels.

    Returns
    -------
    matplotlib.figure.Figure
        A map of the ratios: a row for each kind, a column for each noise level. The
        colour scale is logarithmic and centred on 1.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator

    ratios = scores.ratios()
    values = np.array([[ratios[k, n] for n in scores.noises] for k in scores.kinds])
    farthest = float(np.exp(np.abs(np.log(values)).max()))
    factor = float(np.clip(farthest, 2, _LARGEST_FACTOR))
    size = 2.8 + 0.75 * values.shape[1], 1.5 + 0.36 * values.shape[0]
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(
        values, norm=LogNorm(1 / factor, factor), cmap="PuOr_r", aspect="auto"
    )
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = image.to_rgba(value)
        is_dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5
        axes.annotate(
            f"{value:.2f}",
            (column, row),
            ha="center",
            va="center",
            fontsize=9,
            color="white" if is_dark else "black",
            fontweight="bold" if value > 1 else "normal",
        )
    axes.set_xticks(
        range(len(scores.noises)),
        [noise.replace(" ", "\n") for noise in scores.noises],
    )
    axes.set_yticks(range(len(scores.kinds)), scores.kinds)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("noise (fraction of the root mean square of the field)")
    bar = figure.colorbar(image, extend="both" if farthest > factor else "neither")
    bar.set_label(f"error of {scores.method} / error of the best classical method")
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.minorticks_off()
    return figure


def _draw_level(
    upper: Any,
    lower: Any,
    displacement: FloatArray,
    truth: FloatArray,
    examples: Mapping[str, FloatArray],
    limits: tuple[float, float],
) -> list[AxesImage]:
    """Draw two rows, and return one image of displacements and one of tractions."""
    style = DisplayConfig()
    of_displacement = _show(
        upper[0], displacement, style.displacement_colormap, limits[0]
    )
    colours = style.magnitude_colormap
    of_traction = _show(upper[1], truth, colours, limits[1])
    for axes in lower[:2]:
        axes.set_axis_off()
    power = float(np.square(truth, dtype=np.float64).sum())
    for above, below, found in zip(
        upper[2:], lower[2:], examples.values(), strict=True
    ):
        _show(above, found, colours, limits[1])
        _show(below, found - truth, colours, limits[1])
        error = float(np.square(found - truth, dtype=np.float64).sum())
        percent = _three_digits(100 * error / power) if power > 0 else "-"
        below.set_xlabel(f"squared error {error:.3g} ({percent}%)", fontsize=8)
    if examples:
        lower[2].set_ylabel("error", fontsize=9)
    return [of_displacement, of_traction]


def _show(axes: Axes, vectors: FloatArray, colours: str, limit: float) -> AxesImage:
    axes.set_xticks([])
    axes.set_yticks([])
    return axes.imshow(
        _magnitude(vectors),
        cmap=colours,
        vmin=0,
        vmax=limit,
        origin="upper",
        interpolation="nearest",
    )


def _colour_bar(
    figure: Figure, axes: Axes, image: AxesImage, label: str, *, exceeded: bool
) -> None:
    """Draw a colour bar into an empty panel."""
    bar = figure.colorbar(
        image,
        cax=axes.inset_axes((0.05, 0.75, 0.9, 0.08)),
        orientation="horizontal",
        extend="max" if exceeded else "neither",
    )
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.ax.locator_params(nbins=4)


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def _magnitude(vectors: FloatArray) -> FloatArray:
    lengths: FloatArray = np.hypot(vectors[..., 0], vectors[..., 1])
    return lengths


def _styles(results: Sequence[MethodScores]) -> dict[str, tuple[str, str, str]]:
    """Colour, marker and line style of every method."""
    styles = {}
    for number, result in enumerate(results):
        if result.name == ZERO:
            styles[ZERO] = GREY, "", "--"
        else:
            colour = COLOURS[number % len(COLOURS)]
            dashes = "-." if result.name == ORACLE else "-"
            styles[result.name] = colour, _MARKERS[number % len(_MARKERS)], dashes
    return styles


def _noise_positions(sigmas: Sequence[float]) -> dict[float, float]:
    """Decades of the noise levels; clean fields are left of the lowest level."""
    positions = {sigma: float(np.log10(sigma)) for sigma in sigmas if sigma > 0}
    if 0 in sigmas:
        positions[0.0] = min(positions.values(), default=0.0) - _CLEAN_GAP
    return positions


def _noise_axis(axes: Axes, positions: Mapping[float, float]) -> None:
    levels = sorted(positions)
    axes.set_xticks(
        [positions[sigma] for sigma in levels],
        ["clean" if sigma == 0 else f"{sigma:g}" for sigma in levels],
    )
    axes.set_xlabel("noise sigma (fraction of the field width)")
    low, high = min(positions.values()), max(positions.values())
    axes.set_xlim(low - 0.15, high + 0.15)


def _name_ends(
    axes: Axes,
    x: float,
    ends: Mapping[str, float],
    styles: Mapping[str, tuple[str, str, str]],
) -> None:
    """Write the name of every method at the end of its line, without overlap."""
    low, high = np.log10(axes.get_ylim())
    least = 0.055 * (high - low)
    names = sorted(ends, key=lambda name: ends[name])
    heights = _apart([float(np.log10(ends[name])) for name in names], least)
    for name, height in zip(names, heights, strict=True):
        axes.annotate(
            name,
            xy=(x, ends[name]),
            xytext=(x + 0.12, 10**height),
            va="center",
            annotation_clip=False,
            fontsize=9,
            arrowprops={"arrowstyle": "-", "color": styles[name][0], "lw": 1.2},
        )


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """Move ascending heights until they are at least `least` apart."""
    moved = np.array(heights, dtype=np.float64)
    for _ in range(100):
        gaps = np.diff(moved)
        close = np.flatnonzero(gaps < least * 0.999)
        if not close.size:
            break
        for lower in close:
            push = (least - (moved[lower + 1] - moved[lower])) / 2
            if push > 0:
                moved[lower] -= push
                moved[lower + 1] += push
    return [float(height) for height in moved]
