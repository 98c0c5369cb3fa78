"""Scores by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_vit_tfm.benchmark.metrics import (
    direction_cosine,
    direction_error_degrees,
    dma,
    dtma,
    dtma_absolute,
    dtmb,
    relative_squared_error,
    snr,
    sum_of_squared_errors,
)
from napari_vit_tfm.errors import FieldError

AT_ADHESIONS = [
    dtma,
    dtma_absolute,
    dtmb,
    snr,
    dma,
    direction_error_degrees,
    direction_cosine,
]
Metric = Callable[..., np.ndarray]


@pytest.fixture
def patches() -> tuple[np.ndarray, np.ndarray]:
    """Two patches, of 4 and of 6 nodes, magnitudes 5 and 2, on 9 x 11 nodes."""
    truth = np.zeros((9, 11, 2))
    segmentation = np.zeros((9, 11), dtype=np.uint8)
    truth[1:3, 1:3] = [3, 4]
    segmentation[1:3, 1:3] = 1
    truth[5:7, 6:9] = [-2, 0]
    # Numbers need not follow each other.
    segmentation[5:7, 6:9] = 7
    return truth, segmentation


def turned(vectors: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    turn = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    return vectors @ np.array(turn)


def test_squared_errors_of_a_field_by_hand() -> None:
    truth = np.zeros((2, 3, 3, 2), dtype=np.float32)
    truth[0, 1, 1] = [3, 4]
    found = truth.copy()
    found[0, 0, 0] = [1, 2]
    found[1, 0, 0] = [0, 2]
    np.testing.assert_allclose(sum_of_squared_errors(found, truth), [5, 4])
    np.testing.assert_allclose(relative_squared_error(found, truth), [0.2, np.nan])


def test_the_truth_itself_is_perfect(patches: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = patches
    perfect = [0, 0, 0, np.inf, 0, 0, 1]
    found = [metric(truth, truth, segmentation) for metric in AT_ADHESIONS]
    np.testing.assert_allclose(found, perfect, atol=1e-12)


def test_predicting_zero(patches: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = patches
    zero = np.zeros_like(truth)
    assert relative_squared_error(zero, truth) == 1
    of_zero = [-1, 1, 0, np.nan, -1, np.nan, np.nan]
    found = [metric(zero, truth, segmentation) for metric in AT_ADHESIONS]
    np.testing.assert_allclose(found, of_zero)


def test_a_tenth_too_strong(patches: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = patches
    for metric in (dtma, dtma_absolute, dma):
        assert metric(1.1 * truth, truth, segmentation) == pytest.approx(0.1)


def test_opposite_deviations_make_up_for_each_other_but_not_in_size(
    patches: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, segmentation = patches
    found = truth.copy()
    found[segmentation == 1] *= 1.5
    found[segmentation == 7] *= 0.5
    assert dtma(found, truth, segmentation) == pytest.approx(0)
    assert dtma_absolute(found, truth, segmentation) == pytest.approx(0.5)


def test_every_patch_weighs_the_same(patches: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = patches
    found = truth.copy()
    found[segmentation == 7] *= 1.3
    assert dtma(found, truth, segmentation) == pytest.approx(0.15)


def test_maximum(patches: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = patches
    found = truth.copy()
    found[1, 1] *= 2
    assert dma(found, truth, segmentation) == pytest.approx(0.5)
    assert dtma(found, truth, segmentation) == pytest.approx(0.125)


def test_background(patches: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = patches
    found = truth.copy()
    found[segmentation == 0] = [0.3, 0.4]
    # A magnitude of 0.5 everywhere, over the patches' mean of 3.5.
    assert dtmb(found, truth, segmentation) == pytest.approx(0.5 / 3.5)
    assert dtma(found, truth, segmentation) == 0
    # The components are 0.3 and 0.4, so their standard deviation is 0.05.
    assert snr(found, truth, segmentation) == pytest.approx(3.5 / 0.05)


def test_the_signal_is_the_reconstruction_s(
    patches: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, segmentation = patches
    noise = np.random.default_rng(0).normal(0, 0.1, truth.shape)
    background = segmentation == 0
    noise[~background] = 0
    found = truth + noise
    expected = 3.5 / noise[background].std()
    assert snr(found, truth, segmentation) == pytest.approx(expected)
    halved = 0.5 * truth + noise
    assert snr(halved, truth, segmentation) == pytest.approx(expected / 2)


@pytest.mark.parametrize("degrees", [10, -10, 90, 170])
def test_rotation(patches: tuple[np.ndarray, np.ndarray], degrees: float) -> None:
    truth, segmentation = patches
    found = 3 * turned(truth, degrees)
    assert direction_error_degrees(found, truth, segmentation) == pytest.approx(
        abs(degrees)
    )
    cosine = np.cos(np.radians(degrees))
    assert direction_cosine(found, truth, segmentation) == pytest.approx(cosine)


def test_direction_is_that_of_the_patch_s_mean(
    patches: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, segmentation = patches
    found = truth.copy()
    # Half of a patch is turned one way and half the other: their mean is right.
    found[1, 1:3], found[2, 1:3] = turned(truth[1, 1:3], 30), turned(truth[2, 1:3], -30)
    assert direction_error_degrees(found, truth, segmentation) == pytest.approx(
        0, abs=1e-6
    )
    # A patch that was not found has no direction; the other one has.
    found[segmentation == 1] = 0
    found[segmentation == 7] = turned(truth[segmentation == 7], 20)
    assert direction_error_degrees(found, truth, segmentation) == pytest.approx(20)


def test_patches_that_do_not_pull_are_neither_patch_nor_background(
    patches: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, segmentation = patches
    found = 1.2 * truth + 0.01 * np.arange(truth.size).reshape(truth.shape)
    without = [metric(found, truth, segmentation) for metric in AT_ADHESIONS]
    idle = segmentation.copy()
    idle[8, 0:4] = 9
    found[8, 0:4] = 1e6
    cut = [metric(found, truth, idle) for metric in AT_ADHESIONS]
    assert all(np.isfinite(cut))
    for name in (dtma, dtma_absolute, dma, direction_error_degrees, direction_cosine):
        index = AT_ADHESIONS.index(name)
        assert cut[index] == without[index]
    assert dtmb(found, truth, idle) < dtmb(found, truth, segmentation) / 100


def test_fields_that_leave_scores_undefined(
    patches: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, segmentation = patches
    nothing = np.zeros_like(truth)
    for metric in AT_ADHESIONS:
        assert np.isnan(metric(truth, nothing, segmentation))
        assert np.isnan(metric(truth, truth, np.zeros_like(segmentation)))
    everywhere = np.ones_like(segmentation)
    assert np.isnan(dtmb(truth, truth, everywhere))
    assert np.isnan(snr(truth, truth, everywhere))
    assert dtma(truth, truth, everywhere) == 0


@pytest.mark.parametrize("metric", AT_ADHESIONS)
def test_one_value_per_field(
    patches: tuple[np.ndarray, np.ndarray], metric: Metric
) -> None:
    truth, segmentation = patches
    rng = np.random.default_rng(1)
    truths = truth * rng.uniform(0.5, 2, (2, 3, 1, 1, 1))
    found = truths + rng.normal(0, 0.1, truths.shape)
    labels = np.broadcast_to(segmentation, (2, 3, 9, 11))
    scores = metric(found.astype(np.float32), truths, labels)
    assert scores.shape == (2, 3)
    assert scores.dtype == np.float64
    alone = metric(found[1, 2].astype(np.float32), truths[1, 2], segmentation)
    assert alone.shape == ()
    assert scores[1, 2] == alone


def test_what_does_not_belong_together(
    patches: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, segmentation = patches
    with pytest.raises(FieldError, match="do not match"):
        dtma(truth, truth, segmentation[1:])
    with pytest.raises(FieldError, match="do not match"):
        dtma(truth[1:], truth, segmentation)
    with pytest.raises(FieldError, match="integers, not float64"):
        dtma(truth, truth, segmentation.astype(float))
