"""Lines of the plot: a quantity of all cells and tractions, or its changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from napari_vit_tfm.napari.quantities.drawing import colour_of
from napari_vit_tfm.napari.quantities.measured import Measured, MeasuredTractions
from napari_vit_tfm.napari.quantities.plot import Line
from napari_vit_tfm.quantities import Interval
from napari_vit_tfm.quantities.intervals import ENDS

_STYLES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v")
"""Line styles and markers of tractions. 20 tractions have different ones."""

_UNKNOWN = Interval(math.nan, math.nan, math.nan, math.nan)

Point = tuple[float, Interval]
Points = Mapping[tuple[int, int], Point]
"""Value and interval by frame and cell."""


def lines_of_values(measured: Measured, column: str) -> list[Line]:
    """A quantity over time, with its intervals.

    Parameters
    ----------
    measured : Measured
        The quantities.
    column : str
        Its column.
    """

    def points(one: MeasuredTractions) -> Points:
        return {
            (row.frame, row.cell): (
                row.values[column],
                row.intervals.get(column, _UNKNOWN),
            )
            for row in one.rows
        }

    return _lines(measured, points)


def lines_of_changes(measured: Measured, column: str) -> list[Line]:
    """Changes of a quantity from the frame before, with their intervals.

    Parameters
    ----------
    measured : Measured
        The quantities.
    column : str
        Its column.
    """

    def points(one: MeasuredTractions) -> Points:
        found = ((key.frame, key.cell, key.changes.get(column)) for key in one.changes)
        return {
            (frame, cell): (change.value, change.interval)
            for frame, cell, change in found
            if change is not None
        }

    return _lines(measured, points)


def _lines(
    measured: Measured, points_of: Callable[[MeasuredTractions], Points]
) -> list[Line]:
    """Lines of all cells and tractions, with gaps in frames without a value.

    Cells have colours, those of their regions; if there is only one, tractions have.
    """
    has_cells = len({row.cell for one in measured.tractions for row in one.rows}) > 1
    lines = []
    for number, (name, one) in enumerate(
        zip(measured.names, measured.tractions, strict=True)
    ):
        frames, points = tuple(range(one.n_frames)), points_of(one)
        for cell in sorted({row.cell for row in one.rows}):
            own = [points.get((frame, cell), (math.nan, _UNKNOWN)) for frame in frames]
            ends = (tuple(getattr(x, end) for _, x in own) for end in ENDS)
            lines.append(
                Line(
                    cell=f"cell {cell}",
                    tractions=name,
                    colour=colour_of(cell if has_cells else number + 1),
                    style=_STYLES[number % len(_STYLES)],
                    marker=_MARKERS[number % len(_MARKERS)],
                    frames=frames,
                    values=tuple(value for value, _ in own),
                    ends=tuple(ends),
                )
            )
    return lines
