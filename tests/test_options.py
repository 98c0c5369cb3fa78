from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import pytest

from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.options import Choice, Number, options_of


@dataclass(frozen=True)
class Settings:
    share: Annotated[
        float | None, Number(label="Share", help="How much", maximum=1, otherwise="all")
    ] = None
    ratio: Annotated[
        float, Number(label="Ratio", help="R", maximum=0.5, excludes_minimum=False)
    ] = 0.49
    unit: Annotated[
        str, Choice(label="Unit", help="U", words={"um": "micrometres", "px": "pixels"})
    ] = "um"
    plain: int = 3


def test_options_are_the_annotated_fields_in_their_order() -> None:
    known = options_of(Settings)
    assert list(known) == ["share", "ratio", "unit"]
    assert [option.default for option in known.values()] == [None, 0.49, "um"]
    assert options_of(None) == {}


@pytest.mark.parametrize(
    ("name", "value"), [("share", 1), ("share", 1e-9), ("ratio", 0), ("unit", "px")]
)
def test_values_in_the_range_are_accepted(name: str, value: object) -> None:
    options_of(Settings)[name].check(value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("share", 0, "share must be above 0 and at most 1, not 0"),
        ("share", 1.5, "above 0 and at most 1"),
        ("share", math.nan, "above 0"),
        ("ratio", -0.1, "ratio must be at least 0 and at most 0.5, not -0.1"),
        ("unit", "mile", "unit must be one of um, px, not 'mile'"),
    ],
)
def test_other_values_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        options_of(Settings)[name].check(value)


def test_a_switch_is_on_or_off() -> None:
    reverse = options_of(PreparationConfig)["reverse"]
    reverse.check(True)
    with pytest.raises(ConfigError, match="reverse must be True or False, not 1"):
        reverse.check(1)
