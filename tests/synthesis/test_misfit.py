"""What does not fit the model of the gel."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.physics import surface_displacement
from napari_vit_tfm.synthesis import MisfitDistribution, add_misfit, synthesise
from napari_vit_tfm.synthesis.misfit import CAUSES


@pytest.fixture(scope="module")
def fields() -> tuple[np.ndarray, np.ndarray]:
    made = synthesise(6, seed=0, shape=(40, 48))
    displacement, traction = (
        np.moveaxis(stack, -1, 1) for stack in (made.displacement, made.traction)
    )
    return displacement, traction


def sizes(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(vectors.var(axis=(2, 3)).mean(axis=1))


@pytest.mark.parametrize("name", CAUSES)
def test_every_cause_changes_the_shape_of_the_displacement(
    name: str, fields: tuple[np.ndarray, np.ndarray]
) -> None:
    traction = fields[1][0].astype(float)
    added = CAUSES[name](np.random.default_rng(0), traction)
    assert added.shape == traction.shape
    steps = np.moveaxis(surface_displacement(np.moveaxis(traction, 0, -1)), -1, 0)
    added, steps = (a - a.mean(axis=(1, 2), keepdims=True) for a in (added, steps))
    correlation = (added * steps).sum() / np.sqrt((added**2).sum() * (steps**2).sum())
    assert abs(correlation) < 0.99


def test_a_short_response_takes_away_what_is_far() -> None:
    traction = np.zeros((2, 41, 41))
    traction[0, 20, 20] = 1.0
    whole = np.moveaxis(surface_displacement(np.moveaxis(traction, 0, -1)), -1, 0)
    left = whole + CAUSES["short response"](np.random.default_rng(0), traction)
    np.testing.assert_allclose(left[:, 18:23, 18:23], whole[:, 18:23, 18:23], atol=1e-6)
    assert abs(left[:, 0]).max() < 1e-6


def test_its_size_is_relative_to_the_displacement(
    fields: tuple[np.ndarray, np.ndarray],
) -> None:
    one = MisfitDistribution(size=(0.2, 0.2), both_share=0.0)
    rng = np.random.default_rng(0)
    changed = add_misfit(*fields, share=1.0, rng=rng, distribution=one)
    ratio = sizes(changed - fields[0]) / sizes(fields[0])
    np.testing.assert_allclose(ratio, 0.2, rtol=1e-3)


def test_only_a_share_of_the_fields_is_changed(
    fields: tuple[np.ndarray, np.ndarray],
) -> None:
    rng = np.random.default_rng(1)
    changed = add_misfit(*fields, share=0.5, rng=rng)
    is_changed = (changed != fields[0]).any(axis=(1, 2, 3))
    assert 0 < is_changed.sum() < len(is_changed)


def test_a_field_without_traction_stays_finite() -> None:
    nothing = np.zeros((8, 2, 16, 16))
    rng = np.random.default_rng(0)
    changed = add_misfit(nothing, nothing, share=1.0, rng=rng)
    assert not changed.any()
