"""What is known about a gel, and what is not."""

from __future__ import annotations

import math

import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gel import REFERENCE_GEL, Gel


@pytest.mark.parametrize(
    "values",
    [
        {"young_pa": 0},
        {"young_pa": math.inf},
        {"young_pa": math.nan},
        {"poisson": 0.6},
        {"poisson": -0.1},
        {"poisson": math.nan},
        {"thickness_um": -1},
        {"thickness_um": 0},
        {"thickness_um": math.nan},
    ],
)
def test_no_such_gel(values: dict[str, float]) -> None:
    with pytest.raises(FieldError, match=f"not {next(iter(values.values()))}"):
        Gel(**values)


def test_nothing_said_is_not_the_reference_gel() -> None:
    assert Gel() != REFERENCE_GEL
    assert Gel().filled_from(REFERENCE_GEL) == REFERENCE_GEL
    assert Gel(poisson=0.0).filled_from(REFERENCE_GEL) == Gel(None, 0.0, math.inf)


def test_own_values_go_first() -> None:
    own = Gel(young_pa=500.0, thickness_um=math.inf)
    assert own.filled_from(Gel(900.0, 0.4, 20.0)) == Gel(500.0, 0.4, math.inf)


def test_only_a_layer_needs_a_length() -> None:
    for gel in (Gel(), REFERENCE_GEL, Gel(young_pa=1.0, poisson=0.3)):
        assert not gel.is_layer
        assert gel.needs == ()
    assert Gel(thickness_um=20.0).is_layer
    assert Gel(thickness_um=20.0).needs == ("spacing_um",)
