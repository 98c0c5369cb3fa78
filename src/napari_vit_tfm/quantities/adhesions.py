"""Adhesions: connected nodes with tractions well above the noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.quantities.cell import Cell, FloatArray, Mask
from napari_vit_tfm.quantities.units import Dimension, Scale

CLEAR = 3.0
"""Magnitude of the traction of an adhesion, in standard deviations of the noise."""

LEAST_SHARE = 0.05
"""The same as a share of the largest traction of the cell."""

LEAST_NODES = 2
"""Fewest nodes of an adhesion."""

_COLUMNS: dict[str, tuple[Dimension, str]] = {
    "force": ("force", "sum of the magnitudes"),
    "force_x": ("force", "sum of the forces to the right"),
    "force_y": ("force", "sum of the forces downwards"),
    "direction": ("angle", "angle of the summed force to x; clockwise is positive"),
    "area": ("area", "number of nodes times h^2"),
    "traction_mean": ("traction", "mean of |t|"),
    "traction_max": ("traction", "largest |t|"),
    "x": ("length", "centre, weighted with |t|, from the first column"),
    "y": ("length", "centre, weighted with |t|, from the first row"),
    "distance_to_edge": (
        "length",
        "from the centre to the nearest edge of the cell; negative outside of it",
    ),
}
"""Numbers of an adhesion: their kind, and what they are."""


@dataclass(frozen=True, eq=False)
class Adhesion:
    """One adhesion.

    Parameters
    ----------
    frame, cell : int
        Number of the frame, from 0, and of the cell.
    number : int
        Number in its cell and frame, from 1, the strongest force first.
    values : dict of str to float
        Its numbers by column, with units, such as ``force_nN``.
    nodes : array of int, shape (N, 2)
        Rows and columns of its nodes.
    """

    frame: int
    cell: int
    number: int
    values: dict[str, float]
    nodes: npt.NDArray[np.int64]


def adhesion_columns(scale: Scale) -> dict[str, str]:
    """Columns of the table of adhesions, with their units, and what they are."""
    return {_column(name, scale): words for name, (_, words) in _COLUMNS.items()}


def adhesions_of(cell: Cell, *, threshold: float | None = None) -> Iterator[Adhesion]:
    """Adhesions of a cell, the one with the strongest force first.

    Parameters
    ----------
    cell : Cell
        The cell. Adhesions lie in its region.
    threshold : float, keyword-only, optional
        Smallest magnitude of the traction in an adhesion, in the unit of the tractions.
        None is `adhesion_threshold`.

    Yields
    ------
    Adhesion
        Connected nodes, also over corners, at least `LEAST_NODES`. ``force`` is the sum
        of the magnitudes, ``direction`` the angle of the summed force to x in degrees,
        clockwise, ``distance_to_edge`` that of the centre to the nearest edge of the
        cell, negative outside of it.
    """
    if threshold is None:
        threshold = adhesion_threshold(cell)
    magnitude = np.where(cell.nodes, cell.magnitude, 0.0)
    labels, n = scipy.ndimage.label(magnitude > threshold, structure=np.ones((3, 3)))
    numbers = np.arange(1, n + 1)
    sizes = scipy.ndimage.sum_labels(np.ones_like(magnitude), labels, numbers)
    forces = scipy.ndimage.sum_labels(magnitude, labels, numbers)
    to_edge = _distance_to_edge(cell.core)
    kept = [k for k in np.argsort(-forces, kind="stable") if sizes[k] >= LEAST_NODES]
    for number, k in enumerate(kept, start=1):
        where = labels == k + 1
        values = {
            _column(name, cell.scale): value * cell.scale.unit(_COLUMNS[name][0])[1]
            for name, value in _values(cell, where, to_edge).items()
        }
        nodes = np.argwhere(where)
        yield Adhesion(cell.frame, cell.number, number, values, nodes)


def adhesion_threshold(cell: Cell) -> float:
    """Smallest magnitude of the traction in an adhesion.

    Parameters
    ----------
    cell : Cell
        The cell.

    Returns
    -------
    float
        The larger of `CLEAR` times the noise of a component of the tractions, and
        `LEAST_SHARE` of the largest traction in the region, in the unit of the
        tractions. The noise is that of tractions which are reconstructed without force,
        if they are known, and else that of the tractions beyond the ring around the
        region.
    """
    if not cell.nodes.any():
        return np.inf
    strongest = float(cell.magnitude[cell.nodes].max())
    return max(CLEAR * _noise(cell), LEAST_SHARE * strongest)


def _noise(cell: Cell) -> float:
    """Standard deviation of a component of the tractions."""
    if cell.idle is not None:
        # The mean magnitude of a vector with normally distributed components.
        return float(cell.idle[cell.nodes].mean()) / math.sqrt(math.pi / 2)
    outside = cell.known & ~(cell.region | cell.ring)
    if not outside.any():
        return 0.0
    return math.sqrt(float(np.square(cell.traction[outside]).mean()))


def _values(cell: Cell, where: Mask, to_edge: FloatArray) -> dict[str, float]:
    magnitude = cell.magnitude[where]
    x, y = (float(part.sum()) * cell.area_of_node for part in cell.traction[where].T)
    row, column = (
        float((part * magnitude).sum() / magnitude.sum()) for part in np.nonzero(where)
    )
    return {
        "force": float(magnitude.sum()) * cell.area_of_node,
        "force_x": x,
        "force_y": y,
        "direction": float(np.degrees(np.arctan2(y, x))),
        "area": float(magnitude.size) * cell.area_of_node,
        "traction_mean": float(magnitude.mean()),
        "traction_max": float(magnitude.max()),
        "x": column * cell.spacing,
        "y": row * cell.spacing,
        "distance_to_edge": float(to_edge[round(row), round(column)]) * cell.spacing,
    }


def _distance_to_edge(core: Mask) -> FloatArray:
    """Distance of every node to the edge of the cell, in steps, negative outside.

    The edge lies half way between a node of the cell and one that is not. NaN if the
    whole field is the cell.
    """
    if core.all():
        return np.full(core.shape, np.nan)
    inside = scipy.ndimage.distance_transform_edt(core)
    outside = scipy.ndimage.distance_transform_edt(~core)
    return np.where(core, inside - 0.5, 0.5 - outside)


def _column(name: str, scale: Scale) -> str:
    unit, _ = scale.unit(_COLUMNS[name][0])
    return f"{name}_{unit}"
