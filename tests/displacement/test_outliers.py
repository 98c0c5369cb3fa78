from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vit_tfm.benchmark.held_out import KINDS as HELD_OUT
from napari_vit_tfm.benchmark.held_out import simulate
from napari_vit_tfm.displacement import bridge, find_outliers
from napari_vit_tfm.displacement.outliers import noise_of
from napari_vit_tfm.physics.bayesian import bayesian_fttc
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


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("kind", ["cells", "pads", "band"])
def test_tractions_after_wrong_peaks_are_replaced(kind: str, noise: float) -> None:
    size = (43, 43)
    drawn = synthesise(3, seed=100, shape=size, distribution=KINDS[kind]())
    rng = np.random.default_rng(1)
    for clean in 42.0 * drawn.displacement:
        field = clean + noise * clean.std() * rng.standard_normal(clean.shape)
        wrong = field.copy()
        places = np.unravel_index(rng.choice(43 * 43, 16, replace=False), size)
        angle, length = rng.uniform(0, 2 * np.pi, 16), rng.uniform(0.1, 5, 16)
        length *= np.linalg.norm(field, axis=-1).max()
        wrong[places] = np.stack([np.cos(angle), np.sin(angle)], 1) * length[:, None]
        # One wrong vector is in the strongest adhesion.
        strongest = np.unravel_index(np.square(field).sum(axis=-1).argmax(), size)
        wrong[strongest] = -field[strongest]
        wrong[find_outliers(wrong).mask] = np.nan
        assert correlation(bridge(wrong), field) > 0.95


def correlation(field: np.ndarray, other: np.ndarray) -> float:
    tractions = [
        np.stack(bayesian_fttc(*np.moveaxis(part.astype(float), -1, 0))).ravel()
        for part in (field, other)
    ]
    return float(np.corrcoef(*tractions)[0, 1])


@pytest.mark.parametrize("kind", ["fibres", "cells", "adhesions"])
def test_vectors_off_by_more_than_five_deviations_are_found(kind: str) -> None:
    fields = 103.0 * synthesise(2, seed=8, distribution=KINDS[kind]()).displacement
    rng, found, all_of_them = np.random.default_rng(0), 0, 0
    for field in fields:
        around = np.stack(
            [np.roll(field, (dy, dx), (0, 1)) for dy, dx in np.ndindex(3, 3)]
        )
        around = np.roll(np.delete(around, 4, axis=0), (-1, -1), (1, 2))
        median = np.median(around, axis=0)
        scatter = np.median(np.linalg.norm(around - median, axis=-1), axis=0)
        deviation = scatter + 0.1 * np.linalg.norm(median, axis=-1)
        angle = rng.uniform(0, 2 * np.pi, deviation.shape)
        off = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        off *= (rng.uniform(5, 20, deviation.shape) * deviation)[..., None]
        replaced = rng.random(deviation.shape) < 0.01
        mask = find_outliers(np.where(replaced[..., None], median + off, field)).mask
        found += int((mask & replaced).sum())
        all_of_them += int(replaced.sum())
    assert found > 0.9 * all_of_them


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


def test_turned_vectors_at_the_border_are_found() -> None:
    found = 0
    for kind in ("colony", "layer", "pads", "cells"):
        drawn = synthesise(8, seed=3, shape=(43, 43), distribution=KINDS[kind]())
        for field in 42 * drawn.displacement:
            longest = np.linalg.norm(field[0], axis=-1).argmax()
            field[0, longest] = field[0, longest, ::-1] * (1, -1)
            found += int(find_outliers(field).mask[0, longest])
    assert found >= 26
