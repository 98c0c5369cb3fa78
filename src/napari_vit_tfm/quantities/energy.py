"""Strain energies."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.quantities.cell import Cell, FloatArray, Mask
from napari_vit_tfm.quantities.registry import quantity

_BUTLER = "J. P. Butler et al., Am. J. Physiol. Cell Physiol. 282, C595 (2002)"


@quantity(
    "strain energy",
    "energy",
    formula="1/2 sum t.u h^2 in the region; u: displacement that the tractions cause",
    source=_BUTLER,
)
def strain_energy(cell: Cell) -> float:
    """Half the work of the tractions on the displacement that they cause."""
    return _work(cell, cell.region, cell.displacement) / 2


@quantity(
    "strain energy, measured displacement",
    "energy",
    formula="1/2 sum t.u h^2 in the region; u: measured displacement without drift",
    source=_BUTLER,
    error="energy",
)
def strain_energy_measured(cell: Cell) -> float:
    """Half the work of the tractions on the measured displacement."""
    return _work(cell, cell.region, cell.measured) / 2


@quantity(
    "strain energy of magnitudes",
    "energy",
    formula="1/2 sum |t| |u| h^2 in the region; never negative, and larger",
    source="the sum of the program u-inferforce",
)
def strain_energy_of_magnitudes(cell: Cell) -> float:
    """Half the sum of the products of the magnitudes of traction and displacement."""
    if cell.displacement is None:
        return np.nan
    lengths = np.hypot(*np.moveaxis(cell.displacement, -1, 0))
    products = cell.magnitude[cell.nodes] * lengths[cell.nodes]
    return float(products.sum()) * cell.area_of_node / 2


@quantity(
    "strain energy density",
    "energy density",
    formula="strain energy in the cell itself over its area",
)
def strain_energy_density(cell: Cell) -> float:
    """Strain energy in the cell itself, over its area."""
    area = np.count_nonzero(cell.core & cell.known) * cell.area_of_node
    return _work(cell, cell.core, cell.displacement) / 2 / area if area else np.nan


def _work(cell: Cell, where: Mask, displacement: FloatArray | None) -> float:
    if displacement is None:
        return np.nan
    nodes = where & cell.known & np.isfinite(displacement).all(axis=-1)
    products = (cell.traction[nodes] * displacement[nodes]).sum()
    return float(products) * cell.area_of_node
