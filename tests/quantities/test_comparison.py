from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.quantities import (
    compare,
)


@pytest.fixture
def field() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 100, (3, 12, 16, 2))


def stack(data, **options) -> TractionStack:
    return TractionStack(data, **{"unit": "Pa", "spacing_um": 0.5, **options})


def test_equal_tractions_do_not_differ(field):
    found = compare(stack(field), stack(field))
    assert (found.largest, found.relative) == (0, 0)
    assert not found.difference.data.any()


def test_the_place_and_the_size_of_the_largest_difference(field):
    other = field.copy()
    other[2, 7, 5] += (0, 500)
    found = compare(stack(field), stack(other))
    assert (found.frame, found.row, found.column) == (2, 7, 5)
    assert found.largest == pytest.approx(500, rel=1e-5)
    lengths = np.hypot(*field[2, 7, 5]), np.hypot(*other[2, 7, 5])
    assert found.magnitudes == pytest.approx(lengths, rel=1e-5)
    # The first minus the second.
    np.testing.assert_allclose(found.difference.data[2, 7, 5], (0, -500), rtol=1e-4)


@pytest.mark.parametrize(
    ("factor", "relative"), [(-1, 2), (0, 2**0.5), (0.5, 0.4**0.5)]
)
def test_the_relative_difference(field, factor, relative):
    found = compare(stack(field), stack(field * factor))
    assert found.relative == pytest.approx(relative, rel=1e-5)


def test_holes_of_either_field_are_left_out(field):
    one, other = field.copy(), field.copy()
    one[0, 0, 0], other[1, 3, 4] = np.nan, np.nan
    other[2, 2, 2] += 1
    found = compare(stack(one), stack(other))
    assert (found.frame, found.row, found.column) == (2, 2, 2)
    assert np.isfinite(found.relative)
    assert np.isnan(found.difference.data[0, 0, 0]).all()


def test_fractions_of_a_known_modulus_are_compared_in_pascal(field):
    fractions = stack(field / 2000, unit="1", gel=Gel(young_pa=2000.0))
    found = compare(stack(field), fractions)
    assert found.difference.unit == "Pa"
    assert found.relative < 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"unit": "1"},
            "in Pa and steps of 0.5 um and in fractions of Young's modulus",
        ),
        ({"spacing_um": 0.4}, "steps of 0.5 um and in Pa and steps of 0.4 um"),
        ({"spacing_um": None}, "in Pa and grid steps"),
    ],
)
def test_other_units_are_an_error(field, options, message):
    with pytest.raises(FieldError, match=message):
        compare(stack(field), stack(field, **options))


def test_another_grid_is_an_error(field):
    with pytest.raises(FieldError, match="3 frames of 12 x 16 and 2 frames of 12 x 16"):
        compare(stack(field), stack(field[:2]))


def test_tractions_without_a_common_vector_are_an_error(field):
    with pytest.raises(FieldError, match="no vector is known in both"):
        compare(stack(field), stack(np.full_like(field, np.nan)))
