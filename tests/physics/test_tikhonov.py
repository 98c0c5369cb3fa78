"""FTTC: round trips, the border, the choice of regularisation, the zero field."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from napari_vit_tfm.physics.halfspace import (
    Response,
    displacement_of,
    half_space_response,
    layer_response,
)
from napari_vit_tfm.physics.tikhonov import (
    choose_regularisation,
    fttc,
    periodic_component,
    smooth_modes,
)
from napari_vit_tfm.synthesis import synthesise

GELS: dict[str, Response] = {
    "soft": partial(half_space_response, poisson=0.3),
    "reference": partial(half_space_response, poisson=0.49),
    "layer": partial(layer_response, poisson=0.45, thickness_steps=5.0),
}


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


def discs(n_fields: int) -> tuple[np.ndarray, np.ndarray]:
    """Displacements in grid steps and tractions, both ``(n, 2, H, W)``."""
    made = synthesise(n_fields, seed=3)
    moved = (np.moveaxis(f, -1, 1) for f in (made.displacement, made.traction))
    displacement, traction = (np.asarray(f, dtype=float) for f in moved)
    return displacement * 103, traction


def squared_error(found: tuple[np.ndarray, ...], truth: np.ndarray) -> float:
    return float(np.square(np.stack(found) - truth).sum())


@pytest.mark.parametrize("shape", [(32, 32), (24, 40)])
@pytest.mark.parametrize("gel", GELS)
def test_known_traction_forward_and_back(shape: tuple[int, int], gel: str) -> None:
    traction = random_traction(shape)
    displacement = displacement_of(*traction, response=GELS[gel], pad=False)
    found = fttc(*displacement, regularisation=0, response=GELS[gel])
    np.testing.assert_allclose(found, traction, atol=1e-10)


def test_a_field_of_zeros_has_no_traction_and_a_drift_neither() -> None:
    zero, drift = np.zeros((16, 18)), np.full((16, 18), 3.0)
    for x in (zero, drift):
        chosen = choose_regularisation(x, zero)
        for found in fttc(x, zero, regularisation=chosen):
            np.testing.assert_allclose(found, 0, atol=1e-14)


def test_torch_gives_numpy_s_numbers() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 3, 18, 21))
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    for found, wanted in zip(
        fttc(*tensors, regularisation=0.5), fttc(x, y, regularisation=0.5), strict=True
    ):
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)
    np.testing.assert_allclose(
        periodic_component(tensors[0]).numpy(), periodic_component(x), atol=1e-12
    )


@pytest.mark.parametrize("shape", [(18, 21), (17, 24)])
def test_the_laplacian_of_the_smooth_component_is_that_of_the_jumps(
    shape: tuple[int, int],
) -> None:
    x = np.random.default_rng(0).normal(size=(3, *shape))
    smooth = x - periodic_component(x)
    # Around a node, also beyond the border, where the field goes on periodically.
    around = sum(np.roll(smooth, n, axis) for n in (1, -1) for axis in (1, 2))
    jumps = np.zeros_like(x)
    for axis in (1, 2):
        first, last = np.take(x, [0], axis), np.take(x, [-1], axis)
        n = shape[axis - 1]
        jumps += np.concatenate(
            [last - first, np.zeros_like(np.take(x, range(n - 2), axis)), first - last],
            axis,
        )
    np.testing.assert_allclose(around - 4 * smooth, jumps, atol=1e-12)
    np.testing.assert_allclose(smooth.mean(axis=(1, 2)), 0, atol=1e-14)
    modes = np.fft.rfft2(x) - smooth_modes(x)
    np.testing.assert_allclose(modes, np.fft.rfft2(x - smooth), atol=1e-12)


def test_what_is_periodic_stays() -> None:
    # Whole waves along one axis; along the other they end where they began.
    rows, columns = np.arange(20)[:, None], np.arange(31)
    x = np.cos(2 * np.pi * rows / 19) * np.sin(2 * np.pi * columns / 30)
    np.testing.assert_allclose(periodic_component(x), x, atol=1e-12)
    ramp = np.tile(columns.astype(float), (20, 1))
    # The border takes its share of the slope: one step in as many as there are.
    left = periodic_component(ramp)
    for field in (ramp, left):
        field -= field.mean()
    np.testing.assert_allclose(left, ramp / 31, atol=1e-10)


def test_without_the_jumps_at_the_border_the_error_is_a_fraction() -> None:
    for displacement, truth in zip(*discs(2), strict=True):
        jumping = squared_error(fttc(*displacement, regularisation=1.0), truth)
        periodic = fttc(*periodic_component(displacement), regularisation=0.1)
        assert squared_error(periodic, truth) < 0.4 * jumping


@pytest.mark.parametrize("correlation", [0.0, 1.0])
@pytest.mark.parametrize("sigma", [0.01, 0.1])
def test_the_chosen_regularisation_is_near_the_best(
    sigma: float, correlation: float
) -> None:
    noise = sigma * correlated_noise((2, 2, 104, 104), correlation)
    displacement, traction = discs(2)
    for measured, truth in zip(displacement + noise, traction, strict=True):
        chosen = choose_regularisation(*measured)
        periodic = periodic_component(measured)

        def error(
            regularisation: float,
            periodic: np.ndarray = periodic,
            truth: np.ndarray = truth,
        ) -> float:
            return squared_error(fttc(*periodic, regularisation=regularisation), truth)

        best = min(error(candidate) for candidate in np.geomspace(1e-3, 1e3, 25))
        assert error(chosen) < 1.15 * best


def test_the_gel_s_thickness_changes_what_is_chosen() -> None:
    measured = discs(1)[0][0] + 0.1 * correlated_noise((2, 104, 104), 0)
    thin = choose_regularisation(*measured, response=GELS["layer"])
    thick = choose_regularisation(*measured, response=GELS["reference"])
    assert thin != thick


def correlated_noise(shape: tuple[int, ...], length: float) -> np.ndarray:
    """White noise convolved with a Gaussian, of variance 1."""
    k_y, k_x = (2 * np.pi * np.fft.fftfreq(n) for n in shape[-2:])
    gain = np.exp(-(k_y[:, None] ** 2 + k_x**2) * length**2 / 2)
    gain /= np.sqrt(np.square(gain).mean())
    white = np.random.default_rng(0).normal(size=shape)
    return np.fft.ifft2(np.fft.fft2(white) * gain).real
