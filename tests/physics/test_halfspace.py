"""Fourier filters: round trips, closed forms, limits, the zero field."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vit_tfm.physics.halfspace import (
    displacement_of,
    fttc,
    gcv_regularisation,
    half_space_response,
    layer_response,
)
from napari_vit_tfm.synthesis import synthesise


def random_traction(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """White traction without the modes a real field cannot give back."""
    x, y = np.random.default_rng(1).normal(size=(2, *shape))
    hats = []
    for component in (x, y):
        hat = np.fft.fft2(component)
        # No mean; nothing at the folding frequency, whose direction is two.
        hat[0, 0] = 0
        hat[shape[0] // 2, :] = 0
        hat[:, shape[1] // 2] = 0
        hats.append(np.fft.ifft2(hat).real)
    return hats[0], hats[1]


@pytest.mark.parametrize("shape", [(32, 32), (24, 40)])
@pytest.mark.parametrize("poisson", [0.3, 0.49])
def test_known_traction_forward_and_back(
    shape: tuple[int, int], poisson: float
) -> None:
    t_x, t_y = random_traction(shape)
    u_x, u_y = displacement_of(t_x, t_y, poisson=poisson, pad=False)
    found = fttc(u_x, u_y, regularisation=0, poisson=poisson, pad=False)
    np.testing.assert_allclose(found[0], t_x, atol=1e-10)
    np.testing.assert_allclose(found[1], t_y, atol=1e-10)


def test_the_forward_solution_is_that_of_the_closed_form() -> None:
    discs = synthesise(2, seed=3)
    traction = discs.traction.astype(float)
    found = np.stack(
        displacement_of(traction[..., 0], traction[..., 1], poisson=0.49), axis=-1
    )
    expected = discs.displacement.astype(float) * 103
    for field in (found, expected):
        field -= field.mean(axis=(1, 2), keepdims=True)
    error = np.square(found - expected).sum() / np.square(expected).sum()
    # Rasterised discs have another area than true ones; that is what is left.
    assert error < 0.01


def test_fttc_finds_discs_and_regularisation_tames_noise() -> None:
    discs = synthesise(2, seed=3)
    noise = np.random.default_rng(0).normal(size=discs.displacement.shape) * 1e-3

    def error(displacement: np.ndarray, regularisation: float) -> float:
        steps = displacement.astype(float) * 103
        found = np.stack(
            fttc(
                steps[..., 0],
                steps[..., 1],
                regularisation=regularisation,
                poisson=0.49,
                pad=False,
            ),
            axis=-1,
        )
        difference = np.square(found - discs.traction).sum()
        return float(difference / np.square(discs.traction).sum())

    assert error(discs.displacement, 1.0) < 0.25
    noisy = discs.displacement + noise
    assert error(noisy, 10.0) < 0.5 < error(noisy, 0.1)


def test_a_field_of_zeros_has_no_traction_and_a_drift_neither() -> None:
    zero, drift = np.zeros((16, 16)), np.full((16, 16), 3.0)
    for x in (zero, drift):
        for found in fttc(x, zero, regularisation=0.1, poisson=0.49, pad=False):
            np.testing.assert_allclose(found, 0, atol=1e-14)


def test_torch_gives_numpy_s_numbers() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 3, 18, 20))
    expected = fttc(x, y, regularisation=0.5, poisson=0.4)
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    for found, wanted in zip(
        fttc(*tensors, regularisation=0.5, poisson=0.4), expected, strict=True
    ):
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)


def test_a_thick_layer_is_a_half_space_and_a_thin_one_shears() -> None:
    k = np.array([0.1, 0.5, 2.0])
    for thick, half in zip(
        layer_response(k, poisson=0.45, thickness=1e4),
        half_space_response(k, poisson=0.45),
        strict=True,
    ):
        np.testing.assert_allclose(thick, half, rtol=1e-9)
    for thin in layer_response(k, poisson=0.45, thickness=1e-4):
        np.testing.assert_allclose(thin, 2 * 1.45 * 1e-4, rtol=1e-3)


def test_cross_validation_regularises_noisy_fields_more() -> None:
    discs = synthesise(1, seed=3)
    steps = discs.displacement[0].astype(float) * 103
    white = np.random.default_rng(0).normal(size=steps.shape) * 103

    def error(regularisation: float, displacement: np.ndarray) -> float:
        found = np.stack(
            fttc(
                displacement[..., 0],
                displacement[..., 1],
                regularisation=regularisation,
                poisson=0.49,
                pad=False,
            ),
            axis=-1,
        )
        return float(np.square(found - discs.traction[0]).sum())

    chosen = []
    for sigma in (1e-4, 1e-3):
        noisy = steps + sigma * white
        x, y = noisy[..., 0], noisy[..., 1]
        chosen.append(gcv_regularisation(x, y, poisson=0.49))
        best = min(error(r, noisy) for r in np.geomspace(1e-3, 1e3, 25))
        assert error(chosen[-1], noisy) < 2.5 * best
    assert chosen[0] < chosen[1]
