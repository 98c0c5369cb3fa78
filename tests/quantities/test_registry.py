"""Quantities as functions of a cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.quantities import QUANTITIES, Cell, Measurement, cells_of


def test_a_quantity_of_a_cell_is_computed_once() -> None:
    times = []

    def compute(cell: Cell) -> float:
        times.append(cell.frame)
        return 2.0

    ((cell,),) = cells_of(TractionStack(np.ones((1, 8, 8, 2))), Measurement())
    counted = replace(QUANTITIES["total_force"], name="counted", compute=compute)
    assert [counted.value(cell), counted.value(cell)] == [2.0, 2.0]
    assert times == [0]
    assert counted.value(replace(cell, frame=1)) == 2.0
    assert times == [0, 1]
