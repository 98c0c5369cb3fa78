"""Text tables: vectors of PIV programs at positions, or a component as a matrix.

The format is recognised by its content, whatever its suffix. The names or the number of
the columns tell which program wrote the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.gridding import FloatArray
from napari_vit_tfm.io.base import (
    POSITIONS_UM,
    TRACTION_NAME,
    AnyArray,
    ArrayEntry,
    Attributes,
)
from napari_vit_tfm.io.components import component_of
from napari_vit_tfm.io.exporter import Append, Exporter
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.json_text import to_json
from napari_vit_tfm.io.positioned import PositionedField
from napari_vit_tfm.io.text import own
from napari_vit_tfm.io.text.columns import davis_columns, names_in, pivlab_columns
from napari_vit_tfm.io.text.lines import (
    COMMENT_SIGNS,
    NumberLines,
    check_lines,
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
from napari_vit_tfm.units import LENGTH_TOLERANCE


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
        content = self.path.read_bytes()
        check_lines(self.path, content)
        text, self._own = own.split_attributes(decoded(content))
        self._lines = NumberLines.of(self.path, text)
        self._check_number()
        table = self._lines.preamble, self._lines.n_columns
        self._columns = (
            davis_columns(self.path, *table, len(self._lines.lines))
            or names_in(*table)
            or pivlab_columns(*table)
        )
        if self._columns is None:
            _refuse_other_names(self._lines)

    def _check_number(self) -> None:
        """Raise an error if a table of this package does not have all its lines."""
        expected = (self._own or {}).pop(own.N_LINES, None)
        found = len(self._lines.lines)
        if expected not in (None, found):
            raise FieldFileError(
                f"{self.path}: found {found} lines of numbers, expected {expected}: "
                "the table is cut off, or lines were removed or added. Write it again, "
                f"or delete the column {own.ATTRIBUTES}, with unit and gel"
            )

    def entries(self) -> tuple[ArrayEntry, ...]:
        """The fields of the table, or the matrix, named after the file."""
        if not self._is_matrix:
            fields = self._fields.values()
            return tuple(self._with_own(field.entry) for field in fields)
        return (ArrayEntry(self.path.stem, self._matrix.shape, "float64"),)

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """A field on the grid, or the matrix."""
        if not self._is_matrix:
            return self._fields[name].values(frames)
        return self._matrix if frames is None else self._matrix[frames]

    def _with_own(self, entry: ArrayEntry) -> ArrayEntry:
        """The entry with the attributes in a table of this package."""
        if self._own is None:
            return entry
        attributes = self._own or entry.attributes
        spacing, apart = (
            one.get(name)
            for one, name in (
                (self._own, "spacing_um"),
                (entry.attributes, POSITIONS_UM),
            )
        )
        if (
            # JSON has whole numbers; what is no number is refused later.
            isinstance(spacing, int | float)
            and apart is not None
            and abs(spacing - apart) > LENGTH_TOLERANCE * apart
        ):
            raise FieldFileError(
                f"{self.path}: spacing_um is {spacing:g}, but the positions are "
                f"{apart:g} um apart: correct one of them"
            )
        return replace(entry, y="down", y_notes=(), attributes=attributes)

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


_HEADER_BYTES = 4096
"""Length of the beginning of a table, which has the first attribute."""


class CsvExporter(Exporter):
    """One line for each vector and frame; frames are written immediately.

    A traction that is not known is empty. The attributes of the tractions are in the
    first line. There is no place for other arrays, such as an outline.
    """

    name = "CSV"
    suffixes = (".csv",)
    only_tractions = True
    has_companions = False

    @classmethod
    @contextmanager
    def open(cls, path: Path, attributes: Attributes) -> Iterator[Append]:
        """Create a table, to which lines are added."""
        n_frames = n_lines = 0
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")

            def append(name: str, array: AnyArray, attributes: Attributes) -> None:
                nonlocal n_frames, n_lines
                if name != TRACTION_NAME:
                    return
                described = ""
                if n_frames == 0:
                    writer.writerow(_columns(attributes))
                    described = to_json({own.N_LINES: own.LATER, **attributes})
                for number, frame in enumerate(array, n_frames):
                    for line in _lines(number, frame, attributes["spacing_um"]):
                        writer.writerow((*line, described))
                        described = ""
                n_frames += len(array)
                n_lines += array.size // 2

            yield append
        with path.open("r+b") as content:
            beginning = content.read(_HEADER_BYTES)
            content.seek(0)
            content.write(own.with_number_of_lines(beginning, n_lines))


def _columns(attributes: Attributes) -> tuple[str, ...]:
    """Names of the columns, with units."""
    at = "um" if np.isfinite(attributes["spacing_um"]) else "steps"
    of = "Pa" if attributes["units"] == "Pa" else "per_E"
    names = (f"{name}_{of}" for name in ("tx", "ty", "magnitude"))
    return ("frame", f"x_{at}", f"y_{at}", *names, own.ATTRIBUTES)


def _lines(number: int, frame: FloatArray, spacing_um: float) -> Iterable[list[str]]:
    """Frame, position, components and magnitude of every vector, as text."""
    step = spacing_um if np.isfinite(spacing_um) else 1.0
    rows, columns = (index.ravel() for index in np.indices(frame.shape[:2]))
    x, y = frame[..., 0].ravel(), frame[..., 1].ravel()
    at = [[f"{step * index:.10g}" for index in indices] for indices in (columns, rows)]
    # The shortest text from which the same float32 is read.
    of = [
        ["" if text == "nan" else text for text in map(str, values)]
        for values in (x, y, np.hypot(x, y))
    ]
    return map(list, zip([str(number)] * x.size, *at, *of, strict=True))
