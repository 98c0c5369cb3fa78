"""Text tables: vectors of PIV programs at positions, or a component as a matrix.

The format is recognised by its content, whatever its suffix. The names or the number of
the columns tell which program wrote the file.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.gridding import FloatArray
from napari_vit_tfm.io.base import AnyArray, ArrayEntry
from napari_vit_tfm.io.components import component_of
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.positioned import PositionedField
from napari_vit_tfm.io.text.columns import davis_columns, names_in, pivlab_columns
from napari_vit_tfm.io.text.lines import (
    COMMENT_SIGNS,
    NumberLines,
    decoded,
    is_mostly_numbers,
)
from napari_vit_tfm.io.text.named import named_fields
from napari_vit_tfm.io.text.unnamed import (
    IMAGEJ_PIV_COLUMNS,
    NAME_THE_COLUMNS,
    UNNAMED_COLUMNS,
    is_imagej_piv,
    unnamed_field,
)

_PYTFM_UNITS = {
    re.compile(r"\d+[uv]"): "px",
    re.compile(r"(\d+_?)?t[xy]"): "Pa",
}
"""Units of components in files of pyTFM, by the file's name without its extension."""


class TextTableFile(FieldFile):
    """A table of vectors, or a matrix of numbers with one component of a field.

    The whole file is read and put on a grid when its contents are listed.
    """

    name = "Text"
    suffixes = (".txt", ".csv", ".tsv", ".dat", ".jvc", ".vec")
    expects = (
        "columns of positions and components, such as x, y, u, v, or two files with a "
        "matrix of one component each, such as 01u.txt and 01v.txt"
    )
    may_be_component = True

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether the file is text with mostly lines of numbers."""
        return is_mostly_numbers(head)

    def open(self, resources: ExitStack) -> None:
        """Read the lines of the file."""
        self._lines = NumberLines.of(self.path, decoded(self.path.read_bytes()))
        table = self._lines.preamble, self._lines.n_columns
        self._columns = (
            davis_columns(self.path, *table, len(self._lines.lines))
            or names_in(*table)
            or pivlab_columns(*table)
        )
        if self._columns is None:
            _refuse_other_names(self._lines)

    def entries(self) -> tuple[ArrayEntry, ...]:
        """The fields of the table, or the matrix, named after the file."""
        if not self._is_matrix:
            return tuple(field.entry for field in self._fields.values())
        entry = ArrayEntry(self.path.stem, self._matrix.shape, "float64")
        for pattern, unit in _PYTFM_UNITS.items():
            if pattern.fullmatch(self.path.stem):
                note = f"the file is called as in pyTFM: its unit is taken as {unit}"
                return (replace(entry, notes=(note,), attributes={"units": unit}),)
        return (entry,)

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """A field on the grid, or the matrix."""
        if not self._is_matrix:
            return self._fields[name].values(frames)
        return self._matrix if frames is None else self._matrix[frames]

    @cached_property
    def _is_matrix(self) -> bool:
        """Whether the file is a matrix of one component, without positions."""
        if self._columns is not None:
            return False
        n_columns = self._lines.n_columns
        if n_columns == IMAGEJ_PIV_COLUMNS and component_of(self.path.stem) is not None:
            return not is_imagej_piv(self._lines)
        return n_columns not in UNNAMED_COLUMNS

    @cached_property
    def _matrix(self) -> FloatArray:
        return self._lines.numbers(range(self._lines.n_columns))

    @cached_property
    def _fields(self) -> dict[str, PositionedField]:
        if self._columns is None:
            fields: tuple[PositionedField, ...] = (unnamed_field(self._lines),)
        else:
            fields = named_fields(self._lines, self._columns)
        return {field.name: field for field in fields}


def _refuse_other_names(lines: NumberLines) -> None:
    """Raise an error if the columns have names that are not those of vectors."""
    named = [line for line in lines.preamble if not line.startswith(COMMENT_SIGNS)]
    if named:
        raise FieldFileError(
            f"{lines.path}: found {named[-1][:60]!r} before the numbers, expected "
            f"names of columns; {NAME_THE_COLUMNS}"
        )
