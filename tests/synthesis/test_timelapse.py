"""Demonstration time-lapses."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.synthesis import contracting_cell, disc_timelapse


def test_discs_stay_while_tractions_swing() -> None:
    stack = disc_timelapse(n_frames=4, seed=1, shape=(64, 64))
    assert stack.traction.shape == (4, 64, 64, 2)
    np.testing.assert_array_equal(stack.segmentation[0], stack.segmentation[3])
    assert not np.allclose(stack.traction[0], stack.traction[2])


def test_a_cell_pulls_inwards_and_changes_over_time() -> None:
    cell = contracting_cell(n_frames=6, seed=0)
    strength = np.square(cell.traction).sum(axis=(1, 2, 3))
    assert strength.max() > 5 * strength.min() > 0
    y, x = np.mgrid[0:104, 0:104]
    outwards = np.stack([x - 51.5, y - 51.5], axis=-1)
    inward_power = -(cell.traction[3] * outwards).sum()
    assert (
        inward_power
        > 0.8
        * (
            np.hypot(*np.moveaxis(cell.traction[3], -1, 0))
            * np.hypot(*np.moveaxis(outwards, -1, 0))
        ).sum()
    )
    net = np.linalg.norm(cell.traction[3].sum(axis=(0, 1)))
    assert net < 0.03 * np.linalg.norm(cell.traction[3], axis=-1).sum()
