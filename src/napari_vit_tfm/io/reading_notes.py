"""What a user must know about how a file is read, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io.attributes import gel_of, lengths_of, unit_name
from napari_vit_tfm.io.base import ArrayEntry, Kind, unless_given
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.options import Number, options_of
from napari_vit_tfm.units import (
    LENGTH_TOLERANCE,
    LENGTHS,
    DisplacementUnit,
    displacement_unit,
)


def notes_on_array(
    file: FieldFile, entry: ArrayEntry, kind: Kind, y: YDirection | None
) -> list[str]:
    """What a user must know about how an array is read, one sentence each."""
    notes = list(entry.notes)
    if entry.kind not in (kind, None):
        is_called = entry.what or f"a {entry.kind}"
        notes.append(f"{entry.name}, which is {is_called}, is read as {kind}")
    if entry.has_third_component:
        notes.append("the third component is left out")
    notes += _notes_on_packing(entry)
    if entry.layout == "(T, 2, H, W)" and entry.shape[0] == 2:
        notes.append(
            "the first axis of (2, 2, H, W) is taken as two frames, and the second as "
            "the components"
        )
    if y is None:
        notes += entry.y_notes
    if entry.y is None and y is None:
        notes.append(
            "the file does not say whether y points down or up: down is assumed "
            f"({unless_given('up')})"
        )
    return notes


_PACKING = {"scale_factor": 1.0, "add_offset": 0.0}
"""Attributes by which netCDF files tell how to compute values, and without effect."""


def _notes_on_packing(entry: ArrayEntry) -> list[str]:
    """A note for every such attribute, which is not applied."""
    found = {name: entry.attributes.get(name) for name in _PACKING}
    return [
        f"{name} = {value!s:.20} of {entry.name} is not applied: the values are read "
        "as they are in the file"
        for name, value in found.items()
        if value is not None and not np.array_equal(value, _PACKING[name])
    ]


def notes_on_overruled(
    file: FieldFile, entry: ArrayEntry, given: Mapping[str, float | None], gel: Gel
) -> list[str]:
    """A note for every value in the file that differs from the given one."""
    try:
        in_file, _ = lengths_of(file.path, entry, {})
        gel_in_file, _ = gel_of(file.path, entry, Gel(), ignore_errors=True)
    except FieldFileError:
        # What is wrong in the file is replaced by what is given.
        return []
    values = [(LENGTHS[name], " um", given[name], in_file[name]) for name in LENGTHS]
    values += [
        (
            option.about.label,
            f" {option.about.unit}" if isinstance(option.about, Number) else "",
            getattr(gel, name),
            getattr(gel_in_file, name),
        )
        for name, option in options_of(Gel).items()
    ]
    return [
        f"{words} in the file is {known:g}{unit.rstrip()}, but {value:g} is used as "
        "you have set it"
        for words, unit, value, known in values
        if value is not None and known is not None and not _is_close(value, known)
    ]


def _is_close(value: float, known: float) -> bool:
    return value == known or abs(value - known) <= LENGTH_TOLERANCE * abs(known)


def notes_on_unit(entry: ArrayEntry, unit: DisplacementUnit) -> list[str]:
    """A note if the unit in the file is different from the given one."""
    name = unit_name(entry)
    if name is None or displacement_unit(name) in ((unit, 1.0), None):
        return []
    return [f"the unit in the file is {name}, but {unit} is used as you have set it"]


def tell(
    file: FieldFile, notes: Iterable[str], on_notice: Callable[[str], None] | None
) -> None:
    """Give notes to the user, with the name of their file."""
    if on_notice is not None:
        for note in notes:
            on_notice(f"{file.path.name}: {note}")
