from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vit_tfm import DisplacementStack, ReconstructionConfig, reconstruct
from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.displacement import bridge, holes_of
from napari_vit_tfm.displacement.outliers import FloatArray
from napari_vit_tfm.synthesis import CellDistribution, synthesise


def smooth(n: int = 64) -> FloatArray:
    white = np.random.default_rng(0).normal(size=(n, n, 2))
    return gaussian_filter(white, (6, 6, 0))


def test_known_vectors_are_kept_and_a_field_without_holes_is_the_same() -> None:
    field = smooth().astype(np.float32)
    np.testing.assert_array_equal(bridge(field), field)
    broken = field.copy()
    broken[5, 6, 0], broken[20:24, 30:36] = np.inf, np.nan
    found, missing = bridge(broken), holes_of(broken)
    assert missing.sum() == 25
    np.testing.assert_array_equal(found[~missing], field[~missing])
    assert np.abs(found - field).max() < 0.05 * np.abs(field).max()


@pytest.mark.parametrize("place", [np.s_[:, :12], np.s_[-9:, -9:], np.s_[:, 20:60]])
def test_broad_holes_get_no_large_values(place: tuple[slice, slice]) -> None:
    field = smooth()
    noisy = field + np.random.default_rng(1).normal(0, 0.1 * field.std(), field.shape)
    broken = noisy.copy()
    broken[place] = np.nan
    assert np.abs(bridge(broken)).max() <= 1.5 * np.abs(noisy).max()


def test_a_drift_is_bridged_by_a_drift() -> None:
    field = np.full((16, 16, 2), [1e4, -3.0])
    broken = field.copy()
    broken[4:9, 4:9] = np.nan
    np.testing.assert_allclose(bridge(broken), field, rtol=1e-6)


def test_nothing_to_bridge_from() -> None:
    assert not bridge(np.full((16, 16, 2), np.nan)).any()


def test_tractions_with_bridged_holes_are_nearly_the_same() -> None:
    cell = synthesise(1, seed=3, distribution=CellDistribution()).displacement
    missing = np.random.default_rng(0).random(cell.shape[:3]) < 0.05
    broken = np.where(missing[..., None], np.nan, cell)
    config = ReconstructionConfig(model="bayesian-fttc", device="cpu")
    whole, found = (
        reconstruct(
            DisplacementStack(data, unit="field"),
            config=config,
            preparation=PreparationConfig(fill_holes=True),
        ).data
        for data in (cell, broken)
    )
    assert np.square(found - whole).sum() < 0.05 * np.square(whole).sum()
