"""What the tractions explain of the displacement in the region of a cell."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.quantities.cell import Cell
from napari_vit_tfm.quantities.registry import quantity


@quantity(
    "share explained",
    "ratio",
    formula="1 - sum |residual|^2 / sum |u|^2 in the region, both about the mean of "
    "the field; a large share alone is no merit",
    error="none",
)
def explained(cell: Cell) -> float:
    """Share of the squared displacement in the region that all tractions explain."""
    if cell.squares is None:
        return np.nan
    squares, left = cell.squares[:, cell.region].sum(axis=1)
    return float(1 - left / squares) if squares > 0 else np.nan
