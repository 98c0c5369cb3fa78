"""Tests of forward consistency."""

import numpy as np
import pytest

from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.trust.consistency import forward_consistency


@pytest.fixture
def traction() -> np.ndarray:
    """Two frames with two adhesions that pull towards each other."""
    traction = np.zeros((2, 32, 40, 2))
    traction[:, 12:18, 8:12, 0], traction[:, 12:18, 24:28, 0] = 0.1, -0.1
    traction[1] *= 2
    return traction


def test_residual_and_model_add_up_to_the_displacement(traction: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    steps = surface_displacement(traction) + rng.normal(0, 0.01, traction.shape)
    found = forward_consistency(steps.astype(np.float32), 0.8 * traction)
    np.testing.assert_allclose(found.model + found.residual, steps, atol=1e-6)
    assert (found.explained > 0.9).all()
    assert (found.explained < 0.97).all()


def test_known_share(traction: np.ndarray) -> None:
    # With a share a of the traction, (1 - a)^2 of the squares are left.
    steps = surface_displacement(traction).astype(np.float32)
    found = forward_consistency(steps, 0.9 * traction)
    np.testing.assert_allclose(found.explained, 1 - 0.1**2, atol=1e-6)


def test_drift_does_not_count(traction: np.ndarray) -> None:
    steps = surface_displacement(traction).astype(np.float32) + np.float32(0.5)
    found = forward_consistency(steps, traction)
    np.testing.assert_allclose(found.explained, 1, atol=1e-5)
    np.testing.assert_allclose(found.residual, 0.5, atol=1e-5)


def test_gel_counts(traction: np.ndarray) -> None:
    layer = Substrate(Gel(thickness_um=4.0))
    steps = surface_displacement(traction, layer, spacing_um=1.0).astype(np.float32)
    right = forward_consistency(steps, traction, layer, spacing_um=1.0)
    wrong = forward_consistency(steps, traction)
    np.testing.assert_allclose(right.explained, 1, atol=1e-6)
    assert (wrong.explained < 0.9).all()


def test_frame_at_rest_has_no_share() -> None:
    still = np.zeros((1, 16, 16, 2), np.float32)
    assert np.isnan(forward_consistency(still, still).explained).all()
