"""Unit, lengths and gel from the attributes of an array in a file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
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

_SYNONYMS = {
    "units": ("units", "unit"),
    "spacing_um": ("spacing_um", "spacing", "dx"),
    "pixel_size_um": ("pixel_size_um", "pixel_size", "pixelsize"),
}
"""Names of attributes in files, the first of which is our own."""


def unit_name(entry: ArrayEntry) -> Any:
    """The unit as it is written in the file; None if the file does not have one."""
    return _attribute(entry, "units")[1]


def length_notes(entry: ArrayEntry) -> Iterator[str]:
    """A sentence for every length that the file gives without its unit."""
    for name in ("spacing_um", "pixel_size_um"):
        found, value = _attribute(entry, name)
        if value is not None and found != name:
            yield f"{found} = {value!r} is taken as micrometres, since it has no unit"


def _attribute(entry: ArrayEntry, name: str) -> tuple[str, Any]:
    """Name in the file and value of an attribute, which is None if missing."""
    for synonym in _SYNONYMS.get(name, (name,)):
        if entry.attributes.get(synonym) is not None:
            return synonym, entry.attributes[synonym]
    return name, None


def unit_of_displacement(
    path: Path, entry: ArrayEntry
) -> tuple[DisplacementUnit | None, float]:
    """Unit of the displacements in memory, and the factor from the file to this unit.

    The unit is None if the file does not have one.
    """
    name = unit_name(entry)
    if name is None:
        return ("field" if entry.is_original else None), 1.0
    converted = displacement_unit(name)
    if converted is None:
        raise FieldFileError(
            f"{path}: {entry.name} has the unknown unit {name!r}, expected one of "
            f"{', '.join(DISPLACEMENT_UNITS)}; "
            "convert the displacements, or set their unit (unit=, --units)"
        )
    return converted


def unit_of_traction(path: Path, entry: ArrayEntry) -> TractionUnit:
    """Unit of the tractions."""
    name = unit_name(entry) or ("1" if entry.is_original else None)
    unit = traction_unit(name)
    if unit is None:
        found = "no unit" if name is None else f"the unknown unit {name!r}"
        raise FieldFileError(
            f"{path}: {entry.name} has {found}, expected one of "
            f"{', '.join(TRACTION_UNITS)}; set the unit (unit=)"
        )
    return unit


def length_of(path: Path, entry: ArrayEntry, name: str) -> float | None:
    """A length attribute; None if the file does not have it."""
    found, value = _attribute(entry, name)
    if value is None:
        return None
    number = _as_float(value)
    if number is None or not 0 < number < math.inf:
        raise FieldFileError(
            f"{path}: {entry.name} has {found} = {value!r}, expected a positive number"
        )
    return number


def known_length_of(path: Path, entry: ArrayEntry, name: str) -> float | None:
    """As `length_of`, but NaN means not known, as in the files of this package."""
    value: Any = entry.attributes.get(name)
    if isinstance(value, float) and math.isnan(value):
        return None
    return length_of(path, entry, name)


def gel_of(
    path: Path,
    entry: ArrayEntry,
    given: Gel,
    *,
    ignore_errors: bool = False,
) -> tuple[Gel, list[str]]:
    """The gel: the given values, and the values from the file for all others.

    Also returns a note for every impossible value, if such values are ignored.
    """
    in_file, notes = {}, []
    for name, value in dataclasses.asdict(given).items():
        if value is not None:
            continue
        try:
            in_file[name] = _gel_value(entry, name)
        except FieldFileError as error:
            if not ignore_errors:
                raise FieldFileError(f"{path}: {error}") from error
            notes.append(f"{error}; it is ignored")
    return given.filled_from(Gel(**in_file)), notes


def _gel_value(entry: ArrayEntry, name: str) -> float | None:
    """One value of a gel; None if it is missing or NaN, which means not known."""
    value: Any = entry.attributes.get(name)
    if value is None:
        return None
    found = f"{entry.name} has {name} = {value!r}"
    number = _as_float(value)
    if number is None:
        raise FieldFileError(f"{found}, expected a number")
    if math.isnan(number):
        return None
    try:
        Gel(**{name: number})
    except FieldError as error:
        raise FieldFileError(f"{found}: {error}") from error
    return number


def _as_float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
