"""Figures of a patch's maps and of the tests of these maps.

The figures use matplotlib's object interface only: no window, no global state.
"""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.attention.captions import caption, choice_words
from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.knockout import KnockoutEffects
from napari_vit_tfm.attention.overlay import TIMES, Picture
from napari_vit_tfm.attention.patch import (
    CHOSEN,
    EVIDENCE_WORDS,
    Evidence,
    Map,
    PatchFindings,
)
from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.plain_text import for_figure
from napari_vit_tfm.plotting import COLOURS, GREY
from napari_vit_tfm.units import unit_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage

_DECADES = 3
"""Decades that the logarithmic colour scale of the evidence spans."""

_EVIDENCE_TITLES: dict[Evidence, tuple[str, str]] = {
    "influence": (
        "influence: sensitivity of the patch's\ntraction to displacements",
        "t/E per grid step",
    ),
    "reference": (
        "physical reference: displacement of the\ngel by a force in the patch",
        "grid steps per t/E",
    ),
    "knockout": (
        "knock-out: change of the traction\nwithout attention to each patch",
        "relative change of the traction",
    ),
}
"""Title and unit."""

_CURVES = {
    "influence": (EVIDENCE_WORDS["influence"], COLOURS[1], "s"),
    "reference": (EVIDENCE_WORDS["reference"], COLOURS[2], "^"),
    "knockout": (EVIDENCE_WORDS["knockout"], COLOURS[3], "D"),
}
"""Label, colour and marker."""

_WIDTH = 11.0
_TEXT = 8
_CHOSEN_PATCH = "#ff4d9d"
_BLOCK_WIDTH = 0.86
"""Width of a block's bar; the distance between blocks is 1."""


def findings_figure(findings: PatchFindings) -> Figure:
    """Draw all results for a patch on one page.

    Parameters
    ----------
    findings : PatchFindings
        The results.

    Returns
    -------
    matplotlib.figure.Figure
        Top: the map shown, over the field, with the displacements as arrows; for
        a method with attention also the maps of all blocks. Below, if computed:
        influence, physical reference, the rank correlation of the maps with the
        evidence, and the faithfulness curve; and the map and the effects of knock-out.

    Raises
    ------
    FieldError
        If the map shown has not been computed.
    """
    from matplotlib.figure import Figure

    drawn = findings.picture()
    if drawn is None:
        raise FieldError(
            f"{findings.frame.model}: the map to draw has not been computed; "
            "compute the influence first"
        )
    aspect = findings.frame.grid.field_shape[0] / findings.frame.grid.field_shape[1]
    lines = textwrap.wrap(caption(findings), 135)
    heights = [0.2 * len(lines) + 0.1, 4.9 * aspect + 1.2]
    rows = [_draw_evidence] if findings.evidence or findings.faithfulness else []
    if findings.effects is not None:
        rows.append(_draw_knockout)
    heights += [max(2.3 * aspect, 1.2) + 1.0] * len(rows)
    figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
    heading, above, *below = parts[:, 0]
    heading.text(0.01, 0.95, for_figure("\n".join(lines)), va="top", fontsize=_TEXT + 2)
    if findings.attention is None:
        _draw_overlay(above, findings, drawn)
    else:
        left, right = above.subfigures(1, 2, width_ratios=[1, 1.15])
        _draw_overlay(left, findings, drawn)
        _draw_gallery(right, findings)
    for part, draw in zip(below, rows, strict=True):
        draw(part, findings)
    return figure


def _draw_overlay(figure: SubFigure, findings: PatchFindings, drawn: Picture) -> None:
    """Draw the map shown over the field, with the displacements as arrows."""
    style = DisplayConfig()
    is_weights = findings.view.kind == "weights"
    axes = figure.subplots()
    low, high = drawn.limits
    image = axes.imshow(
        drawn.data,
        cmap=style.attention_colormap if is_weights else style.displacement_colormap,
        vmin=low,
        vmax=high,
        origin="upper",
    )
    if is_weights:
        _draw_arrows(axes, findings.frame.displacement, style.arrow_stride)
    _outline(axes, findings.frame.grid, findings.patch, 2.0)
    _remove_ticks(axes)
    _scale_bar(axes, findings.frame.grid.field_shape, findings.frame.field.spacing_um)
    extend = "max" if np.nanmax(drawn.data) > high else "neither"
    _colour_bar(figure, image, axes, drawn.title, extend=extend)
    name = (
        f"block {findings.view.block + 1}"
        if findings.view.evidence is None
        else EVIDENCE_WORDS[findings.view.evidence]
    )
    arrows = ", arrows: displacement" if is_weights else ""
    axes.set_title(f"{name} over the field{arrows}", fontsize=_TEXT + 1)


def _draw_gallery(figure: SubFigure, findings: PatchFindings) -> None:
    """Draw the chosen map of every block, patch by patch, on one colour scale."""
    assert findings.attention is not None
    title = choice_words(findings.view.choice, findings.attention.n_heads)
    figure.suptitle(title, fontsize=_TEXT + 1)
    blocks = findings.blocks
    columns = math.ceil(math.sqrt(len(blocks)))
    rows = math.ceil(len(blocks) / columns)
    grid = figure.subplots(rows, columns, squeeze=False)
    to_maximum = findings.view.scale == "peak"
    image = None
    for axes in grid.flat[len(blocks) :]:
        axes.set_axis_off()
    for block, axes in zip(blocks, grid.flat, strict=False):
        weights = findings.map(block)
        image = _draw_patches(
            axes,
            findings,
            weights / weights.max() if to_maximum else weights * weights.size,
            cmap=DisplayConfig().attention_colormap,
            vmin=0,
            vmax=1 if to_maximum else findings.shares_shown,
        )
        shown = findings.view.evidence is None and block == findings.view.block
        axes.set_title(
            f"block {block + 1}" + (" (shown left)" if shown else ""),
            fontsize=_TEXT,
            fontweight="bold" if shown else "normal",
        )
    assert image is not None
    n_patches = findings.map(0).size
    values = (
        "fraction of each map's maximum"
        if to_maximum
        else f"{TIMES} uniform attention (1/{n_patches})"
    )
    extend = "neither" if to_maximum else "max"
    _colour_bar(figure, image, list(grid.flat), values, extend=extend)


def _draw_evidence(figure: SubFigure, findings: PatchFindings) -> None:
    """Draw influence and reference, the rank correlations and the faithfulness."""
    known = [name for name in findings.evidence if name != "knockout"]
    has_attention = findings.attention is not None
    has_correlations = has_attention and bool(findings.evidence)
    n_plots = int(has_correlations) + int(findings.faithfulness is not None)
    panels = list(
        figure.subplots(
            1,
            len(known) + n_plots,
            squeeze=False,
            width_ratios=[1.0] * len(known) + [1.15] * n_plots,
        ).flat
    )
    for evidence in known:
        _draw_evidence_map(figure, panels.pop(0), findings, evidence)
    if has_correlations:
        _draw_correlations(panels.pop(0), findings)
    if findings.faithfulness is not None:
        first = f"block {findings.view.block + 1}" if has_attention else "influence"
        _draw_faithfulness(panels.pop(0), findings.faithfulness, first)


def _draw_knockout(figure: SubFigure, findings: PatchFindings) -> None:
    """Draw the map of knock-out, and the changes for all blocks and heads."""
    assert findings.effects is not None
    left, right = figure.subplots(1, 2, width_ratios=[1, 2.4])
    _draw_evidence_map(figure, left, findings, "knockout")
    draw_effects(right, findings.effects, colour=_CURVES["knockout"][1])
    right.set_xlabel("block", fontsize=_TEXT)
    right.set_ylabel("change of the traction (%)", fontsize=_TEXT)
    right.set_title(
        "change of the traction with uniform attention of the patch", fontsize=_TEXT
    )
    _style_axes(right, legend="upper right")


def draw_effects(axes: Axes, effects: KnockoutEffects, *, colour: str) -> None:
    """Draw the effects of knock-out as bars: blocks, and their heads in front of them.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes; labels and title are left to the caller.
    effects : KnockoutEffects
        The changes; drawn in percent.
    colour : str, keyword-only
        Colour of the heads.
    """
    n_blocks, n_heads = effects.heads.shape
    blocks = np.arange(1, n_blocks + 1)
    width = _BLOCK_WIDTH / n_heads
    axes.bar(
        *(blocks, 100 * effects.blocks, _BLOCK_WIDTH),
        color="0.75",
        label="all heads of the block",
    )
    first = blocks - (_BLOCK_WIDTH - width) / 2
    axes.bar(
        (first[:, np.newaxis] + width * np.arange(n_heads)).ravel(),
        100 * effects.heads.ravel(),
        0.8 * width,
        color=colour,
        label=f"each of the {n_heads} heads alone",
    )
    axes.set_xticks(blocks)
    # Room for the legend.
    axes.set_ylim(0, 1.25 * (100 * max(effects.blocks.max(), effects.heads.max()) or 1))


def _draw_evidence_map(
    figure: SubFigure, axes: Axes, findings: PatchFindings, evidence: Evidence
) -> None:
    """Draw influence, reference or knock-out, patch by patch."""
    map_, (title, unit) = findings.evidence[evidence], _EVIDENCE_TITLES[evidence]
    image = _draw_patches(axes, findings, map_, **_log_colours(map_))
    weight = "bold" if evidence == findings.view.evidence else "normal"
    axes.set_title(title, fontsize=_TEXT, fontweight=weight)
    _colour_bar(figure, image, axes, unit, extend="min")


def _draw_patches(
    axes: Axes, findings: PatchFindings, values: Map, **colours: Any
) -> AxesImage:
    """Draw one value per patch, each patch at its place on the field."""
    grid = findings.frame.grid
    x = np.array([grid.bounds(0, c)[0] for c in range(grid.columns)])
    y = np.array([grid.bounds(r, 0)[1] for r in range(grid.rows)])
    height, width = grid.field_shape
    # Index of the patch that each node belongs to; the last patch may be cut.
    rows = np.searchsorted(y, np.arange(height), side="right") - 1
    columns = np.searchsorted(x, np.arange(width), side="right") - 1
    image = axes.imshow(
        values[np.ix_(rows, columns)],
        origin="upper",
        interpolation="nearest",
        **colours,
    )
    _outline(axes, grid, findings.patch, 1.2)
    _remove_ticks(axes)
    return image


def _draw_correlations(axes: Axes, findings: PatchFindings) -> None:
    ordinals = [block + 1 for block in findings.blocks]
    for name, map_ in findings.evidence.items():
        label, colour, marker = _CURVES[name]
        values = findings.correlations(map_)
        axes.plot(ordinals, values, color=colour, marker=marker, ms=4, label=label)
    axes.axhline(0, color=GREY, lw=0.8, ls=":")
    axes.set_ylim(-1, 1)
    axes.set_xticks(ordinals)
    axes.set_xlabel("block", fontsize=_TEXT)
    axes.set_ylabel("rank correlation", fontsize=_TEXT)
    axes.set_title("rank correlation of the map\nwith the measures", fontsize=_TEXT)
    _style_axes(axes)


def _draw_faithfulness(axes: Axes, found: Faithfulness, first: str) -> None:
    percent = 100 * found.shares
    low, high = found.random.min(axis=0), found.random.max(axis=0)
    axes.fill_between(percent, low, high, color="0.85", lw=0)
    axes.plot(percent, found.random.mean(axis=0), "--", color=GREY, label="random")
    styles = {CHOSEN: (first, COLOURS[0], "o"), **_CURVES}
    for name, changes in found.changes.items():
        label, colour, marker = styles[name]
        axes.plot(percent, changes, color=colour, marker=marker, ms=3, label=label)
    # The upper third is left free for the legend.
    axes.set_ylim(
        0, 1.5 * max(found.random.max(), *map(np.max, found.changes.values()))
    )
    axes.set_xlabel("other patches hidden (%)", fontsize=_TEXT)
    axes.set_ylabel("relative change of the traction", fontsize=_TEXT)
    axes.set_title(
        f"faithfulness: area over random {found.advantage(CHOSEN):+.2f}\n"
        f"(standard deviation of random orders {found.spread:.2f})",
        fontsize=_TEXT,
    )
    _style_axes(axes, legend="upper left")


def _log_colours(map_: Map) -> dict[str, Any]:
    from matplotlib.colors import LogNorm

    peak = float(map_.max()) or 1.0
    norm = LogNorm(peak / 10**_DECADES, peak, clip=True)
    return {"cmap": DisplayConfig().displacement_colormap, "norm": norm}


def _draw_arrows(
    axes: Axes, displacement: npt.NDArray[np.floating], stride: int
) -> None:
    style = DisplayConfig()
    height, width = displacement.shape[:2]
    # Limit the number of arrows so that they can be told apart on the page.
    stride = max(stride, math.ceil(max(height, width) / 35))
    y, x = np.mgrid[stride // 2 : height : stride, stride // 2 : width : stride]
    vectors = displacement[y, x]
    longest = float(np.nan_to_num(_length(vectors)).max())
    if longest == 0:
        return
    scale = style.longest_arrow * stride / longest
    axes.quiver(
        x,
        y,
        vectors[..., 0] * scale,
        vectors[..., 1] * scale,
        angles="xy",
        scale_units="xy",
        scale=1,
        color="white",
        width=0.0025,
        alpha=0.8,
    )


def _outline(
    axes: Axes, grid: PatchGrid, patch: tuple[int, int], line_width: float
) -> None:
    from matplotlib.patches import Rectangle

    x0, y0, x1, y1 = grid.bounds(*patch)
    axes.add_patch(
        Rectangle(
            (x0, y0), x1 - x0, y1 - y0, fill=False, ec=_CHOSEN_PATCH, lw=line_width
        )
    )


def _scale_bar(axes: Axes, shape: tuple[int, int], spacing_um: float | None) -> None:
    """Draw a scale bar below the field, about a fifth as long as the field."""
    unit = unit_label("grid" if spacing_um is None else "um")
    step = spacing_um or 1.0
    length = _round_number((shape[1] - 1) * step / 5)
    y = shape[0] - 0.5 + 0.025 * shape[0]
    axes.plot([0, length / step], [y, y], color="black", lw=3, clip_on=False)
    axes.text(
        length / step + 0.02 * shape[1],
        y,
        f"{length:g} {unit}",
        va="center",
        fontsize=_TEXT,
    )
    axes.set_xlim(-0.5, shape[1] - 0.5)
    axes.set_ylim(shape[0] - 0.5, -0.5)


def _round_number(value: float) -> float:
    """Round down to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= value)


def _colour_bar(
    figure: SubFigure, image: AxesImage, axes: Any, label: str, *, extend: str
) -> None:
    """Add a colour bar, with a pointed end where values lie beyond it."""
    bar = figure.colorbar(
        image,
        ax=axes,
        orientation="horizontal",
        extend=extend,
        shrink=0.7,
        aspect=30,
        pad=0.06,
    )
    bar.set_label(label, fontsize=_TEXT)
    bar.ax.tick_params(labelsize=_TEXT)


def _style_axes(
    axes: Axes, *, legend: Literal["best", "upper left", "upper right"] = "best"
) -> None:
    axes.tick_params(labelsize=_TEXT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=_TEXT - 1, frameon=False, loc=legend)


def _remove_ticks(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])


def _length(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    lengths: npt.NDArray[np.floating] = np.hypot(vectors[..., 0], vectors[..., 1])
    return lengths
