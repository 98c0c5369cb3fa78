"""Where quantities are summed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.quantities import (
    Measurement,
    default_dilation_steps,
    labels_of_outline,
    measure,
    regions_of,
)


def two_cells() -> np.ndarray:
    """Cells 2 and 7 with a gap of three nodes."""
    labels = np.zeros((24, 32), dtype=np.int64)
    labels[8:16, 6:12] = 2
    labels[8:16, 15:22] = 7
    return labels


def test_where_two_cells_meet_a_node_belongs_to_the_nearer_one() -> None:
    first, second = regions_of(two_cells(), dilation_steps=3.0)
    assert (first.cell, second.cell) == (2, 7)
    assert not (first.dilated & second.dilated).any()
    assert first.dilated[12, 12]
    assert second.dilated[12, 14]
    assert first.dilated[12, 3]
    assert not first.dilated[12, 2]
    assert first.ring[12, [0, 1, 2]].all()
    assert not (first.ring & (first.dilated | second.dilated)).any()


def test_the_default_is_the_larger_of_two_steps_and_two_micrometres() -> None:
    assert default_dilation_steps(None) == 2
    assert default_dilation_steps(5.0) == 2
    assert default_dilation_steps(0.25) == 8


def test_forces_belong_to_their_cells_and_leaks_are_seen() -> None:
    labels = two_cells()
    traction = np.zeros((2, 24, 32, 2), dtype=np.float32)
    traction[:, labels == 2, 0] = 10.0
    traction[1, labels == 7, 1] = -20.0
    traction[1, 12, 25] = (0.0, 20.0 * 56)  # three steps beyond the second cell
    stack = TractionStack(traction, unit="Pa", spacing_um=1.0, gel=Gel(young_pa=1e3))
    rows = list(measure(stack, Measurement(labels=labels)))
    assert [(row.frame, row.cell) for row in rows] == [(0, 2), (0, 7), (1, 2), (1, 7)]
    assert rows[0].values["total_force_nN"] == pytest.approx(48 * 10 * 1e-3)
    assert rows[1].values["total_force_nN"] == 0
    assert rows[3].values["net_force_y_nN"] == pytest.approx(-56 * 20 * 1e-3)
    assert rows[3].values["leak"] == pytest.approx(0.5)
    assert rows[2].values["leak"] == 0
    assert rows[0].values["area_um2"] == 48
    assert rows[0].values["centroid_x_um"] == pytest.approx(8.5)
    moved = np.stack([labels, np.roll(labels, 1, axis=0)])
    rows = list(measure(stack, Measurement(labels=moved)))
    assert rows[2].values["centroid_y_um"] == pytest.approx(12.5)


def test_a_region_at_the_border_is_flagged() -> None:
    labels = np.zeros((16, 16), dtype=np.int64)
    labels[1:6, 6:10] = 1
    stack = TractionStack(np.ones((16, 16, 2)), unit="Pa", spacing_um=1.0)
    (row,) = measure(stack, Measurement(labels=labels))
    assert "border" in row.flags
    (row,) = measure(stack, Measurement(labels=labels, dilation_steps=0.0))
    assert "border" not in row.flags
    for everywhere in (Measurement(np.ones((16, 16), int)), Measurement(labels, 40.0)):
        (row,) = measure(stack, everywhere)
        assert "border" in row.flags
    (row,) = measure(stack)
    assert "border" not in row.flags


def test_the_inside_of_an_outline() -> None:
    corners = np.array([[2.5, 3.5], [9.5, 3.5], [9.5, 6.5], [2.5, 6.5]])
    labels = labels_of_outline(corners, (12, 16))
    assert labels[4:7, 3:10].all()
    assert labels.sum() == 21
    with pytest.raises(FieldError, match="encloses none"):
        labels_of_outline(corners + 100, (12, 16))


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.ones((3, 4), dtype=int), "expected one number for each vector"),
        (np.zeros((16, 16), dtype=int), "no cell"),
    ],
)
def test_a_mask_of_another_grid_or_without_cells_is_refused(
    labels: np.ndarray, reason: str
) -> None:
    stack = TractionStack(np.zeros((2, 16, 16, 2)), unit="Pa")
    with pytest.raises(FieldError, match=reason):
        list(measure(stack, Measurement(labels=labels)))
