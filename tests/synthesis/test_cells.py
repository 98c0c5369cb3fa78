"""Cells whose forces balance, and whose displacement is their tractions'."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.physics.halfspace import fttc
from napari_vit_tfm.synthesis import CellDistribution, synthesise


@pytest.mark.parametrize("shape", [(104, 104), (64, 96)])
def test_force_and_torque_vanish(shape: tuple[int, int]) -> None:
    cells = synthesise(4, seed=0, shape=shape, distribution=CellDistribution())
    assert cells.traction.shape == (4, *shape, 2)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    for traction in cells.traction.astype(float):
        total = np.abs(traction).sum()
        assert np.abs(traction.sum(axis=(0, 1))).max() < 1e-4 * total
        torque = (x * traction[..., 1] - y * traction[..., 0]).sum()
        assert abs(torque) < 1e-3 * total


def test_tractions_point_inwards() -> None:
    cells = synthesise(6, seed=1, distribution=CellDistribution())
    y, x = np.mgrid[0:104, 0:104]
    for traction in cells.traction:
        power = np.square(traction).sum(axis=-1)
        centre = (x * power).sum() / power.sum(), (y * power).sum() / power.sum()
        outwards = np.stack([x - centre[0], y - centre[1]], axis=-1)
        assert (traction * outwards).sum() < 0


def test_the_displacement_is_that_of_the_tractions() -> None:
    smooth = CellDistribution(semi_axis=(3.0, 5.0), square_share=0.0, elongation=1.5)
    cells = synthesise(2, seed=2, distribution=smooth)
    steps = cells.displacement.astype(float) * 103
    found = np.stack(
        fttc(steps[..., 0], steps[..., 1], regularisation=0.03, poisson=0.49), axis=-1
    )
    error = np.square(found - cells.traction).sum() / np.square(cells.traction).sum()
    # Sharp edges are beyond FTTC; a wrong sign or axis would give more than 1.
    assert error < 0.3


def test_adhesions_are_numbered_where_their_traction_is() -> None:
    few = CellDistribution(adhesions=(5, 8), square_share=1.0)
    cells = synthesise(3, seed=3, distribution=few)
    for segmentation, traction in zip(cells.segmentation, cells.traction, strict=True):
        assert 3 <= len(np.unique(segmentation)) - 1 <= 8
        assert np.all((segmentation > 0) == (np.abs(traction).sum(axis=-1) > 0))
