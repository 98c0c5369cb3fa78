"""What the attributes of an array in a file say: unit, lengths, gel."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io.base import ArrayEntry
from napari_vit_tfm.units import (
    DISPLACEMENT_UNITS,
    TRACTION_UNITS,
    DisplacementUnit,
    TractionUnit,
    displacement_unit,
    traction_unit,
)


def unit_of_displacement(
    path: Path, entry: ArrayEntry
) -> tuple[DisplacementUnit | None, float]:
    """The unit to keep displacements in, and what makes it of the file's numbers."""
    said = entry.attributes.get("units")
    if said is None:
        return ("field" if entry.original else None), 1.0
    understood = displacement_unit(said)
    if understood is None:
        raise FieldFileError(
            f"{path}: {entry.name} names the unit {said!r}, expected one of "
            f"{', '.join(DISPLACEMENT_UNITS)}; "
            "convert it, or name the right one (unit=, --units)"
        )
    return understood


def unit_of_traction(path: Path, entry: ArrayEntry) -> TractionUnit:
    """The unit that tractions are in."""
    said = entry.attributes.get("units", "1" if entry.original else None)
    understood = traction_unit(said)
    if understood is None:
        found = "names no unit" if said is None else f"names the unit {said!r}"
        raise FieldFileError(
            f"{path}: {entry.name} {found}, expected one of "
            f"{', '.join(TRACTION_UNITS)}; name the right one (unit=)"
        )
    return understood


def length_of(path: Path, entry: ArrayEntry, name: str) -> float | None:
    """A length; None where the file does not say it."""
    value: Any = entry.attributes.get(name)
    if value is None:
        return None
    number = _as_float(value)
    if number is None or not 0 < number < math.inf:
        raise FieldFileError(
            f"{path}: {entry.name} says {name} = {value!r}, expected a positive number"
        )
    return number


def known_length_of(path: Path, entry: ArrayEntry, name: str) -> float | None:
    """As `length_of`; but NaN is how this package writes what is not known."""
    value: Any = entry.attributes.get(name)
    if isinstance(value, float) and math.isnan(value):
        return None
    return length_of(path, entry, name)


def gel_of(
    path: Path,
    entry: ArrayEntry,
    told: Gel,
    on_notice: Callable[[str], None] | None,
) -> Gel:
    """A gel, with what a file says where nothing else was told."""
    in_file = {}
    for name, value in dataclasses.asdict(told).items():
        if value is not None:
            continue
        try:
            in_file[name] = _gel_value(path, entry, name)
        except FieldFileError as error:
            if on_notice is None:
                raise
            on_notice(f"{error}; it is ignored")
    return told.filled_from(Gel(**in_file))


def _gel_value(path: Path, entry: ArrayEntry, name: str) -> float | None:
    """One of a gel's values; NaN is how this package writes what is not known."""
    value: Any = entry.attributes.get(name)
    if value is None:
        return None
    says = f"{path}: {entry.name} says {name} = {value!r}"
    number = _as_float(value)
    if number is None:
        raise FieldFileError(f"{says}, expected a number")
    if math.isnan(number):
        return None
    try:
        Gel(**{name: number})
    except FieldError as error:
        raise FieldFileError(f"{says}: {error}") from error
    return number


def _as_float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
