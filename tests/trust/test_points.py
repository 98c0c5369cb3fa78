"""Tests of points of divergence."""

import numpy as np
import pytest

from napari_vit_tfm.trust.points import PointOfDivergence, point_of_divergence


def around(
    x: float, y: float, core: float = 3.0, shape: tuple[int, int] = (56, 72)
) -> np.ndarray:
    """Field that points away from a place."""
    down, right = np.indices(shape)
    to = np.stack([right - x, down - y], axis=-1)
    return to / (np.square(to).sum(axis=-1) + core**2)[..., None]


@pytest.mark.parametrize("strength", [0.3, -0.3])
def test_point_in_noise(strength: float) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (56, 72, 2))
    residual = strength * around(50, 20) + noise + 0.4
    point = point_of_divergence(residual, noise_variance=1e-4)
    assert point is not None
    assert abs(point.x - 50) <= 1
    assert abs(point.y - 20) <= 1
    assert point.strength == pytest.approx(strength, rel=0.3)


def test_turn_around_a_point_is_none() -> None:
    residual = around(30, 30)[..., ::-1] * (1, -1)
    assert point_of_divergence(residual) is None


def test_one_wrong_place_is_none() -> None:
    residual = np.zeros((56, 72, 2))
    residual[20:25, 30:34, 0] = 1.0
    assert point_of_divergence(residual) is None


def test_point_at_the_border_is_none() -> None:
    assert point_of_divergence(around(0, 30)) is None
    assert point_of_divergence(np.ones((8, 8, 2))) is None


def test_normal_force_moves_the_surface_as_the_point_says() -> None:
    # Landau and Lifshitz, section 8: u = (1 + nu)(1 - 2 nu) F / (2 pi E r).
    force_n, young_pa, poisson, spacing_m = 3e-9, 2000.0, 0.3, 0.5e-6
    r = 4 * spacing_m
    inwards = (1 + poisson) * (1 - 2 * poisson) * force_n / (2 * np.pi * young_pa * r)
    point = PointOfDivergence(0, 0, -(inwards / spacing_m) * 4, core=1.0)
    found = point.normal_force_nn(young_pa=young_pa, poisson=poisson, spacing_um=0.5)
    assert found == pytest.approx(3.0)


def test_incompressible_gel_has_no_such_force() -> None:
    point = PointOfDivergence(0, 0, 1.0, 1.0)
    force = point.normal_force_nn(young_pa=1000, poisson=0.5, spacing_um=1)
    assert force == -np.inf
