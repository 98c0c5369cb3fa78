"""Quantities of cells: energies, forces, moments and tractions, with units.

A `Quantity` is a registered function of a `Cell`. `measure` computes all of them for
every cell and frame; `adhesions_of` lists the adhesions of a cell.
"""

# The order of these imports is that of the columns.
from napari_vit_tfm.quantities import energy, forces, moments, tractions  # isort: skip
from napari_vit_tfm.quantities.adhesions import (
    Adhesion,
    adhesion_columns,
    adhesion_threshold,
    adhesions_of,
)
from napari_vit_tfm.quantities.cell import Cell
from napari_vit_tfm.quantities.control import force_free_magnitude
from napari_vit_tfm.quantities.measure import (
    Measurement,
    Row,
    cells_of,
    columns_of,
    measure,
    notes_of,
    row_of,
    scale_of,
)
from napari_vit_tfm.quantities.regions import (
    default_dilation_steps,
    labels_of_outline,
    regions_of,
)
from napari_vit_tfm.quantities.registry import QUANTITIES, Quantity
from napari_vit_tfm.quantities.tables import write_adhesions, write_quantities
from napari_vit_tfm.quantities.units import Scale

__all__ = [
    "QUANTITIES",
    "Adhesion",
    "Cell",
    "Measurement",
    "Quantity",
    "Row",
    "Scale",
    "adhesion_columns",
    "adhesion_threshold",
    "adhesions_of",
    "cells_of",
    "columns_of",
    "default_dilation_steps",
    "energy",
    "force_free_magnitude",
    "forces",
    "labels_of_outline",
    "measure",
    "moments",
    "notes_of",
    "regions_of",
    "row_of",
    "scale_of",
    "tractions",
    "write_adhesions",
    "write_quantities",
]
