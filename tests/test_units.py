"""What units are called, and what it takes to convert them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.units import (
    DISPLACEMENT_UNITS,
    LENGTHS,
    TRACTION_UNITS,
    DisplacementUnit,
    Length,
    TractionUnit,
    displacement_unit,
    grid_steps_per_unit,
    traction_unit,
    unit_label,
    unit_words,
)


@pytest.mark.parametrize(
    ("spellings", "unit", "factor"),
    [
        ("um UM µm μm micron Microns micrometre micrometres micrometer", "um", 1.0),
        ("m metre metres meters Meter", "um", 1e6),
        ("mm millimetre Millimeters", "um", 1e3),
        ("nm nanometre nanometers", "um", 1e-3),
        ("px PX pix pixel Pixels", "px", 1.0),
        ("grid Grid step steps STEPS", "grid", 1.0),
        ("field FIELD", "field", 1.0),
    ],
)
def test_spellings_of_displacement_units(
    spellings: str, unit: str, factor: float
) -> None:
    for spelling in spellings.split():
        assert displacement_unit(spelling) == (unit, factor), spelling
        assert displacement_unit(f" {spelling}\n") == (unit, factor)
        assert traction_unit(spelling) is None


@pytest.mark.parametrize(
    "said", ["grid steps", "Grid  Step", "camera pixels", "field widths"]
)
def test_spellings_of_several_words(said: str) -> None:
    assert displacement_unit(said) is not None


@pytest.mark.parametrize("said", ["Pa", "pascal", "Pascals"])
def test_spellings_of_pascal(said: str) -> None:
    assert traction_unit(said) == "Pa"
    assert displacement_unit(said) is None


# A capital makes these megametres and newton metres.
@pytest.mark.parametrize(
    "said", ["M", "MM", "Mm", "Nm", "kPa", "km", "furlong", "", "2", None, 1, b"um"]
)
def test_other_units_are_none(said: object) -> None:
    assert displacement_unit(said) is None
    assert traction_unit(said) is None


def test_whatever_is_shown_is_understood() -> None:
    for key, unit in DISPLACEMENT_UNITS.items():
        for name in (key, unit.label, unit.words):
            assert displacement_unit(name) == (key, 1.0)
        assert unit_label(key) == unit.label
        assert unit_words(key) == unit.words
    for traction_key, unit in TRACTION_UNITS.items():
        for name in (traction_key, unit.label, unit.words):
            assert traction_unit(name) == traction_key
    assert unit_label(None) == unit_words(None) == "unit not known"


def test_every_unit_and_length_is_there() -> None:
    assert tuple(DISPLACEMENT_UNITS) == get_args(DisplacementUnit)
    assert tuple(TRACTION_UNITS) == get_args(TractionUnit)
    assert tuple(LENGTHS) == get_args(Length)


@pytest.mark.parametrize("unit", DISPLACEMENT_UNITS)
def test_exactly_the_lengths_that_are_needed_are_asked_for(
    unit: DisplacementUnit,
) -> None:
    known = dict.fromkeys(DISPLACEMENT_UNITS[unit].needs, 0.5)
    assert grid_steps_per_unit(unit, n_columns=21, **known) > 0
    for name in known:
        missing = {other: 0.5 for other in known if other != name}
        with pytest.raises(FieldError, match=f"in {unit} need {LENGTHS[name]} in um"):
            grid_steps_per_unit(unit, n_columns=21, **missing)


def test_the_documentation_tells_spellings_that_are_understood() -> None:
    page = (Path(__file__).parents[1] / "docs" / "files.md").read_text("utf-8")
    table = page.split("| unit | also spelt |\n|---|---|\n")[1].split("\n\n")[0]
    for row in table.splitlines():
        keys, spellings = (re.findall("`(.+?)`", cell) for cell in row.split("|")[1:3])
        assert len(keys) == 1
        for spelling in spellings:
            displacement = displacement_unit(spelling)
            unit = displacement[0] if displacement else traction_unit(spelling)
            assert unit == keys[0], spelling
