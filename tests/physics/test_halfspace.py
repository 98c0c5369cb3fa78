"""Responses of the gel: closed forms and limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from napari_vit_tfm.physics.halfspace import (
    displacement_of,
    field_of,
    half_space_response,
    layer_response,
    modes_of,
)
from napari_vit_tfm.synthesis import synthesise


def test_the_forward_solution_is_that_of_the_closed_form() -> None:
    discs = synthesise(2, seed=3)
    traction = discs.traction.astype(float)
    found = np.stack(displacement_of(traction[..., 0], traction[..., 1]), axis=-1)
    expected = discs.displacement.astype(float) * 103
    for field in (found, expected):
        field -= field.mean(axis=(1, 2), keepdims=True)
    error = np.square(found - expected).sum() / np.square(expected).sum()
    # Rasterised discs have another area than true ones; that is what is left.
    assert error < 0.01


@pytest.mark.parametrize("shape", [(12, 15), (13, 16)])
def test_rows_and_columns_of_zeros_need_no_transform(shape: tuple[int, int]) -> None:
    field = np.random.default_rng(0).normal(size=(2, *shape))
    full = (2 * shape[0] + 1, 2 * shape[1])
    modes = modes_of(field, full)
    np.testing.assert_allclose(
        modes, np.fft.rfftn(field, s=full, axes=(1, 2)), atol=1e-12
    )
    np.testing.assert_allclose(field_of(modes, full, shape), field, atol=1e-12)


def test_a_thick_layer_is_a_half_space_and_a_thin_one_shears() -> None:
    k = np.array([0.1, 0.5, 2.0])
    for thick, half in zip(
        layer_response(k, poisson=0.45, thickness_steps=1e4),
        half_space_response(k, poisson=0.45),
        strict=True,
    ):
        np.testing.assert_allclose(thick, half, rtol=1e-9)
    for thin in layer_response(k, poisson=0.45, thickness_steps=1e-4):
        np.testing.assert_allclose(thin, 2 * 1.45 * 1e-4, rtol=1e-3)


@pytest.mark.parametrize("shape", [(6, 8), (7, 8), (6, 9), (7, 9)])
@pytest.mark.parametrize("pad", [False, True])
def test_a_mirrored_traction_makes_the_mirrored_displacement(
    shape: tuple[int, int], pad: bool
) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, *shape))
    u_x, u_y = displacement_of(x, y, pad=pad)
    upside_down = displacement_of(x[::-1], -y[::-1], pad=pad)
    np.testing.assert_allclose(upside_down, [u_x[::-1], -u_y[::-1]], atol=1e-12)
    sideways = displacement_of(-x[:, ::-1], y[:, ::-1], pad=pad)
    np.testing.assert_allclose(sideways, [-u_x[:, ::-1], u_y[:, ::-1]], atol=1e-12)


def test_a_uniform_traction_displaces_nothing() -> None:
    uniform = np.full((6, 8), 0.3)
    np.testing.assert_allclose(displacement_of(uniform, -uniform, pad=False), 0)


@pytest.mark.parametrize("poisson", [0.2, 0.45])
@pytest.mark.parametrize("k", [0.05, 0.4, 1.0])
def test_a_layer_s_longitudinal_response_solves_the_equations_of_elasticity(
    k: float, poisson: float
) -> None:
    """Plane strain ``(U, i W) exp(i k x)``, held at the base, free of normal stress."""
    c, thickness = 1 / (1 - 2 * poisson), 2.5
    # Navier's equations, for U, W, and their derivatives across the layer.
    equations = np.zeros((4, 4))
    equations[0, 2] = equations[1, 3] = 1
    equations[2, [0, 3]] = (1 + c) * k**2, c * k
    equations[3, [1, 2]] = k**2 / (1 + c), -c * k / (1 + c)
    u, w, du, dw = expm(equations * thickness)[:, 2:]
    shear, normal = du - k * w, 2 * poisson * c * (k * u + dw) + 2 * dw
    at_base = np.linalg.solve([shear, normal], [1.0, 0.0])
    expected = 2 * (1 + poisson) * u @ at_base
    found, _ = layer_response(np.array(k), poisson=poisson, thickness_steps=thickness)
    assert found == pytest.approx(expected, rel=1e-6)
