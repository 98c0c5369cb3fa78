"""Tractions, with what belongs to each of their frames."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack

ONES = np.ones((2, 11, 21, 2))


def test_one_frame_is_a_stack_of_one() -> None:
    stack = TractionStack(ONES[0], unit="Pa")
    assert stack.data.shape == (1, 11, 21, 2)
    assert (stack.n_frames, stack.grid_shape) == (1, (11, 21))
    np.testing.assert_allclose(stack.magnitude(), np.sqrt(2), rtol=1e-6)


@pytest.mark.parametrize("values", [{"unit": "kPa"}, {"spacing_um": -1}])
def test_no_such_traction(values: dict[str, object]) -> None:
    with pytest.raises(FieldError):
        TractionStack(ONES, **values)


def test_the_drift_of_tractions_has_a_vector_for_every_frame() -> None:
    stack = TractionStack(ONES, drift=[[1, 2], [3, 4]])  # type: ignore[arg-type]
    assert stack.drift is not None
    assert stack.drift.dtype == np.float64
    assert TractionStack(ONES).drift is None
    for shape in [(2,), (1, 2), (2, 3)]:
        with pytest.raises(FieldError, match=r"shape \(2, 2\)"):
            TractionStack(ONES, drift=np.zeros(shape))


def test_the_first_frames_keep_their_drift() -> None:
    drift = np.array([[1.0, 2.0], [3.0, 4.0]])
    one = TractionStack(ONES, unit="Pa", drift=drift).first(1)
    assert (one.n_frames, one.unit) == (1, "Pa")
    np.testing.assert_array_equal(one.drift, drift[:1])
    assert TractionStack(ONES).first(5).data.shape == ONES.shape


def test_a_part_of_tractions_has_its_own_drift_and_records() -> None:
    data = np.arange(4.0)[:, None, None, None] * np.ones((4, 8, 8, 2))
    records = {"holes": np.arange(4)}
    drift = np.stack([np.arange(4.0)] * 2, axis=-1)
    part = TractionStack(data, drift=drift, records=records).part(1, 3)
    assert part.data[:, 0, 0, 0].tolist() == [1, 2]
    assert part.records["holes"].tolist() == [1, 2]
    assert part.drift is not None
    assert part.drift[:, 0].tolist() == [1, 2]
