"""From a gel's field to the reference gel's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gel import REFERENCE_GEL, Gel
from napari_vit_tfm.physics import Substrate, disc_displacement
from napari_vit_tfm.physics.halfspace import (
    filter_modes,
    half_space_response,
    layer_response,
)


def disc_field(poisson: float) -> np.ndarray:
    nodes = np.linspace(0, 1, 104)
    rng = np.random.default_rng(2)
    return disc_displacement(
        nodes,
        nodes,
        rng.uniform(0.15, 0.85, (12, 2)),
        rng.uniform(0.01, 0.05, 12),
        rng.uniform(-0.3, 0.3, (12, 2)),
        poisson=poisson,
    )


def squared_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.square(a - b).sum() / np.square(b).sum())


def test_another_poisson_ratio_is_corrected() -> None:
    measured, reference = disc_field(0.30), disc_field(0.49)
    before = squared_difference(measured, reference)
    after = squared_difference(
        Substrate(Gel(poisson=0.30)).to_reference(measured), reference
    )
    assert before > 0.005
    assert after < before / 10


def test_a_layer_is_corrected_by_its_thickness_over_the_spacing() -> None:
    pull = np.zeros((2, 48, 48))
    pull[0, 20:28, 12:16], pull[0, 20:28, 32:36] = 1, -1

    def response(thickness_steps: float):
        def gains(k):
            safe = np.where(k > 0, k, 1.0)
            return layer_response(safe, poisson=0.49, thickness_steps=thickness_steps)

        return gains

    # 8 um of gel at 2 um spacing are 4 grid steps.
    thin = np.stack(filter_modes(*pull, response(4.0), pad=True), axis=-1)
    thick = np.stack(filter_modes(*pull, response(1e6), pad=True), axis=-1)
    corrected = Substrate(Gel(thickness_um=8.0)).to_reference(thin, spacing_um=2.0)
    # What crosses the border of the field cannot be known; look at the middle.
    middle = (slice(14, 34), slice(14, 34))
    centred = [
        f[middle] - f[middle].mean(axis=(0, 1)) for f in (thin, thick, corrected)
    ]
    assert squared_difference(centred[2], centred[1]) < 0.02
    assert squared_difference(centred[0], centred[1]) > 0.05


def test_the_reference_gel_changes_nothing_and_precision_is_kept() -> None:
    field = disc_field(0.49).astype(np.float32)
    assert Substrate(Gel(young_pa=1e4)).to_reference(field) is field
    assert Substrate(Gel(poisson=0.4)).to_reference(field).dtype == np.float32


@pytest.mark.parametrize("gel", [Gel(poisson=0.3), Gel(poisson=0.4, thickness_um=8.0)])
def test_a_drift_stays_what_it_is(gel: Gel) -> None:
    drift = np.array([0.7, -0.2])
    substrate = Substrate(gel)
    found = substrate.to_reference(np.broadcast_to(drift, (20, 24, 2)), spacing_um=1.0)
    np.testing.assert_allclose(found - drift, 0, atol=1e-12)
    field = disc_field(0.3)
    moved = substrate.to_reference(field + drift, spacing_um=1.0)
    still = substrate.to_reference(field, spacing_um=1.0)
    np.testing.assert_allclose(moved - drift, still, atol=1e-12)


def test_what_is_not_known_of_a_gel_is_as_in_the_reference_gel() -> None:
    assert Substrate().gel == Substrate(Gel()).gel == REFERENCE_GEL
    assert Substrate(Gel()) == Substrate(Gel(poisson=0.49, thickness_um=math.inf))
    soft = Gel(young_pa=700.0, poisson=0.3)
    assert Substrate(soft).gel == Gel(700.0, 0.3, math.inf)
    # Nothing of this is written back to what is known.
    assert soft.thickness_um is None


def test_a_thickness_needs_the_spacing() -> None:
    with pytest.raises(FieldError, match="vector spacing"):
        Substrate(Gel(thickness_um=30)).to_reference(np.zeros((16, 16, 2)))


def test_the_response_is_the_layer_s_in_grid_steps() -> None:
    k = np.array([0.1, 1.0])
    gel = Substrate(Gel(poisson=0.4, thickness_um=12.0))
    np.testing.assert_allclose(
        gel.response(spacing_um=3.0)(k),
        layer_response(k, poisson=0.4, thickness_steps=4.0),
    )
    np.testing.assert_allclose(
        Substrate(Gel(poisson=0.4)).response()(k), half_space_response(k, poisson=0.4)
    )
    with pytest.raises(FieldError, match="vector spacing"):
        gel.response()


@pytest.mark.parametrize(
    "gel", [Gel(poisson=0.3), Gel(poisson=0.45), Gel(poisson=0.4, thickness_um=15.0)]
)
def test_noise_is_as_strong_as_after_the_conversion(gel: Gel) -> None:
    substrate = Substrate(gel)
    noise = np.random.default_rng(0).normal(size=(96, 96, 2))
    converted = substrate.to_reference(noise, spacing_um=1.0)
    factor = substrate.noise_in_reference(spacing_um=1.0)

    def details(field: np.ndarray) -> float:
        """Short waves, in which the noise is: a layer changes long waves more."""
        return float(np.diff(np.diff(field, axis=0), axis=1).std())

    assert factor == pytest.approx(details(converted) / details(noise), rel=0.03)
    assert Substrate().noise_in_reference() == pytest.approx(1)
