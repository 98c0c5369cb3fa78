"""Cells whose forces balance, and whose displacement is their tractions'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm.physics.halfspace import displacement_of
from napari_vit_tfm.synthesis import CellDistribution, synthesise


@pytest.mark.parametrize(
    ("shape", "extent"), [((104, 104), (0.12, 0.36)), ((48, 64), (0.35, 0.4))]
)
def test_force_and_torque_vanish(
    shape: tuple[int, int], extent: tuple[float, float]
) -> None:
    # The larger cells reach the border, and are cut off there.
    distribution = CellDistribution(extent=extent)
    rng = np.random.default_rng(0)
    for _ in range(12):
        pattern = distribution.draw(rng, shape)
        (t_x,), (t_y,) = pattern.fine_traction(shape)
        total = np.abs(t_x).sum() + np.abs(t_y).sum()
        assert max(abs(t_x.sum()), abs(t_y.sum())) < 1e-12 * total
        y, x = np.mgrid[0 : t_x.shape[0], 0 : t_x.shape[1]]
        assert abs((x * t_y - y * t_x).sum()) < 1e-10 * total
        (traction,) = pattern.on_grid(shape)[1]
        assert traction.shape == (*shape, 2)
        assert np.abs(traction.sum(axis=(0, 1))).max() < 1e-12 * total


def test_tractions_point_inwards() -> None:
    cells = synthesise(6, seed=1, distribution=CellDistribution())
    y, x = np.mgrid[0:104, 0:104]
    for traction in cells.traction:
        power = np.square(traction).sum(axis=-1)
        centre = (x * power).sum() / power.sum(), (y * power).sum() / power.sum()
        outwards = np.stack([x - centre[0], y - centre[1]], axis=-1)
        assert (traction * outwards).sum() < 0


def test_the_displacement_is_that_of_the_tractions() -> None:
    smooth = CellDistribution(
        semi_axis=(4.0, 6.0), square_share=0.0, dome_share=1.0, elongation=1.5
    )
    cells = synthesise(2, seed=2, distribution=smooth)
    steps = cells.displacement.astype(float) * 103
    found = displacement_of(cells.traction[..., 0], cells.traction[..., 1])
    # Periodic images of a balanced cell are weak, but not nothing.
    error = np.square(np.stack(found, axis=-1) - steps).sum() / np.square(steps).sum()
    assert error < 0.01


def test_adhesions_are_numbered_where_their_traction_is() -> None:
    few = CellDistribution(adhesions=(5, 8), square_share=1.0, square_side=(1, 2))
    cells = synthesise(3, seed=3, distribution=few)
    for segmentation, traction in zip(cells.segmentation, cells.traction, strict=True):
        assert 3 <= len(np.unique(segmentation)) - 1 <= 8
        assert np.all((segmentation > 0) == (np.abs(traction).sum(axis=-1) > 0))


def test_squares_cover_whole_nodes() -> None:
    one = CellDistribution(adhesions=(9, 9), square_share=1.0, extent=(0.3, 0.3))
    pattern = one.draw(np.random.default_rng(0), (104, 104))
    sides = np.round(2 * pattern.semi_axes[0, :, 0])
    one_each = replace(pattern, traction=np.zeros_like(pattern.traction))
    for number, side in enumerate(sides):
        traction = one_each.traction.copy()
        traction[0, number, 0] = 1.0
        alone = replace(one_each, traction=traction, is_balanced=False)
        _, made = alone.on_grid((104, 104))
        np.testing.assert_allclose(np.unique(made), [0.0, 1.0], atol=1e-12)
        assert made.sum() == pytest.approx(side**2)


def test_a_cell_outside_the_view_still_displaces_it() -> None:
    outside = CellDistribution(offset=0.5, margin=20, extent=(0.3, 0.3))
    cells = synthesise(6, seed=4, shape=(48, 48), distribution=outside)
    net = np.abs(cells.traction.sum(axis=(1, 2))).max(axis=-1)
    # What lies outside is missing in the view's sum.
    assert np.median(net / np.abs(cells.traction).sum(axis=(1, 2, 3))) > 0.01
    assert np.isfinite(cells.displacement).all()
