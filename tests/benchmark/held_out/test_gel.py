"""The spectral route against the closed form of a disc, and against itself."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.benchmark.held_out.gel import FINER, Canvas, Traction, half_space
from napari_vit_tfm.benchmark.held_out.shapes import add_spot
from napari_vit_tfm.physics.disc import disc_displacement

DISCS = [((30.3, 20.2), 4.0, (1.0, 0.5)), ((12.0, 31.5), 2.0, (-0.3, 1.0))]


def discs_on(canvas: Canvas) -> Traction:
    fine = canvas.empty()
    for centre, radius, force in DISCS:
        add_spot(fine, canvas, centre, force, semi_axes=(radius, radius))
    return Traction(canvas, fine)


@pytest.mark.parametrize("shape", [(48, 48), (40, 56)])
def test_the_displacement_is_that_of_the_closed_form(shape: tuple[int, int]) -> None:
    found = np.moveaxis(discs_on(Canvas(shape, 6)).displacement(), 0, -1)
    centre, radius, force = (np.array(part) for part in zip(*DISCS, strict=True))
    x, y = np.arange(float(shape[1])), np.arange(float(shape[0]))
    expected = disc_displacement(x, y, centre, radius, force)
    # The mean included, and the forces do not balance.
    assert np.abs(found - expected).max() < 0.005 * np.abs(expected).max()


def test_images_do_not_matter() -> None:
    near, far = (
        discs_on(Canvas((48, 48), margin)).displacement() for margin in (4, 90)
    )
    assert np.abs(near - far).max() < 1e-4 * np.abs(far).max()


def test_the_canvas_is_wide_enough() -> None:
    padded = half_space(Canvas((104, 104), 6)).padded
    assert min(padded) >= 2.5 * 4 * 103


def test_the_response_swings_about_the_known_one() -> None:
    response = half_space(Canvas((104, 104), 6))
    n = response.xx.shape[1]
    k = 2 * np.pi * np.fft.rfftfreq(response.padded[1], 0.25)
    # Along x a wave is longitudinal in x and transverse in y; the cut-off makes
    # the response swing.
    some = slice(n // 4, n // 2)
    for part, expected in ((response.xx, 2 * 1.49 * 0.51), (response.yy, 2 * 1.49)):
        assert np.mean(part[0] * k, where=k > 0) == pytest.approx(expected, rel=0.01)
        assert np.mean((part[0] * k)[some]) == pytest.approx(expected, rel=0.01)


def test_forces_are_kept() -> None:
    canvas = Canvas((48, 48), 6)
    traction = discs_on(canvas)
    on_nodes = traction.at_nodes().sum(axis=(1, 2))
    on_points = traction.fine.sum(axis=(1, 2)) / 16
    np.testing.assert_allclose(on_nodes, on_points, rtol=1e-5)
    expected = sum(np.pi * radius**2 * np.array(force) for _, radius, force in DISCS)
    np.testing.assert_allclose(on_nodes, expected, rtol=0.01)


def test_a_node_is_in_the_middle_of_its_square() -> None:
    canvas = Canvas((8, 10), 2)
    fine = canvas.empty()
    fine[0] = canvas.x
    fine[1] = canvas.y
    x, y = Traction(canvas, fine).at_nodes()
    np.testing.assert_allclose(
        x, np.arange(10.0)[None, :] + np.zeros((8, 1)), atol=1e-6
    )
    np.testing.assert_allclose(
        y, np.arange(8.0)[:, None] + np.zeros((1, 10)), atol=1e-6
    )


def test_windows_of_two_vectors_are_centred_on_the_vectors() -> None:
    drawn = discs_on(Canvas((40, 48), 4))
    expected = np.zeros_like(drawn.displacement())
    for down in range(-FINER, FINER + 1):
        for right in range(-FINER, FINER + 1):
            moved = np.roll(drawn.fine, (down, right), axis=(1, 2))
            weight = 0.5 ** ((abs(down) == FINER) + (abs(right) == FINER))
            expected += weight * Traction(drawn.canvas, moved).displacement()
    expected /= (2 * FINER) ** 2
    made = drawn.averaged(2.0).displacement()
    np.testing.assert_allclose(made, expected, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("window_steps", [0.5, 1.3, 3.0])
def test_windows_keep_forces_and_the_truth(window_steps: float) -> None:
    drawn = discs_on(Canvas((40, 48), 4))
    averaged = drawn.averaged(window_steps)
    np.testing.assert_allclose(
        averaged.fine.sum(axis=(1, 2)), drawn.fine.sum(axis=(1, 2)), rtol=1e-4
    )
    np.testing.assert_array_equal(averaged.at_nodes(), drawn.at_nodes())
    assert abs(averaged.fine).max() <= abs(drawn.fine).max() * (1 + 1e-6)


def test_windows_that_are_a_point_average_nothing() -> None:
    drawn = discs_on(Canvas((40, 48), 4))
    assert drawn.averaged(0.0) is drawn
