"""Tractions in the cell itself, its geometry, and tractions around it."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.quantities.cell import Cell
from napari_vit_tfm.quantities.registry import quantity


@quantity("mean traction", "traction", formula="mean of |t| in the cell")
def traction_mean(cell: Cell) -> float:
    """Mean magnitude of the tractions in the cell."""
    return float(cell.in_core.mean()) if cell.in_core.size else np.nan


@quantity("root mean square traction", "traction", formula="square root of mean |t|^2")
def traction_rms(cell: Cell) -> float:
    """Root mean square magnitude of the tractions in the cell."""
    return (
        float(np.sqrt(np.square(cell.in_core).mean())) if cell.in_core.size else np.nan
    )


@quantity("95th percentile of the traction", "traction", formula="of |t| in the cell")
def traction_p95(cell: Cell) -> float:
    """Magnitude that 95% of the tractions in the cell do not exceed."""
    return float(np.percentile(cell.in_core, 95)) if cell.in_core.size else np.nan


@quantity(
    "largest traction",
    "traction",
    formula="largest |t| in the cell; it depends on resolution and regularisation",
)
def traction_max(cell: Cell) -> float:
    """Largest magnitude of the tractions in the cell."""
    return float(cell.in_core.max()) if cell.in_core.size else np.nan


@quantity(
    "area",
    "area",
    formula="number of nodes of the cell times h^2",
    is_geometric=True,
)
def area(cell: Cell) -> float:
    """Area of the cell itself."""
    return float(np.count_nonzero(cell.core)) * cell.area_of_node


@quantity(
    "centroid, x",
    "length",
    formula="mean x of the cell, from the first column",
    is_geometric=True,
)
def centroid_x(cell: Cell) -> float:
    """Position of the centroid to the right of the first column."""
    return cell.centroid[0]


@quantity(
    "centroid, y",
    "length",
    formula="mean y of the cell, from the first row",
    is_geometric=True,
)
def centroid_y(cell: Cell) -> float:
    """Position of the centroid below the first row."""
    return cell.centroid[1]


@quantity(
    "leak",
    "ratio",
    formula="sum |t| in the ring around the region, over that in region and ring",
    error="share",
)
def leak(cell: Cell) -> float:
    """Share of the tractions that lie just outside of the region."""
    if not cell.ring.any():
        return np.nan
    outside, inside = (
        float(cell.magnitude[where & cell.known].sum())
        for where in (cell.ring, cell.region)
    )
    return outside / (outside + inside) if outside + inside > 0 else 0.0
