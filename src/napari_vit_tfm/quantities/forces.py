"""Forces: their sum, their balance, and how they contract."""

from __future__ import annotations

import numpy as np
import scipy

from napari_vit_tfm.quantities.cell import Cell, FloatArray
from napari_vit_tfm.quantities.registry import quantity

_TOLIC = (
    "I. M. Tolic-Norrelykke et al., Am. J. Physiol. Cell Physiol. 283, C1254 (2002)"
)


@quantity("total force", "force", formula="sum |t| h^2 in the region")
def total_force(cell: Cell) -> float:
    """Sum of the magnitudes of all forces. Noise makes it larger."""
    return float(np.hypot(*cell.forces).sum())


@quantity(
    "total force, corrected",
    "force",
    formula="total force minus that which is reconstructed in the same region where "
    "there is no force",
)
def total_force_corrected(cell: Cell) -> float:
    """Total force without that which noise adds."""
    if cell.idle is None:
        return np.nan
    return total_force(cell) - float(cell.idle[cell.nodes].sum()) * cell.area_of_node


@quantity("net force, x", "force", formula="sum t_x h^2 in the region", error="force")
def net_force_x(cell: Cell) -> float:
    """Sum of the forces to the right."""
    return float(cell.forces[0].sum())


@quantity("net force, y", "force", formula="sum t_y h^2 in the region", error="force")
def net_force_y(cell: Cell) -> float:
    """Sum of the forces downwards."""
    return float(cell.forces[1].sum())


@quantity(
    "unbalanced share", "ratio", formula="|net force| / total force", error="share"
)
def unbalanced(cell: Cell) -> float:
    """Magnitude of the sum of the forces over the sum of their magnitudes."""
    total = total_force(cell)
    net = np.hypot(net_force_x(cell), net_force_y(cell))
    return float(net / total) if total > 0 else np.nan


@quantity(
    "contractility",
    "force",
    formula="largest sum of the forces' projections towards a point",
    source=_TOLIC,
)
def contractility(cell: Cell) -> float:
    """Sum of the projections of the forces towards the point where it is largest."""
    x, y = _best_node(cell)

    def negative(point: FloatArray) -> float:
        return -_projected(cell, point[0], point[1])

    reach = cell.spacing * np.array([[0.0, 0.0], [0.7, 0.0], [0.0, 0.7]])
    found = scipy.optimize.minimize(
        negative,
        (x, y),
        method="Nelder-Mead",
        options={
            "initial_simplex": np.array([x, y]) + reach,
            "maxiter": 60,
            "xatol": 0.01 * cell.spacing,
            "fatol": 1e-6 * total_force(cell),
        },
    )
    return max(-float(found.fun), _projected(cell, x, y))


@quantity(
    "contractility, weighted centre",
    "force",
    formula="sum of the forces' projections towards the mean position, weighted with "
    "|t|^2",
    source="the code of the program pyTFM",
    error="force",
)
def contractility_weighted(cell: Cell) -> float:
    """Sum of the projections of the forces towards the centre weighted by ``|t|^2``."""
    f_x, f_y = cell.forces
    weight = f_x**2 + f_y**2
    if not weight.sum() > 0:
        return 0.0
    x, y = (float((part * weight).sum() / weight.sum()) for part in cell.positions)
    return _projected(cell, x, y)


def _projected(cell: Cell, x: float, y: float) -> float:
    """Sum of the projections of the forces towards a point."""
    away_x, away_y = (
        here - at for here, at in zip(cell.positions, (x, y), strict=True)
    )
    distance = np.sqrt(away_x * away_x + away_y * away_y)
    # A force at the point itself counts as 0.
    np.maximum(distance, np.finfo(np.float64).tiny, out=distance)
    f_x, f_y = cell.forces
    return -float(((f_x * away_x + f_y * away_y) / distance).sum())


def _best_node(cell: Cell) -> tuple[float, float]:
    """The node of the region with the largest sum of projections, from the centroid."""
    rows, columns = np.nonzero(cell.region)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    forces = np.where(cell.nodes[..., None], cell.traction, 0.0)[box]
    height, width = forces.shape[:2]
    # From every node of the box to every other one.
    y, x = np.mgrid[1 - height : height, 1 - width : width].astype(np.float64)
    distance = np.hypot(x, y)
    distance[height - 1, width - 1] = 1.0
    sums = sum(
        scipy.signal.fftconvolve(forces[..., axis], step / distance, mode="same")
        for axis, step in enumerate((x, y))
    )
    sums = np.where(cell.region[box], sums, -np.inf)
    row, column = np.unravel_index(int(np.argmax(sums)), sums.shape)
    centre_x, centre_y = cell.centroid
    return (
        float(column + columns.min()) * cell.spacing - centre_x,
        float(row + rows.min()) * cell.spacing - centre_y,
    )
