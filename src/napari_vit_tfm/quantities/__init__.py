"""Quantities of cells: energies, forces, moments and tractions, with units.

A `Quantity` is a registered function of a `Cell`. `measure` computes all of them for
every cell and frame; `adhesions_of` lists the adhesions of a cell.
"""

# These modules register the quantities; their order is that of the columns.
from napari_vit_tfm.quantities import (  # isort: skip
    energy,  # noqa: F401
    forces,  # noqa: F401
    moments,  # noqa: F401
    tractions,  # noqa: F401
    explained,  # noqa: F401
)
from napari_vit_tfm.quantities.adhesions import (
    Adhesion,
    adhesion_columns,
    adhesion_threshold,
    adhesions_of,
)
from napari_vit_tfm.quantities.cell import Cell
from napari_vit_tfm.quantities.changes import CellChanges, Change, changes_of
from napari_vit_tfm.quantities.comparison import Comparison, compare
from napari_vit_tfm.quantities.control import force_free_magnitude, reconstruction_of
from napari_vit_tfm.quantities.intervals import Interval, gel_factors, intervals_of
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
from napari_vit_tfm.quantities.recorder import Recorder
from napari_vit_tfm.quantities.regions import (
    default_dilation_steps,
    dilation_in_steps,
    labels_of_outline,
    labels_of_polygons,
    regions_of,
)
from napari_vit_tfm.quantities.registry import QUANTITIES, Quantity
from napari_vit_tfm.quantities.significance import (
    ControlRow,
    control_rows,
    occupied_by,
)
from napari_vit_tfm.quantities.tables import (
    Origin,
    Table,
    side_by_side,
    table_of_adhesions,
    table_of_changes,
    table_of_controls,
    table_of_rows,
    write_table,
)
from napari_vit_tfm.quantities.units import SCALES, Scale

__all__ = [
    "QUANTITIES",
    "SCALES",
    "Adhesion",
    "Cell",
    "CellChanges",
    "Change",
    "Comparison",
    "ControlRow",
    "Interval",
    "Measurement",
    "Origin",
    "Quantity",
    "Recorder",
    "Row",
    "Scale",
    "Table",
    "adhesion_columns",
    "adhesion_threshold",
    "adhesions_of",
    "cells_of",
    "changes_of",
    "columns_of",
    "compare",
    "control_rows",
    "default_dilation_steps",
    "dilation_in_steps",
    "force_free_magnitude",
    "gel_factors",
    "intervals_of",
    "labels_of_outline",
    "labels_of_polygons",
    "measure",
    "notes_of",
    "occupied_by",
    "reconstruction_of",
    "regions_of",
    "row_of",
    "scale_of",
    "side_by_side",
    "table_of_adhesions",
    "table_of_changes",
    "table_of_controls",
    "table_of_rows",
    "write_table",
]
