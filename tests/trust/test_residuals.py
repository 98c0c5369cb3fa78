"""Tests of the features that tell what a smooth residual is most like."""

import numpy as np
import pytest

from napari_vit_tfm.physics import surface_displacement
from napari_vit_tfm.synthesis import correlated
from napari_vit_tfm.trust.features import FEATURES
from napari_vit_tfm.trust.residuals import RESIDUAL_FEATURES, residual_features

SHAPE = (48, 64)
MARGIN = 30


def evidence(residual: np.ndarray) -> dict[str, float]:
    noise = np.random.default_rng(1).normal(0, 0.1 * residual.std(), residual.shape)
    return dict(
        zip(RESIDUAL_FEATURES, residual_features(residual + noise), strict=True)
    )


def caused(seed: int, *, is_inside: bool) -> np.ndarray:
    """Displacement in the field of tractions in it, or beyond its border."""
    rng = np.random.default_rng(seed)
    traction = rng.normal(size=(*(n + 2 * MARGIN for n in SHAPE), 2))
    field = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    inside = np.zeros(traction.shape, dtype=bool)
    inside[field] = True
    made = surface_displacement(np.where(inside == is_inside, traction, 0))[field]
    return np.moveaxis(made, -1, 0)


def smooth(seed: int) -> np.ndarray:
    """A smooth error, correlated over 8 grid steps."""
    white = np.random.default_rng(seed).normal(size=(2, *(n + 40 for n in SHAPE)))
    made = np.asarray(correlated(white, np.full(2, 8.0)))
    return made[:, : SHAPE[0], : SHAPE[1]]


@pytest.mark.parametrize("seed", range(3))
def test_the_cause_of_a_residual_has_the_most_evidence(seed: int) -> None:
    of_inside, of_beyond, _, _ = RESIDUAL_FEATURES
    beyond = evidence(caused(seed, is_inside=False))
    assert beyond[of_beyond] > 1
    assert beyond[of_beyond] > beyond[of_inside]
    inside = evidence(caused(seed, is_inside=True))
    assert inside[of_inside] > 1
    assert inside[of_inside] > inside[of_beyond]
    assert evidence(smooth(seed))[of_beyond] < -1
    assert evidence(smooth(seed))[of_inside] < -1


def test_they_depend_neither_on_the_unit_nor_on_a_drift() -> None:
    residual = caused(0, is_inside=False)
    expected = residual_features(residual)
    for other in (1e-6 * residual, residual + 3 * residual.std()):
        np.testing.assert_allclose(residual_features(other), expected, atol=1e-3)


def test_a_residual_of_zero_is_like_nothing() -> None:
    assert not residual_features(np.zeros((2, *SHAPE))).any()


def test_the_numbers_are_those_to_which_the_gauge_was_fitted() -> None:
    y, x = np.indices(SHAPE)
    waves = np.stack(
        [
            np.sin(x / 11) * np.cos(y / 17) + 0.2 * np.cos(x / 3),
            0.5 * np.cos(x / 23) + y / 60 * np.sin(y / 7),
        ]
    )
    expected = [-4.7854, -5.1777, -4.8909, -4.1252]
    np.testing.assert_allclose(residual_features(waves), expected, atol=1e-3)


def test_they_are_features_of_the_gauge() -> None:
    assert set(RESIDUAL_FEATURES) < set(FEATURES)
