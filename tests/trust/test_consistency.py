"""Tests of forward consistency."""

import numpy as np
import pytest

from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.trust.consistency import (
    explained_inside,
    explained_map,
    forward_consistency,
)


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


def test_share_inside_a_region(traction: np.ndarray) -> None:
    steps = surface_displacement(traction)
    region = np.zeros((32, 40), dtype=bool)
    region[8:24, 4:16] = True
    wrong = np.where(region[..., None], 0.5 * steps, 0.0)
    inside = explained_inside(steps - wrong, wrong, region)
    outside = explained_inside(steps - wrong, wrong, ~region)
    assert (inside < 0.8).all()
    assert (outside > 0.95).all()
    everywhere = explained_inside(steps - wrong, wrong, np.ones((32, 40), bool))
    whole = forward_consistency(steps.astype(np.float32), traction)
    assert (everywhere < whole.explained).all()


def test_share_inside_a_region_with_holes(traction: np.ndarray) -> None:
    steps = surface_displacement(traction)
    residual = 0.1 * steps
    region = np.ones((32, 40), dtype=bool)
    known = explained_inside(steps - residual, residual, region)
    residual[:, 3:5, 3:5] = np.nan
    found = explained_inside(steps - residual, residual, region)
    np.testing.assert_allclose(found, known, atol=0.01)
    assert np.isnan(explained_inside(steps, residual, ~region)).all()


def test_the_mean_is_that_of_the_whole_field(traction: np.ndarray) -> None:
    steps = surface_displacement(traction)
    residual = 0.1 * steps
    region = np.zeros((32, 40), dtype=bool)
    region[10:14, 4:10] = True
    plain = explained_inside(steps - residual, residual, region)
    # A drift counts neither in the displacement nor in the residual.
    drift = np.array([3.0, -5.0])
    drifted = explained_inside(steps - residual, residual + drift, region)
    np.testing.assert_allclose(drifted, plain)
    # What is the same everywhere in the region alone is no drift.
    shift = np.where(region[..., None], 0.5 * np.abs(steps).max(), 0.0)
    shifted = explained_inside(steps - residual, residual + shift, region)
    assert (shifted < plain - 0.1).all()
    # By hand, for the first frame.
    left, all_of_it = (
        np.square(part - part.mean(axis=(0, 1)))[region].sum()
        for part in (residual[0] + shift, steps[0] + shift)
    )
    assert shifted[0] == pytest.approx(1 - left / all_of_it)


def test_map_of_the_share_explained(traction: np.ndarray) -> None:
    steps = surface_displacement(traction)
    is_left = np.arange(40)[:, None] < 20
    residual = np.where(is_left, 0.0, steps)
    residual -= residual.mean(axis=(1, 2), keepdims=True)
    found = explained_map(steps - residual, residual)
    assert found.shape == steps.shape[:3]
    known = np.isfinite(found)
    assert known.any()
    assert not known.all()
    # Weak displacements tell nothing.
    lengths = np.linalg.norm(steps - steps.mean(axis=(1, 2), keepdims=True), axis=-1)
    assert lengths[known].mean() > 2 * lengths[~known].mean()
    left, right = found[..., :12], found[..., 28:]
    assert np.nanmedian(left) > 0.8
    assert np.nanmedian(right) < 0.6
    # Holes have no share, and do not spread.
    broken = residual.copy()
    broken[:, 14:16, 8:10] = np.nan
    again = explained_map(steps - residual, broken)
    assert np.isnan(again[:, 14:16, 8:10]).all()
    assert np.isfinite(again[:, 20, 9][known[:, 20, 9]]).all()
