"""Moments of the forces about the centroid of the cell.

``M_ij = 1/2 sum (x_i f_j + x_j f_i)``. Inward forces have a negative trace; the net
moment is its opposite, so that a contracting cell has a positive one.
"""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.quantities.cell import Cell, FloatArray
from napari_vit_tfm.quantities.registry import quantity

_BUTLER = "J. P. Butler et al., Am. J. Physiol. Cell Physiol. 282, C595 (2002)"


@quantity(
    "torque",
    "moment",
    formula="sum (x t_y - y t_x) h^2 about the centroid; clockwise is positive",
    error="moment",
)
def torque(cell: Cell) -> float:
    """Torque about the centroid. Clockwise in an image is positive, since y is down."""
    (x, y), (f_x, f_y) = cell.positions, cell.forces
    return float((x * f_y - y * f_x).sum())


@quantity(
    "moment, xx",
    "moment",
    formula="M_xx = sum x t_x h^2",
    source=_BUTLER,
    error="moment",
)
def moment_xx(cell: Cell) -> float:
    """Moment of the forces along x about the centroid, along x."""
    return float((cell.positions[0] * cell.forces[0]).sum())


@quantity(
    "moment, xy",
    "moment",
    formula="M_xy = 1/2 sum (x t_y + y t_x) h^2",
    source=_BUTLER,
    error="moment",
)
def moment_xy(cell: Cell) -> float:
    """Mixed moment, the same for both orders of the axes."""
    (x, y), (f_x, f_y) = cell.positions, cell.forces
    return float((x * f_y + y * f_x).sum()) / 2


@quantity(
    "moment, yy",
    "moment",
    formula="M_yy = sum y t_y h^2",
    source=_BUTLER,
    error="moment",
)
def moment_yy(cell: Cell) -> float:
    """Moment of the forces along y about the centroid, along y."""
    return float((cell.positions[1] * cell.forces[1]).sum())


@quantity(
    "net contractile moment",
    "moment",
    formula="-(M_xx + M_yy); positive for a contracting cell",
    source=_BUTLER,
    error="moment",
)
def net_moment(cell: Cell) -> float:
    """Contractile moment; positive if the forces point inwards."""
    return -(moment_xx(cell) + moment_yy(cell))


@quantity(
    "major contractile moment",
    "moment",
    formula="opposite of the eigenvalue of M with the largest absolute value",
    error="moment",
)
def moment_major(cell: Cell) -> float:
    """Contractile moment along the main axis."""
    return -float(_principal(cell)[0][0])


@quantity(
    "minor contractile moment",
    "moment",
    formula="opposite of the other eigenvalue of M",
    error="moment",
)
def moment_minor(cell: Cell) -> float:
    """Contractile moment across the main axis."""
    return -float(_principal(cell)[0][1])


@quantity(
    "angle of the main axis",
    "angle",
    formula="angle of the eigenvector of the major moment to x, -90 to 90; clockwise "
    "is positive",
    error="angle",
)
def moment_angle(cell: Cell) -> float:
    """Angle between the main axis and x, in degrees; clockwise is positive."""
    values, (x, y) = _principal(cell)
    if not np.isfinite(values).all() or values[0] == values[1]:
        return np.nan
    angle = float(np.degrees(np.arctan2(y, x)))
    return (angle + 90) % 180 - 90


@quantity(
    "polarisation",
    "ratio",
    formula="|l1 - l2| / (|l1| + |l2|) of the eigenvalues of M",
    error="share",
)
def polarisation(cell: Cell) -> float:
    """From 0, the same along all axes, to 1, along one axis only."""
    first, second = _principal(cell)[0]
    size = abs(first) + abs(second)
    return float(abs(first - second) / size) if size > 0 else np.nan


def _principal(cell: Cell) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues, the larger absolute one first, and the eigenvector ``(x, y)``."""
    moments = np.array(
        [
            [moment_xx(cell), moment_xy(cell)],
            [moment_xy(cell), moment_yy(cell)],
        ]
    )
    values, vectors = np.linalg.eigh(moments)
    order = np.argsort(-np.abs(values), kind="stable")
    return values[order], vectors[:, order[0]]
