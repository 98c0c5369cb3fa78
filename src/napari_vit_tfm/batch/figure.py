"""A first look at a batch: cells and replicates of every condition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from napari_vit_tfm.plain_text import for_figure
from napari_vit_tfm.plotting import COLOURS, GREY
from napari_vit_tfm.quantities import QUANTITIES, SCALES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONDITION, REPLICATE = "condition", "replicate"
"""Columns of the table of experiments that the figure uses."""

SHOWN = ("strain_energy", "total_force", "net_moment", "traction_p95")
"""Quantities in the figure, without their units."""

_WIDTH = 0.32
"""Width over which the cells of a condition are spread."""

_BESIDE = 0.12
"""Distance of the replicates from each other."""

Cells = dict[str, dict[str, list[float]]]
"""Means over the frames of every cell, by condition and replicate."""


def draw_summary(rows: Sequence[Mapping[str, str]]) -> Figure | None:
    """Draw the cells of every condition, with the means of the replicates on top.

    Cells of one dish are not independent: the replicates are what a test compares.

    Parameters
    ----------
    rows : sequence of mapping of str to str
        Rows of the summary, from `summary_rows`.

    Returns
    -------
    Figure or None
        One panel for each of `SHOWN`; a grey dot is a cell, its mean over the frames,
        and a coloured diamond a replicate, the mean of its cells. None if there are
        no rows.
    """
    from matplotlib.figure import Figure

    columns = {
        column: words
        for column, words in _columns().items()
        if any(column in row for row in rows)
    }
    if not columns:
        return None
    figure = Figure(figsize=(3.2 * len(columns), 3.6), layout="constrained")
    axes = figure.subplots(1, len(columns), squeeze=False)[0]
    for panel, (column, words) in zip(axes, columns.items(), strict=True):
        _draw(panel, _cells(rows, column))
        panel.set_ylabel(words)
    return figure


def _columns() -> dict[str, str]:
    """Columns of the shown quantities in all units, with words for their axes."""
    found = {}
    for name in SHOWN:
        quantity = QUANTITIES[name]
        for scale in SCALES:
            unit = scale.unit(quantity.dimension)[0].replace("_", " ")
            found[quantity.column(scale)] = f"{quantity.words} ({unit})"
    return found


def _cells(rows: Sequence[Mapping[str, str]], column: str) -> Cells:
    frames: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    where: dict[tuple[str, str, str], str] = {}
    for row in rows:
        if row.get(column):
            replicate = row.get(REPLICATE) or ""
            cell = (row["experiment"], row["cell"], replicate)
            frames[cell].append(float(row[column]))
            where[cell] = row.get(CONDITION) or "all"
    found: Cells = defaultdict(lambda: defaultdict(list))
    for cell, values in frames.items():
        found[where[cell]][cell[2]].append(fmean(values))
    return found


def _draw(axes: Axes, cells: Cells) -> None:
    rng = np.random.default_rng(0)
    for place, replicates in enumerate(cells.values()):
        middle = (len(replicates) - 1) / 2
        for number, values in enumerate(replicates.values()):
            x = place + rng.uniform(-_WIDTH / 2, _WIDTH / 2, len(values))
            axes.plot(x, values, "o", ms=4, alpha=0.5, color=GREY, mec="none")
            if any(replicates):
                at = place + _BESIDE * (number - middle)
                colour = COLOURS[number % len(COLOURS)]
                axes.plot(at, fmean(values), "D", ms=7, color=colour, mec="white")
    axes.set_xticks(range(len(cells)), list(map(for_figure, cells)), rotation=20)
    axes.set_xlim(-0.6, len(cells) - 0.4)
    axes.spines[["top", "right"]].set_visible(False)
