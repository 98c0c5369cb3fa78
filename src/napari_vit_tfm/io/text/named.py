"""`named_table`: tables with names of columns, of PIVlab, OpenPIV, JPIV and others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.gridding import FloatArray
from napari_vit_tfm.io.base import unless_given
from napari_vit_tfm.io.components import PAIR_SEPARATOR
from napari_vit_tfm.io.text import marks
from napari_vit_tfm.io.text.columns import Column, ComponentColumns, component_columns
from napari_vit_tfm.io.text.directions import openpiv_direction, order_of_y
from napari_vit_tfm.io.text.lines import NumberLines
from napari_vit_tfm.io.text.vectors import TableField, VectorTable


def named_table(lines: NumberLines, columns: Sequence[Column]) -> VectorTable:
    """The vectors of a table whose columns have names.

    Parameters
    ----------
    lines : NumberLines
        The table.
    columns : sequence of Column
        Its columns.

    Raises
    ------
    FieldFileError
        If the names do not fit the table, or positions or components are missing.
    """
    names = _NamedColumns.of(lines, columns)
    if names.is_tecplot:
        _check_zone(lines)
    positions = names.numbers("x", "y")
    y, y_notes = names.direction(positions)
    frame_numbers, frame_notes = names.frames()
    fields = tuple(names.field(components) for components in names.components)
    return VectorTable(
        positions=positions,
        fields=fields,
        y=y,
        position_unit=names.common_unit(names.roles["x"], names.roles["y"]),
        frame_numbers=frame_numbers,
        notes=(*frame_notes, *names.unused()),
        y_notes=y_notes,
    )


@dataclass(frozen=True, eq=False)
class _NamedColumns:
    """The columns of a table with names.

    Parameters
    ----------
    lines : NumberLines
        The table.
    columns : sequence of Column
        All columns.
    roles : mapping of str to int
        Number of the first column of each role.
    components : list of ComponentColumns
        The vector fields.
    content : mapping of int to array
        Numbers of the columns that are used.
    """

    lines: NumberLines
    columns: Sequence[Column]
    roles: Mapping[str, int]
    components: list[ComponentColumns]
    content: Mapping[int, FloatArray]

    @classmethod
    def of(cls, lines: NumberLines, columns: Sequence[Column]) -> _NamedColumns:
        found = ", ".join(column.name for column in columns)
        if len(columns) != lines.n_columns:
            raise FieldFileError(
                f"{lines.path}: has {len(columns)} names of columns ({found}), but "
                f"line {lines.line_numbers[0]} has {lines.n_columns} columns; correct "
                "the names"
            )
        roles: dict[str, int] = {}
        for number, column in enumerate(columns):
            if column.role is not None:
                roles.setdefault(column.role, number)
        components = component_columns(columns)
        if not {"x", "y"} <= roles.keys() or not components:
            raise FieldFileError(
                f"{lines.path}: found the columns {found}, expected positions x, y and "
                "components such as u, v or dx, dy or ux, uy"
            )
        used = sorted(
            {
                *roles.values(),
                *(number for pair in components for number in (pair.x, pair.y)),
            }
        )
        content = dict(zip(used, lines.numbers(used).T, strict=True))
        return cls(lines, columns, roles, components, content)

    @property
    def is_tecplot(self) -> bool:
        return any("VARIABLES" in line.upper() for line in self.lines.preamble)

    @property
    def is_pivlab(self) -> bool:
        return "type" in self.roles or "PIVlab" in "".join(self.lines.preamble)

    @property
    def is_openpiv(self) -> bool:
        return not {"mask", "flags"}.isdisjoint(self.roles)

    def numbers(self, *roles: str) -> FloatArray:
        return np.stack([self.content[self.roles[role]] for role in roles], axis=1)

    def column(self, role: str) -> FloatArray | None:
        return self.content[self.roles[role]] if role in self.roles else None

    def common_unit(self, x: int, y: int) -> str | None:
        """The unit of two columns, with the time if it is a rate."""
        one, other = self.columns[x], self.columns[y]
        if (one.unit, one.per_time) != (other.unit, other.per_time):
            raise FieldFileError(
                f"{self.lines.path}: the columns {one.name} and {other.name} have the "
                f"units {one.unit} and {other.unit}, expected the same unit; convert "
                "one of them"
            )
        return one.unit if one.per_time is None else f"{one.unit} per {one.per_time}"

    def direction(
        self, positions: FloatArray
    ) -> tuple[YDirection | None, tuple[str, ...]]:
        """Direction of the y axis, which depends on the program."""
        if self.is_pivlab:
            unit = self.columns[self.roles["y"]].unit
            return "down" if unit in ("px", None) else None, ()
        if self.is_tecplot:
            is_jpiv = self.lines.path.suffix.lower() == ".jvc" or "status" in self.roles
            return "down" if is_jpiv else None, ()
        if self.is_openpiv:
            return openpiv_direction(positions)
        if order_of_y(positions) < 0:
            if self.lines.preamble[-1].startswith("#"):
                return openpiv_direction(positions)
            return "down", (
                "the first line has the largest y, but the file does not say whether y "
                f"points down or up: down is assumed ({unless_given('up')})",
            )
        return None, ()

    def field(self, components: ComponentColumns) -> TableField:
        vectors = np.stack(
            [self.content[components.x], self.content[components.y]], axis=1
        )
        missing, notes = self._marked(vectors)
        vectors[missing] = np.nan
        names = (self.columns[number].name for number in (components.x, components.y))
        return TableField(
            name=PAIR_SEPARATOR.join(names),
            vectors=vectors,
            unit=self.common_unit(components.x, components.y),
            kind=components.kind,
            what=components.what,
            notes=notes,
        )

    def _marked(self, vectors: FloatArray) -> marks.Marked:
        types, status = self.column("type"), self.column("status")
        if types is not None:
            return marks.pivlab(types)
        if status is not None and self.is_tecplot:
            return marks.status(status)
        return marks.openpiv(vectors, self.column("flags"), self.column("mask"))

    def frames(self) -> tuple[FloatArray | None, tuple[str, ...]]:
        """Frame numbers, if there are several frames, and notes about them."""
        role = "frame" if "frame" in self.roles else "time"
        numbers = self.column(role)
        if numbers is None or (numbers == numbers[0]).all():
            return None, ()
        name = self.columns[self.roles[role]].name
        if not (numbers == np.round(numbers)).all():
            raise FieldFileError(
                f"{self.lines.path}: the column {name} has numbers such as "
                f"{numbers[numbers != np.round(numbers)][0]:g}, expected whole numbers "
                "of frames; number the frames, or leave out the column"
            )
        found = np.unique(numbers)
        if len(found) == found[-1] - found[0] + 1:
            return numbers, ()
        return numbers, (
            f"the frames in the column {name} are not consecutive: {len(found)} frames "
            f"from {found[0]:g} to {found[-1]:g} are read one after the other",
        )

    def unused(self) -> tuple[str, ...]:
        names = [
            column.name
            for number, column in enumerate(self.columns)
            if number not in self.content
            and column.name
            and not column.name.lower().startswith("magnitude")
        ]
        return (f"other columns are not used: {', '.join(names)}",) if names else ()


def _check_zone(lines: NumberLines) -> None:
    """Raise an error if a Tecplot zone has fewer or more lines than its header says."""
    text = " ".join(lines.preamble)
    found = [re.search(rf"\b{axis}\s*=\s*(\d+)", text) for axis in "IJ"]
    if None in found:
        return
    columns, rows = (int(match[1]) for match in found if match is not None)
    if columns * rows != len(lines.lines):
        raise FieldFileError(
            f"{lines.path}: has {len(lines.lines)} vectors, but its header says "
            f"I={columns}, J={rows}: the file is incomplete; write it again"
        )
