from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vit_tfm.benchmark.held_out import KINDS as HELD_OUT
from napari_vit_tfm.benchmark.held_out import simulate
from napari_vit_tfm.displacement import find_outliers
from napari_vit_tfm.displacement.outliers import noise_of
from napari_vit_tfm.synthesis import KINDS, AdhesionDistribution, synthesise


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("kind", KINDS)
def test_no_alarms_on_training_fields(kind: str, noise: float) -> None:
    fields = synthesise(3, seed=7, distribution=KINDS[kind]()).displacement
    assert alarms(fields, noise) == 0


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("kind", HELD_OUT)
def test_no_alarms_on_held_out_fields(kind: str, noise: float) -> None:
    assert alarms(simulate(kind, 2, seed=7)[0], noise) == 0


def alarms(fields: np.ndarray, noise: float) -> int:
    rng, found = np.random.default_rng(0), 0
    for field in fields:
        size = noise * np.sqrt(np.square(field - field.mean(axis=(0, 1))).mean())
        found += find_outliers(field + size * rng.standard_normal(field.shape)).count
    return found


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("drift", [0.0, 30.0])
def test_every_unit_and_drift_gives_the_same_outliers(
    scale: float, drift: float
) -> None:
    field = 103.0 * synthesise(
        1, seed=1, distribution=AdhesionDistribution()
    ).displacement[0].astype(float)
    rng = np.random.default_rng(2)
    field += rng.normal(0, 0.01, field.shape)
    wrong = rng.random(field.shape[:2]) < 0.02
    field[wrong] += rng.choice([-1, 1], (wrong.sum(), 2)) * 3.0
    found = find_outliers((field + drift) * scale)
    assert (found.mask & wrong).sum() >= 0.97 * wrong.sum()
    assert not (found.mask & ~wrong).any()


def test_neighbouring_outliers_do_not_hide_each_other() -> None:
    field = np.random.default_rng(0).normal(0, 0.01, (32, 32, 2))
    wrong = np.zeros((32, 32), dtype=bool)
    wrong[[10, 10, 11, 0, 31], [10, 11, 10, 0, 15]] = True
    field[wrong] = [[50.0, 3.0], [1.0, 1.0], [-1.0, 2.0], [1.0, -4.0], [0.0, 1.0]]
    found = find_outliers(field)
    np.testing.assert_array_equal(found.mask, wrong)


def test_holes_and_rounding_are_no_outliers() -> None:
    field = np.random.default_rng(0).normal(0, 1, (40, 40, 2)).cumsum(axis=1) / 10
    broken = field.copy()
    broken[np.random.default_rng(1).random((40, 40)) < 0.3] = np.nan
    assert find_outliers(broken).count == 0
    smooth = np.stack([np.linspace(0, 5, 64) * np.ones((64, 1))] * 2, axis=-1)
    assert find_outliers(np.round(smooth, 1)).count == 0
    assert find_outliers(np.full((16, 16, 2), np.nan)).count == 0
    assert find_outliers(np.zeros((3, 3, 2))).count == 0


def test_the_noise_of_correlated_vectors() -> None:
    rng = np.random.default_rng(0)
    noise = gaussian_filter(rng.normal(size=(128, 128, 2)), (1, 1, 0), mode="wrap")
    found = noise_of(noise)
    assert found is not None
    assert abs(found / noise.std() - 1) < 0.1
