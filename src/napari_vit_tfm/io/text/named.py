"""`named_fields`: tables with names of columns, of PIVlab, OpenPIV, DaVis, others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.gridding import FloatArray, PositionedVectors
from napari_vit_tfm.io.base import unless_given
from napari_vit_tfm.io.components import PAIR_SEPARATOR, component_of
from napari_vit_tfm.io.positioned import PositionedField
from napari_vit_tfm.io.text.columns import (
    Column,
    ComponentColumns,
    component_columns,
    is_davis,
)
from napari_vit_tfm.io.text.directions import (
    davis_direction,
    openpiv_direction,
    order_of_y,
)
from napari_vit_tfm.io.text.lines import NumberLines
from napari_vit_tfm.io.text.marks import (
    CONVENTIONS,
    JPIV_STATUS,
    BoolArray,
    Marked,
    old_openpiv_mask,
    role_of_mark,
)

Rows = slice | npt.NDArray[np.intp]

_BLOCK = re.compile(r"\b(?:F|DATAPACKING)\s*=\s*(?:FE)?BLOCK\b", re.IGNORECASE)
_SAME_REGION = 1e-3
"""Allowed distance between the borders of two frames, relative to their longer side."""


def named_fields(
    lines: NumberLines, columns: Sequence[Column]
) -> tuple[PositionedField, ...]:
    """The vector fields of a table whose columns have names.

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
    if lines.is_tecplot:
        _check_zones(lines)
    names = _NamedColumns.of(lines, columns)
    return tuple(map(names.field, names.components))


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
        for column in columns:
            is_used = column.role is not None or component_of(column.name) is not None
            if is_used and columns.count(column) > 1:
                raise FieldFileError(
                    f"{lines.path}: there are several columns {column.name}, expected "
                    "one: rename the others"
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
        marks = [one for one in used if role_of_mark(columns[one].name)]
        others = [one for one in used if one not in marks]
        content = dict(zip(others, lines.numbers(others, words=False).T, strict=True))
        if marks:
            content |= zip(marks, lines.numbers(marks).T, strict=True)
        return cls(lines, columns, roles, components, content)

    @property
    def is_pivlab(self) -> bool:
        return "type" in self.roles or "PIVlab" in "".join(self.lines.preamble)

    @property
    def is_openpiv(self) -> bool:
        return not {"mask", "flags"}.isdisjoint(self.roles)

    @property
    def is_old_openpiv(self) -> bool:
        """Whether the mask may also mark vectors that were replaced."""
        return "flags" not in self.roles and self.lines.preamble[-1].startswith("#")

    def numbers(self, *roles: str) -> FloatArray:
        return np.stack([self.content[self.roles[role]] for role in roles], axis=1)

    def column(self, role: str) -> FloatArray | None:
        return self.content[self.roles[role]] if role in self.roles else None

    def common_unit(self, x: int, y: int) -> str | None:
        """The unit of two columns, with the time if it is a rate."""
        one, other = self.columns[x], self.columns[y]
        units = [
            part.unit if part.per_time is None else f"{part.unit} per {part.per_time}"
            for part in (one, other)
        ]
        if units[0] != units[1]:
            raise FieldFileError(
                f"{self.lines.path}: the columns {one.name} and {other.name} have the "
                f"units {units[0]} and {units[1]}, expected the same unit; convert "
                "one of them"
            )
        return units[0]

    def _direction(
        self, positions: FloatArray
    ) -> tuple[YDirection | None, tuple[str, ...]]:
        """Direction of the y axis, which depends on the program."""
        if self.is_pivlab:
            unit = self.columns[self.roles["y"]].unit
            return "down" if unit in ("px", None) else None, ()
        if is_davis(self.lines.preamble):
            return davis_direction(positions)
        if self.lines.is_tecplot:
            is_jpiv = (
                self.lines.path.suffix.lower() == ".jvc" or JPIV_STATUS in self.roles
            )
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

    def field(self, components: ComponentColumns) -> PositionedField:
        positions = self.numbers("x", "y")
        vectors = np.stack(
            [self.content[components.x], self.content[components.y]], axis=1
        )
        missing, mark_notes = self._marked(vectors)
        vectors[missing] = np.nan
        frames, frame_notes = self._frames(positions)
        y, y_notes = self._direction(positions)
        names = (self.columns[number].name for number in (components.x, components.y))
        return PositionedField(
            name=PAIR_SEPARATOR.join(names),
            content=PositionedVectors(
                [positions[rows] for rows in frames], [vectors[rows] for rows in frames]
            ),
            unit=self.common_unit(components.x, components.y),
            position_unit=self.common_unit(self.roles["x"], self.roles["y"]),
            kind=components.kind,
            what=components.what,
            y=y,
            notes=(*frame_notes, *self._unused(), *mark_notes),
            y_notes=y_notes,
        )

    def _marked(self, vectors: FloatArray) -> Marked:
        """Vectors that any column of marks calls missing, and notes about them."""
        missing = np.zeros(len(vectors), bool)
        notes: tuple[str, ...] = ()
        for role, number in self.roles.items():
            name, values = self.columns[number].name, self.content[number]
            if role == JPIV_STATUS and self.lines.is_tecplot:
                role = "status"
            if role not in CONVENTIONS:
                continue
            if role == "mask" and self.is_old_openpiv:
                found, told = old_openpiv_mask(values, vectors)
            else:
                found, told = CONVENTIONS[role].marked(values, name)
                self._check_most(name, role, found)
                if found.any():
                    told = (*told, _missing_note(name, role, found))
            missing, notes = missing | found, (*notes, *told)
        return missing, notes

    def _check_most(self, name: str, role: str, missing: BoolArray) -> None:
        """Raise an error if most vectors are missing, and no program is known.

        The numbers then probably mean the opposite. Masks may cover most of a field.
        """
        is_known = self.lines.is_tecplot or "mask" in self.roles
        if role in ("mask", "type") or is_known or np.mean(missing) <= 0.5:
            return
        raise FieldFileError(
            f"{self.lines.path}: according to the column {name}, "
            f"{np.count_nonzero(missing)} of {missing.size} vectors are missing, since "
            f"{CONVENTIONS[role].missing} in a column of this name; if "
            'it means the opposite, call the column "valid" (1 is valid) or "mask" (0 '
            "is valid)"
        )

    def _frames(self, positions: FloatArray) -> tuple[Sequence[Rows], tuple[str, ...]]:
        """Rows of the vectors of each frame, and notes about the frames."""
        if len(self.lines.zones) > 1:
            _check_positions_of_zones(self.lines, positions)
            ends = np.cumsum([zone.n_lines for zone in self.lines.zones])
            note = f"each of the {len(ends)} zones of the file is one frame"
            return np.split(np.arange(len(positions)), ends[:-1]), (note,)
        role = "frame" if "frame" in self.roles else "time"
        numbers = self.column(role)
        if numbers is None or (numbers == numbers[0]).all():
            return [slice(None)], ()
        name = self.columns[self.roles[role]].name
        if not (numbers == np.round(numbers)).all():
            raise FieldFileError(
                f"{self.lines.path}: the column {name} has numbers such as "
                f"{numbers[numbers != np.round(numbers)][0]:g}, expected whole numbers "
                "of frames; number the frames, or leave out the column"
            )
        found, counts = np.unique(numbers, return_counts=True)
        order = np.argsort(numbers, kind="stable")
        rows = np.split(order, np.cumsum(counts)[:-1])
        if len(found) == found[-1] - found[0] + 1:
            return rows, ()
        return rows, (
            f"the frames in the column {name} are not consecutive: {len(found)} frames "
            f"from {found[0]:g} to {found[-1]:g} are read one after the other",
        )

    def _unused(self) -> tuple[str, ...]:
        names = [
            column.name
            for number, column in enumerate(self.columns)
            if number not in self.content
            and column.name
            and not column.name.lower().startswith("magnitude")
        ]
        return (f"other columns are not used: {', '.join(names)}",) if names else ()


def _missing_note(name: str, role: str, missing: BoolArray) -> str:
    """How many vectors a column marks as missing, and what means missing in it."""
    number, of = np.count_nonzero(missing), missing.size
    return (
        f"vectors that the column {name} marks as missing: {number} of {of} "
        f"({CONVENTIONS[role].missing})"
    )


def _check_zones(lines: NumberLines) -> None:
    """Raise an error if a Tecplot zone is incomplete, or not one vector per line."""
    for number, zone in enumerate(lines.zones):
        which = f" in zone {number + 1}" if len(lines.zones) > 1 else ""
        if _BLOCK.search(zone.header):
            raise FieldFileError(
                f"{lines.path}: the numbers are stored variable by variable (BLOCK)"
                f"{which}, expected one vector in each line; write the file with "
                "DATAPACKING=POINT"
            )
        found = [re.search(rf"\b{axis}\s*=\s*(\d+)", zone.header) for axis in "IJ"]
        columns, rows = (None if match is None else int(match[1]) for match in found)
        if columns is None or rows is None or columns * rows == zone.n_lines:
            continue
        raise FieldFileError(
            f"{lines.path}: has {zone.n_lines} vectors{which}, but its header says "
            f"I={columns}, J={rows}: the file is incomplete; write it again"
        )


def _check_positions_of_zones(lines: NumberLines, positions: FloatArray) -> None:
    """Raise an error if the zones are not frames of the same region."""
    ends = np.cumsum([zone.n_lines for zone in lines.zones])
    regions = [
        np.array([np.nanmin(part, axis=0), np.nanmax(part, axis=0)])
        for part in np.split(positions, ends[:-1])
    ]
    tolerance = _SAME_REGION * np.ptp(regions[0], axis=0).max()
    for number, region in enumerate(regions):
        if np.abs(region - regions[0]).max() > tolerance:
            (x, y), (first_x, first_y) = region[0], regions[0][0]
            raise FieldFileError(
                f"{lines.path}: the positions in zone {number + 1} begin at ({x:g}, "
                f"{y:g}), but at ({first_x:g}, {first_y:g}) in zone 1, or they end "
                "elsewhere; expected the same region in all zones, each of which is "
                "one frame; write other zones to files of their own"
            )
