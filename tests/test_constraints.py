"""Ranges and other constraints of configurations."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any

import numpy as np
import pytest

from napari_vit_tfm import config
from napari_vit_tfm.constraints import (
    Increasing,
    Length,
    Positive,
    Range,
    Share,
    Text,
    check,
)
from napari_vit_tfm.errors import ConfigError, FieldError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel

WHOLE = Range(minimum=1, excludes_minimum=False, is_whole=True)
CONFIGURATIONS = [
    kind
    for _, kind in inspect.getmembers(config, inspect.isclass)
    if is_dataclass(kind)
]
NONSENSE: list[Any] = [
    math.nan,
    -math.inf,
    -1.5,
    "1_0",
    [3],
    {"a": 1},
    b"um",
    -(10**400),
]


@dataclass(frozen=True)
class Settings:
    share: Share = 0.5
    between: Annotated[tuple[Positive, Positive], Increasing()] = (1.0, 2.0)
    several: Annotated[tuple[Positive, ...], Length(1, 3)] = (1.0,)
    name: Text = "a"
    other: Annotated[float | None, Range()] = None

    def __post_init__(self) -> None:
        check(self)


def test_the_names_of_all_wrong_fields_are_told() -> None:
    with pytest.raises(ConfigError) as error:
        Settings(share=2, name=3, other=-1.0)  # type: ignore[arg-type]
    assert str(error.value) == (
        "share must be at least 0 and at most 1, not 2; name must be a text, not 3; "
        "other must be above 0, not -1.0"
    )


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"between": (2.0, 1.0)}, "two numbers, the smaller one first"),
        ({"between": (1.0, math.nan)}, "of above 0"),
        ({"between": (1.0,)}, "2 values"),
        ({"between": [1.0, 2.0]}, "a tuple"),
        ({"several": ()}, "1 to 3 values"),
        ({"several": (1.0,) * 4}, "1 to 3 values"),
        ({"several": (1.0, True)}, "of a number"),
    ],
)
def test_tuples(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Settings(**values)


@pytest.mark.parametrize("value", [1, np.int64(3), 10**300])
def test_whole_numbers(value: Any) -> None:
    assert WHOLE.allows(value)


@pytest.mark.parametrize("value", [0, True, 2.0, np.float32(2), "2", None, 10**400])
def test_what_is_no_whole_number(value: Any) -> None:
    assert not WHOLE.allows(value)


def test_infinity_is_a_number_only_where_it_is_meant() -> None:
    assert Range(may_be_infinite=True).read(" INF ") == math.inf
    for text in ("1e999", "-inf", "nan"):
        with pytest.raises(ValueError, match=r"number|above"):
            Range(may_be_infinite=True).read(text)
    with pytest.raises(ValueError, match="above 0"):
        Range().read("inf")


@pytest.mark.parametrize(
    ("text", "value"), [("12", 12), ("+1.5", 1.5), (".5", 0.5), ("2.", 2), ("1E3", 1e3)]
)
def test_plain_numbers_are_read(text: str, value: float) -> None:
    assert Range().read(text) == value


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_no_field_of_a_configuration_takes_nonsense(kind: type[Any]) -> None:
    kind()
    for item in fields(kind):
        for value in NONSENSE:
            if item.type == "Text" and isinstance(value, str):
                continue
            if item.type == "Table" and isinstance(value, dict):
                continue
            if item.name == "direction_deg" and value == -1.5:
                continue
            with pytest.raises(ConfigError, match=f"^{item.name} must be"):
                kind(**{item.name: value})


@pytest.mark.parametrize("value", [True, "1_0", 30e-6, 1e39, math.nan, -1.0, 0])
def test_impossible_lengths_and_gels(value: Any) -> None:
    data = np.zeros((8, 8, 2))
    for name in ("young_pa", "thickness_um"):
        with pytest.raises(FieldError, match="must be"):
            Gel(**{name: value})
    for name in ("spacing_um", "pixel_size_um"):
        with pytest.raises(FieldError, match="must be"):
            DisplacementStack(data, **{name: value})
    with pytest.raises(FieldError, match="must be"):
        TractionStack(data, spacing_um=value)
