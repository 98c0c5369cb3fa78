from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.displacement import zero_regions
from napari_vit_tfm.synthesis import KINDS, synthesise


def test_regions_and_single_zeros() -> None:
    field = np.random.default_rng(0).normal(size=(64, 64, 2))
    field[:, 50:62] = 0
    field[5, 5] = field[20, 20:22] = 0
    field[30, 30, 0] = 0
    expected = np.zeros((64, 64), dtype=bool)
    expected[:, 50:62] = True
    np.testing.assert_array_equal(zero_regions(field), expected)


def test_zeros_of_rounded_and_of_resting_frames_are_measured() -> None:
    field = np.zeros((64, 64, 2))
    assert not zero_regions(field).any()
    field[20:40, 20:40] = np.linspace(0.1, 2.0, 20)[:, None]
    assert not zero_regions(np.round(field, 1)).any()


@pytest.mark.parametrize("n", [10, 50, 200, 1000])
def test_rounded_resting_frames_have_no_regions(n: int) -> None:
    for kind in KINDS:
        drawn = synthesise(1, seed=2, shape=(64, 64), distribution=KINDS[kind]())
        field = drawn.displacement[0].copy()
        largest = np.abs(field).max()
        assert not zero_regions(np.round(field / largest * n) * (largest / n)).any()
        field[:, :12] = 0
        assert zero_regions(field).sum() == 64 * 12
