"""Stacks know their units."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import (
    DisplacementStack,
    TractionStack,
    drift_of,
    frames_in_words,
    without_drift,
)

ONES = np.ones((2, 11, 21, 2))


@pytest.mark.parametrize(
    ("stack", "steps"),
    [
        (DisplacementStack(ONES, unit="grid"), 1.0),
        (DisplacementStack(ONES, unit="field"), 20.0),
        (DisplacementStack(ONES, unit="um", spacing_um=4.0), 0.25),
        (DisplacementStack(ONES, unit="px", spacing_um=4.0, pixel_size_um=0.5), 0.125),
    ],
)
def test_every_unit_in_grid_steps(stack: DisplacementStack, steps: float) -> None:
    np.testing.assert_allclose(stack.in_grid_steps(), steps)
    assert stack.in_grid_steps().dtype == np.float32


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "unit is not known"),
        ({"unit": "um"}, "spacing"),
        ({"unit": "px", "pixel_size_um": 0.1}, "spacing"),
        ({"unit": "px", "spacing_um": 1.0}, "pixel size"),
    ],
)
def test_what_is_missing_is_named(values: dict[str, object], reason: str) -> None:
    with pytest.raises(FieldError, match=reason):
        DisplacementStack(ONES, **values).in_grid_steps()


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3), (2, 3, 4, 5), (0, 4, 4, 2)])
def test_no_vector_field(shape: tuple[int, ...]) -> None:
    with pytest.raises(FieldError):
        DisplacementStack(np.zeros(shape))


@pytest.mark.parametrize(
    "values",
    [{"unit": "mm"}, {"spacing_um": 0}, {"spacing_um": -1}, {"pixel_size_um": np.inf}],
)
def test_no_such_displacement(values: dict[str, object]) -> None:
    with pytest.raises(FieldError):
        DisplacementStack(ONES, **values)


def test_one_frame_is_a_stack_of_one() -> None:
    stack = TractionStack(ONES[0], unit="Pa")
    assert stack.data.shape == (1, 11, 21, 2)
    assert (stack.n_frames, stack.grid_shape) == (1, (11, 21))
    np.testing.assert_allclose(stack.magnitude(), np.sqrt(2), rtol=1e-6)


@pytest.mark.parametrize("values", [{"unit": "kPa"}, {"spacing_um": -1}])
def test_no_such_traction(values: dict[str, object]) -> None:
    with pytest.raises(FieldError):
        TractionStack(ONES, **values)


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


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([4], "frame 4"),
        ([4, 5], "frames 4 to 5"),
        ([0, 2, 3, 4, 9], "frames 0, 2 to 4, 9"),
    ],
)
def test_frames_in_words(numbers: list[int], words: str) -> None:
    assert frames_in_words(numbers) == words
