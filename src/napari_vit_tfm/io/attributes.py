"""Kind, unit, lengths and gel from the attributes of an array in a file."""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_vit_tfm.constraints import number_in
from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.fields import Displacement
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io.base import (
    POSITIONS_PX,
    SPACING_IN_UNIT,
    ArrayEntry,
    kind_of_file_name,
    kind_of_name,
)
from napari_vit_tfm.options import Number, options_of
from napari_vit_tfm.units import (
    DISPLACEMENT_UNITS,
    LENGTH_TOLERANCE,
    LENGTHS,
    TRACTION_UNITS,
    DisplacementUnit,
    TractionUnit,
    displacement_unit,
    traction_unit,
    without_time,
)

_SYNONYMS = {
    "units": ("units", "unit"),
    "spacing_um": ("spacing_um", "spacing", "dx", "dy"),
    "pixel_size_um": ("pixel_size_um", "pixel_size", "pixelsize"),
}
"""Names of attributes in files, the first of which is our own."""


SYNONYMS = frozenset(name for names in _SYNONYMS.values() for name in names)
"""Names of attributes of which there are several."""

NUMBERS_OF_FIELDS = ("units", *LENGTHS, *options_of(Gel))
"""Names of attributes that stand for nothing else in any file."""

_IN_UM = {
    name: option.about
    for name, option in options_of(Displacement).items()
    if name in LENGTHS and isinstance(option.about, Number)
}
"""The ranges of lengths whose unit is known."""

_LONGEST_UNIT = 100
"""Number of characters of the longest unit."""


def unit_name(entry: ArrayEntry) -> str | None:
    """The unit as it is written in the file, without "per frame".

    None if the file does not have one, or an empty one. What is not text, such as the
    number 1, and a long text are described: this is the name of no unit.
    """
    name = next(iter(_units(entry).values()), None)
    if not isinstance(name, str):
        return None if name is None else f"{type(name).__name__} {_shortened(name)}"
    if len(name) > _LONGEST_UNIT:
        return _shortened(name)
    length, per_time = without_time(name.strip())
    return length if per_time is None else name.strip()


def with_kind(entry: ArrayEntry, path: Path) -> ArrayEntry:
    """The entry with its kind: by the array's name, its unit, or the file's name.

    They are used in this order. If the name does not tell, the name of the group
    around the array is used. An entry that has a kind is not changed.
    """
    if entry.kind is not None:
        return entry
    for part in reversed(re.split(r"[/.]", entry.name)):
        kind, what = kind_of_name(part)
        if kind is not None:
            return dataclasses.replace(entry, kind=kind, what=what)
    unit = unit_name(entry)
    if traction_unit(unit) == "Pa":
        return dataclasses.replace(entry, kind="traction")
    if displacement_unit(unit) is not None:
        return dataclasses.replace(entry, kind="displacement")
    per_time = _per_time(unit)
    if per_time is not None:
        what = f"a velocity: per {per_time}"
        return dataclasses.replace(entry, kind="other", what=what)
    kind, _ = kind_of_file_name(path.stem)
    # A file may be called "noise-free" or "grid 2", whatever is in it.
    return entry if kind == "other" else dataclasses.replace(entry, kind=kind)


def _per_time(unit: object) -> str | None:
    """Unit of time of a velocity, such as "second", or None."""
    return without_time(unit)[1] if isinstance(unit, str) else None


def check_units(path: Path, entry: ArrayEntry) -> None:
    """Raise an error if the file has two units that are not the same.

    They may be in ``units`` and ``unit``, or in the attributes of the array and of the
    file. If the user sets the unit, neither is used.
    """
    found = _units(entry)
    if _contradict(found):
        both = " and ".join(f"{name} = {_shortened(x)}" for name, x in found.items())
        raise FieldFileError(
            f"{path}: {entry.name} has {both}, which contradict each other: correct "
            "one of them, or set the unit (unit=, --units)"
        )


def _units(entry: ArrayEntry) -> dict[str, Any]:
    """The units that a file has, by the name of the attribute."""
    found = {name: entry.attributes.get(name) for name in _SYNONYMS["units"]}
    return {name: unit for name, unit in found.items() if not _is_no_unit(unit)}


def _is_no_unit(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in ("", "-"))


def _contradict(units: Mapping[str, Any]) -> bool:
    return len({_meaning(unit) for unit in units.values()}) > 1


def _meaning(unit: Any) -> object:
    """What a unit in a file stands for; two spellings of one unit are equal."""
    if not isinstance(unit, str) or len(unit) > _LONGEST_UNIT:
        return _shortened(unit)
    length, per_time = without_time(unit.strip())
    return displacement_unit(length) or traction_unit(length) or length, per_time


def text_attribute(entry: ArrayEntry, name: str) -> str:
    """An attribute that is text; empty if there is none, or if it is something else."""
    value = entry.attributes.get(name)
    return value if isinstance(value, str) else ""


def is_true(entry: ArrayEntry, name: str) -> bool:
    """Whether an attribute is there and true; arrays and text are not."""
    value = entry.attributes.get(name)
    return isinstance(value, bool | np.bool_ | int | np.integer) and bool(value)


def apart_by_positions(entry: ArrayEntry, name: str) -> float | None:
    """Distance of the vectors that follows from their positions, or None.

    Raises
    ------
    FieldError
        If it is not a positive number: a file may have an attribute of this name.
    """
    value = entry.attributes.get(name)
    if value is None:
        return None
    number = _as_float(value)
    if number is None or not 0 < number < math.inf:
        raise FieldError(
            f"the positions of {entry.name} are {_shortened(value)} apart, expected a "
            "positive number"
        )
    return number


def unit_of_displacement(
    path: Path, entry: ArrayEntry
) -> tuple[DisplacementUnit | None, float]:
    """Unit of the displacements in memory, and the factor from the file to this unit.

    The unit is None if the file does not have one.
    """
    check_units(path, entry)
    name = unit_name(entry)
    if name is None:
        return ("field" if entry.is_original else None), 1.0
    converted = displacement_unit(name)
    if _per_time(name) is not None:
        raise FieldFileError(
            f"{path}: {entry.name} is a velocity, in {name!r}, not a displacement: "
            "multiply it by the time between two frames, and set its unit (unit=, "
            "--units)"
        )
    if converted is None:
        raise FieldFileError(
            f"{path}: {entry.name} has the unknown unit {name!r}, expected one of "
            f"{', '.join(DISPLACEMENT_UNITS)}; "
            "convert the displacements, or set their unit (unit=, --units)"
        )
    return converted


def unit_of_traction(path: Path, entry: ArrayEntry) -> TractionUnit:
    """Unit of the tractions."""
    check_units(path, entry)
    name = unit_name(entry) or ("1" if entry.is_original else None)
    unit = traction_unit(name)
    if unit is None:
        found = "no unit" if name is None else f"the unknown unit {name!r}"
        raise FieldFileError(
            f"{path}: {entry.name} has {found}, expected one of "
            f"{', '.join(TRACTION_UNITS)}; set the unit (unit=)"
        )
    return unit


def lengths_of(
    path: Path,
    entry: ArrayEntry,
    given: Mapping[str, float | None],
    *,
    nan_is_unknown: bool = False,
) -> tuple[dict[str, float | None], list[str]]:
    """The lengths of a field: the given ones, and all others from the file.

    Parameters
    ----------
    path : Path
        The file, for messages.
    entry : ArrayEntry
        The field.
    given : mapping of str to float or None
        Values of ``spacing_um`` and ``pixel_size_um`` that the user has set.
    nan_is_unknown : bool, keyword-only
        Whether NaN means not known, as in tractions of this package.

    Returns
    -------
    lengths : dict of str to float or None
        ``spacing_um``, ``pixel_size_um``, and `SPACING_IN_UNIT` in the unit that the
        vectors have in the file.
    notes : list of str
        A sentence for every length whose unit is assumed, or that is not used.

    Raises
    ------
    FieldFileError
        If a length is not a positive number, or two of them contradict each other.

    Notes
    -----
    A length whose name has no unit, such as ``spacing``, is in the unit that the file
    has for it, or in that of the vectors.
    """
    lengths: dict[str, float | None] = {SPACING_IN_UNIT: None}
    notes = []
    for name in (SPACING_IN_UNIT, "spacing_um", "pixel_size_um"):
        lengths[name] = given.get(name)
        if lengths[name] is not None:
            continue
        in_file = _positive(path, entry, name, nan_is_unknown=nan_is_unknown)
        for found, number in in_file:
            target: str | None = name
            value, note = number, ""
            if found != name:
                target, value, told = _with_unit(entry, name, found, number)
                note = f"{found} = {number:g} {told}"
            if target is None:
                notes.append(note)
                continue
            other = lengths.get(target)
            if other is None:
                notes += [note] if note else []
                lengths[target] = value
            _check_equal(path, found, value, other)
            if target == SPACING_IN_UNIT:
                _check_equal(path, found, value, entry.attributes.get(POSITIONS_PX))
    return lengths, notes


def _with_unit(
    entry: ArrayEntry, name: str, found: str, number: float
) -> tuple[str | None, float, str]:
    """Name, value and note of a length whose name has no unit; no name: not used."""
    of_vectors = None if _contradict(_units(entry)) else unit_name(entry)
    own = entry.attributes.get(f"{found}_units", entry.attributes.get(f"{found}_unit"))
    unit = of_vectors if own is None else str(own).partition("/")[0].strip()
    known = displacement_unit(unit)
    whose = "the unit of the displacements" if own is None else "its unit in the file"
    if known is not None and known[0] == "um":
        return name, number * known[1], f"is taken as {unit}, {whose}"
    if name == "pixel_size_um":
        if own is None:
            return name, number, "is taken as micrometres, since it has no unit"
    elif known == ("px", 1.0) == displacement_unit(of_vectors) and number >= 1:
        return SPACING_IN_UNIT, number, f"is taken as {unit}, {whose}"
    if unit is None:
        why = "the file does not have its unit"
    elif name == "spacing_um" and known == ("px", 1.0) and number < 1:
        why = "vectors are at least one pixel apart"
    else:
        why = f"it cannot be in {unit}"
    option = name.removesuffix("_um").replace("_", "-")
    return (
        None,
        number,
        f"is not used, since {why}; set this length in um ({name}=, --{option})",
    )


def _check_equal(path: Path, found: str, value: float, other: float | None) -> None:
    """Raise an error if a length is not that which is known from the same file."""
    if other is not None and abs(value - other) > LENGTH_TOLERANCE * other:
        raise FieldFileError(
            f"{path}: {found} is {value:g}, but the distance between neighbouring "
            f"vectors, or the pixel size, is {other:g} according to the same file; "
            "correct one of them, or set the length in um (spacing_um=, --spacing; "
            "pixel_size_um=, --pixel-size)"
        )


def _positive(
    path: Path, entry: ArrayEntry, name: str, *, nan_is_unknown: bool
) -> list[tuple[str, float]]:
    """Names in the file and values of a length, as far as they are known."""
    lengths = []
    for found in _SYNONYMS.get(name, (name,)):
        value = entry.attributes.get(found)
        number = None if value is None else _as_float(value)
        is_nan = number is not None and math.isnan(number)
        if value is None or (nan_is_unknown and is_nan):
            continue
        if number is None or not 0 < number < math.inf:
            raise FieldFileError(
                f"{path}: {entry.name} has {found} = {_shortened(value)}, expected a "
                "positive number"
            )
        if found in _IN_UM and not _IN_UM[found].allows(number):
            raise FieldFileError(
                f"{path}: {entry.name} has {found} = {number:g}, expected a length "
                f"{_IN_UM[found].range_in_words} um"
            )
        lengths.append((found, number))
    return lengths


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
    found = f"{entry.name} has {name} = {_shortened(value)}"
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
    """A number in a file, which may be text; None for other values.

    True and False are no numbers.
    """
    if isinstance(value, str):
        return number_in(value)
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    if isinstance(value, np.complexfloating):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _shortened(value: object) -> str:
    """A value of a file in a message, in one line."""
    return " ".join(reprlib.repr(value).split())
