"""`PairFile`: two files, each of which has one component of a vector field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.attributes import unit_name
from napari_vit_tfm.io.base import AnyArray, ArrayEntry
from napari_vit_tfm.io.components import (
    PAIR_SEPARATOR,
    Component,
    Pair,
    component_of,
    is_scalar_field,
    paired_entry,
    with_common_unit,
)
from napari_vit_tfm.io.field_file import FieldFile

_PYTFM_UNITS = {
    re.compile(r"\d+[uv]"): "px",
    re.compile(r"(\d+_?)?t[xy]"): "Pa",
}
"""Units of components in files of pyTFM, by the file's name without its extension."""


def with_partner(file: FieldFile, partners: Sequence[FieldFile]) -> FieldFile:
    """The file together with that of the other component, if there is one.

    Parameters
    ----------
    file : FieldFile
        A file that is not open.
    partners : sequence of FieldFile
        Files that have the name of the other component, and are not open.

    Returns
    -------
    FieldFile
        A `PairFile`, or the file itself if there is no other component.

    Raises
    ------
    FieldFileError
        If several files may have the other component.
    """
    component = component_of(file.path.stem)
    found = [partner for partner in partners if partner.may_be_component]
    if component is None or not file.may_be_component or not found:
        return file
    if len(found) > 1:
        names = " and ".join(partner.path.name for partner in found)
        raise FieldFileError(
            f"{file.path}: {names} may have the other component of this field, "
            "expected one file; move the others to another folder"
        )
    return PairFile(file, found[0], component)


class PairFile(FieldFile, is_format=False):
    """A field whose components are in two files.

    Parameters
    ----------
    file, partner : FieldFile
        The file that was asked for, and the file of the other component.
    component : Component
        The component in the first of the two.
    """

    def __init__(self, file: FieldFile, partner: FieldFile, component: Component):
        super().__init__(file.path, file.head)
        self._file, self._partner, self._component = file, partner, component
        # The name of the format and its description are those of the file.
        self.name, self.expects = file.name, file.expects  # type: ignore[misc]

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """False: the two files are recognised by their own format."""
        return False

    @property
    def files(self) -> tuple[Path, ...]:
        """Both files, that of the x component first."""
        files = (self._file.path, self._partner.path)
        return files if self._component.axis == 0 else files[::-1]

    def open(self, resources: ExitStack) -> None:
        """Open both files."""
        resources.enter_context(self._file)
        resources.enter_context(self._partner)

    @property
    def has_components(self) -> bool:
        """Whether each of the two files has one component, and nothing else.

        A table of vectors is no component, even if its file's name is that of one. Its
        field is not named after the file.
        """
        arrays = [*self._file.arrays, *self._partner.arrays]
        return all(map(is_scalar_field, arrays)) and [
            entry.name for entry in arrays
        ] == [file.path.stem for file in (self._file, self._partner)]

    def entries(self) -> tuple[ArrayEntry, ...]:
        """The field; the arrays of the file alone if it does not have one component."""
        if not self.has_components:
            return self._file.arrays
        own, other = self._file.arrays[0], self._partner.arrays[0]
        if own.shape != other.shape:
            raise FieldFileError(
                f"{self._file.path} and {self._partner.path.name} have the two "
                f"components of a field, but different shapes: {own.shape} and "
                f"{other.shape}"
            )
        # Alone, each of them may be taken for a field of its own.
        own = replace(with_common_unit(own, other), kind=None, what="")
        own = _with_unit_of_pytfm(own, self._file.path.stem)
        entry = paired_entry(own, other, self._component.kind, has_frames_last=False)
        names = sorted([self._file.path.name, self._partner.path.name])
        return (replace(entry, name=PAIR_SEPARATOR.join(names)),)

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Both components, ``(T, H, W, 2)`` or ``(H, W, 2)``."""
        own = self._file.arrays[0].name
        if name == own:
            return self._file.read(name, frames)
        parts = [
            self._file.read(own, frames),
            self._partner.read(self._partner.arrays[0].name, frames),
        ]
        x, y = parts if self._component.axis == 0 else parts[::-1]
        return Pair("x", "y", has_frames_last=False).joined(x, y)


def _with_unit_of_pytfm(entry: ArrayEntry, stem: str) -> ArrayEntry:
    """The entry, with a unit and a note if its file is called as in pyTFM."""
    if unit_name(entry) is not None:
        return entry
    for pattern, unit in _PYTFM_UNITS.items():
        if pattern.fullmatch(stem):
            note = f"the file is called as in pyTFM: its unit is taken as {unit}"
            attributes = {**entry.attributes, "units": unit}
            return replace(entry, notes=(*entry.notes, note), attributes=attributes)
    return entry
