"""Displacements know their unit and lengths."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack

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
