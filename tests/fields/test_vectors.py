"""The drift of a field."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.fields import drift_of, without_drift


def test_a_drift_is_frame_by_frame_and_component_by_component() -> None:
    rng = np.random.default_rng(0)
    rest = rng.normal(size=(2, 11, 21, 2))
    rest -= rest.mean(axis=(1, 2), keepdims=True)
    drift = np.array([[3.0, -50.0], [0.0, 7.0]])
    data = (rest + drift[:, None, None]).astype(np.float32)
    np.testing.assert_allclose(drift_of(data), drift, atol=1e-6)
    left = without_drift(data)
    assert left.dtype == np.float32
    # What the large drift has cost, it has cost in `data`.
    np.testing.assert_allclose(left, rest, atol=2 * np.spacing(np.float32(50)))
    assert np.abs(drift_of(left)).max() < 1e-7


@pytest.mark.parametrize("shape", [(16, 16), (256, 256)])
def test_nothing_is_left_of_a_mere_drift(shape: tuple[int, int]) -> None:
    data = np.full((1, *shape, 2), [0.1, -123.456], dtype=np.float32)
    assert not without_drift(data).any()
    assert not without_drift(np.zeros_like(data)).any()
