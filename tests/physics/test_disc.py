"""The disc's closed form against limits and against direct integration."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vit_tfm.physics.disc import disc_displacement, radial_functions


def integrated_displacement(
    x: float, y: float, *, radius: float, traction: tuple[float, float], poisson: float
) -> np.ndarray:
    """Cerruti's solution integrated over a disc at the origin, in polar cells.

    The polar coordinates are centred on the point of observation, where the
    kernel 1/r and the area element r cancel.
    """
    angle = (np.arange(4000) + 0.5) / 4000 * 2 * np.pi
    # Distance to the rim along each ray from (x, y); none where it is missed.
    along = -(x * np.cos(angle) + y * np.sin(angle))
    square = radius**2 - (x**2 + y**2) + along**2
    root = np.sqrt(np.maximum(square, 0))
    far, near = np.maximum(along + root, 0), np.maximum(along - root, 0)
    chord = np.where(square > 0, far - near, 0)
    cos, sin = np.cos(angle), np.sin(angle)
    p_x, p_y = traction
    isotropic = 1 - poisson
    u_x = chord * ((isotropic + poisson * cos**2) * p_x + poisson * cos * sin * p_y)
    u_y = chord * (poisson * cos * sin * p_x + (isotropic + poisson * sin**2) * p_y)
    return np.array([u_x.mean(), u_y.mean()]) * 2 * (1 + poisson)


def test_limits_of_the_radial_functions() -> None:
    n, a, b = radial_functions([0.0, 1.0])
    np.testing.assert_allclose(n, [2 * np.pi, 4], atol=1e-6)
    np.testing.assert_allclose(a, [np.pi, 2], atol=1e-6)
    np.testing.assert_allclose(b, [0, 2 / 3], atol=1e-6)


def test_the_radial_functions_are_continuous_across_the_rim() -> None:
    inside, outside = np.array(radial_functions([1 - 1e-9, 1 + 1e-9])).T
    np.testing.assert_allclose(inside, outside, atol=1e-6)


@pytest.mark.parametrize("poisson", [0.0, 0.3, 0.49])
@pytest.mark.parametrize(
    "point", [(0.01, 0.02), (0.1, -0.06), (0.25, 0.3), (2.0, -1.0)]
)
def test_displacement_is_that_of_the_integrated_point_force(
    point: tuple[float, float], poisson: float
) -> None:
    traction = (0.3, -0.2)
    expected = integrated_displacement(
        *point, radius=0.2, traction=traction, poisson=poisson
    )
    x, y = (np.array([value]) for value in point)
    found = disc_displacement(
        x,
        y,
        np.zeros((1, 2)),
        np.array([0.2]),
        np.array([traction]),
        poisson=poisson,
    )
    np.testing.assert_allclose(found[0, 0], expected, rtol=2e-4)


def test_displacements_add_up_and_numpy_and_torch_agree() -> None:
    rng = np.random.default_rng(0)
    x, y = np.linspace(0, 1, 30), np.linspace(0, 0.7, 21)
    centre = rng.uniform(0.1, 0.6, (3, 2))
    radius = rng.uniform(0.01, 0.05, 3)
    traction = rng.uniform(-0.5, 0.5, (3, 2))
    together = disc_displacement(x, y, centre, radius, traction)
    assert together.shape == (21, 30, 2)
    single = [
        disc_displacement(
            x, y, centre[i : i + 1], radius[i : i + 1], traction[i : i + 1]
        )
        for i in range(3)
    ]
    np.testing.assert_allclose(together, sum(single), rtol=1e-12)
    tensors = [torch.from_numpy(a) for a in (x, y, centre, radius, traction)]
    np.testing.assert_allclose(
        disc_displacement(*tensors).numpy(), together, rtol=1e-12
    )


def test_a_pull_to_the_right_moves_the_surface_to_the_right() -> None:
    x = np.linspace(0, 1, 11)
    field = disc_displacement(
        x, x, np.array([[0.5, 0.5]]), np.array([0.1]), np.array([[1.0, 0.0]])
    )
    assert np.all(field[..., 0] > 0)
    # Sideways motion is mirrored at the axes through the centre.
    np.testing.assert_allclose(field[..., 1], -field[::-1, :, 1], atol=1e-12)


def test_the_table_is_as_good_as_single_precision() -> None:
    x = np.linspace(0, 5, 20_001)
    found = disc_displacement(
        x, np.zeros(1), np.zeros((1, 2)), np.ones(1), np.array([[1.0, 0.0]])
    )[0, :, 0]
    n, a, b = radial_functions(x)
    expected = (0.51 * n + 0.49 * (a + b)) * 1.49 / np.pi
    assert np.abs(found - expected).max() < 1e-6 * expected.max()
