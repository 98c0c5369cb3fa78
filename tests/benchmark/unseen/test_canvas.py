"""Places, windows and sums on a canvas."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.benchmark.unseen.canvas import FINER, Canvas
from napari_vit_tfm.physics.disc import disc_displacement

SHAPE = (24, 30)
CENTRE, RADIUS, FORCE = (17.0, 9.0), 4.0, (1.0, -0.5)


@pytest.fixture
def canvas() -> Canvas:
    made = Canvas(SHAPE, np.random.default_rng(0))
    made.add(made.disc(CENTRE, (RADIUS, RADIUS)), *FORCE)
    return made


def test_a_disc_is_where_it_was_put(canvas: Canvas) -> None:
    nodes = canvas.at_nodes()
    assert nodes.shape == (2, *SHAPE)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for component, force in zip(nodes, FORCE, strict=True):
        share = component / component.sum()
        assert ((share * x).sum(), (share * y).sum()) == pytest.approx(CENTRE)
        area = np.pi * RADIUS**2
        assert component.sum() == pytest.approx(force * area, rel=0.02)


@pytest.mark.parametrize("window_steps", [0.5, 2.0])
def test_displacements_are_means_over_windows(
    canvas: Canvas, window_steps: float
) -> None:
    found = np.moveaxis(canvas.displacement(window_steps), 0, -1)
    n = round(window_steps * FINER)
    offsets = (np.arange(n) + 0.5) / FINER - window_steps / 2
    rows, columns = (np.arange(float(size)) for size in SHAPE)
    place = (np.array([part]) for part in (CENTRE, RADIUS, FORCE))
    centre, radius, force = place
    points = [
        disc_displacement(columns + right, rows + down, centre, radius, force)
        for down in offsets
        for right in offsets
    ]
    expected = np.mean(points, axis=0)
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("window_steps", [0.0, 0.25, 0.7])
def test_windows_that_do_not_fit_the_squares_are_refused(
    canvas: Canvas, window_steps: float
) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        canvas.displacement(window_steps)


def test_balanced_forces_cancel(canvas: Canvas) -> None:
    canvas.balance(canvas.disc((12.0, 12.0), (8.0, 5.0), 0.3))
    assert abs(canvas.traction.sum(axis=(1, 2))).max() < 1e-9


def test_ellipses_point_along_their_angle(canvas: Canvas) -> None:
    disc = canvas.disc((15.0, 12.0), (6.0, 1.0), np.pi / 3)
    x = canvas.x - 15.0
    y = canvas.y - 12.0
    assert disc.sum() / FINER**2 == pytest.approx(6 * np.pi, rel=0.05)
    # Rows count downwards, so positive angles turn clockwise on the screen.
    assert (disc * x * y).sum() > 0
    assert (disc * y**2).sum() > 2 * (disc * x**2).sum()


def test_random_fields_are_smooth(canvas: Canvas) -> None:
    made = canvas.smooth(4.0)
    assert (made.mean(), made.std()) == pytest.approx((0, 1), abs=1e-9)
    # A Gaussian filter of 4 steps leaves a correlation of exp(-1) at 8 steps.
    apart = np.roll(made, 8 * FINER, axis=0)
    assert (made * apart).mean() == pytest.approx(np.exp(-1), abs=0.25)
