"""Adhesions of a cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.quantities import (
    Cell,
    Measurement,
    adhesion_threshold,
    adhesions_of,
    cells_of,
)


def cell_with(noise_pa: float = 0.0) -> Cell:
    """A cell of 20 x 20 um; a strong adhesion of 8 nodes, and a weak one of 6."""
    rng = np.random.default_rng(0)
    traction = (
        rng.normal(0, noise_pa, (48, 48, 2)) if noise_pa else np.zeros((48, 48, 2))
    )
    traction[16:20, 16:18] += (0.0, 300.0)
    traction[28:30, 30:33] += (-100.0, 0.0)
    labels = np.zeros((48, 48), dtype=int)
    labels[14:34, 14:34] = 1
    stack = TractionStack(traction, unit="Pa", spacing_um=1.0)
    ((cell,),) = cells_of(stack, Measurement(labels=labels))
    return cell


@pytest.mark.parametrize("noise_pa", [0.0, 10.0])
def test_the_strongest_is_the_first(noise_pa: float) -> None:
    strong, weak, *others = adhesions_of(cell_with(noise_pa))
    # By chance, two neighbours may both be above three times the noise.
    assert len(others) <= (2 if noise_pa else 0)
    assert (strong.number, weak.number) == (1, 2)
    assert strong.values["force_nN"] == pytest.approx(2.4, rel=0.05)
    assert weak.values["force_x_nN"] == pytest.approx(-0.6, rel=0.15)
    assert strong.values["direction_deg"] == pytest.approx(90, abs=3)
    assert strong.values["area_um2"] in ((8, 9) if noise_pa else (8,))
    assert weak.values["x_um"] == pytest.approx(31, abs=0.2)
    assert strong.values["y_um"] == pytest.approx(17.5, abs=0.2)
    if not noise_pa:
        np.testing.assert_array_equal(
            weak.nodes, [(y, x) for y in (28, 29) for x in (30, 31, 32)]
        )
    # Of the centre: two nodes from the left edge of the cell.
    assert strong.values["distance_to_edge_um"] == pytest.approx(2.5)


def test_the_threshold_is_three_times_the_noise_outside() -> None:
    assert adhesion_threshold(cell_with(10.0)) == pytest.approx(30, rel=0.05)
    assert adhesion_threshold(cell_with()) == pytest.approx(0.05 * 300)


def test_the_noise_of_a_reconstruction_without_force_comes_first() -> None:
    cell = replace(cell_with(10.0), idle=np.full((48, 48), 33 * np.sqrt(np.pi / 2)))
    assert adhesion_threshold(cell) == pytest.approx(99)
    only, *_ = adhesions_of(cell)
    assert only.values["force_nN"] == pytest.approx(2.4, rel=0.05)


def test_single_nodes_are_no_adhesions() -> None:
    cell = cell_with()
    traction = cell.traction.copy()
    traction[25, 25] = 500.0
    assert len(list(adhesions_of(replace(cell, traction=traction)))) == 2


def test_a_cell_without_traction_has_none() -> None:
    cell = replace(cell_with(), traction=np.full((48, 48, 2), np.nan))
    assert list(adhesions_of(cell)) == []
    assert list(adhesions_of(replace(cell, traction=np.zeros((48, 48, 2))))) == []
