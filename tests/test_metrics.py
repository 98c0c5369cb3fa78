"""Scores by hand."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.metrics import relative_squared_error, sum_of_squared_errors


def test_scores_of_a_field_by_hand() -> None:
    truth = np.zeros((2, 3, 3, 2), dtype=np.float32)
    truth[0, 1, 1] = [3, 4]
    found = truth.copy()
    found[0, 0, 0] = [1, 2]
    found[1, 0, 0] = [0, 2]
    np.testing.assert_allclose(sum_of_squared_errors(found, truth), [5, 4])
    np.testing.assert_allclose(relative_squared_error(found, truth), [0.2, np.nan])


def test_predicting_zero_scores_one() -> None:
    truth = np.random.default_rng(0).normal(size=(4, 8, 8, 2))
    zero = np.zeros_like(truth)
    np.testing.assert_allclose(relative_squared_error(zero, truth), 1)
