"""Quantities of cells: energies, forces, moments and tractions, with units.

A `Quantity` is a registered function of a `Cell`. `measure` computes all of them for
every cell and frame; `adhesions_of` lists the adhesions of a cell.
"""

# The order of these imports is that of the columns.
from napari_vit_tfm.quantities import energy, forces, moments, tractions  # isort: skip
from napari_vit_tfm.quantities.adhesions import Adhesion, adhesions_of, traction_noise
from napari_vit_tfm.quantities.cell import Cell
from napari_vit_tfm.quantities.control import force_free_magnitude
from napari_vit_tfm.quantities.measure import Measurement, Row, columns_of, measure
from napari_vit_tfm.quantities.regions import (
    default_dilation_steps,
    labels_of_outline,
    regions_of,
)
from napari_vit_tfm.quantities.registry import QUANTITIES, Quantity
from napari_vit_tfm.quantities.units import Scale

__all__ = [
    "QUANTITIES",
    "Adhesion",
    "Cell",
    "Measurement",
    "Quantity",
    "Row",
    "Scale",
    "adhesions_of",
    "columns_of",
    "default_dilation_steps",
    "energy",
    "force_free_magnitude",
    "forces",
    "labels_of_outline",
    "measure",
    "moments",
    "regions_of",
    "traction_noise",
    "tractions",
]
