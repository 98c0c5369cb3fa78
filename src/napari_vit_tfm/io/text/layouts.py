"""Which columns of a text table are what: `named_table` and `unnamed_table`.

Tables with names of columns are those of PIVlab, OpenPIV and JPIV, and others. Tables
without are those of ImageJ's iterative PIV and FTTC plugins, and of OpenPIV.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.gridding import FloatArray
from napari_vit_tfm.io.base import YDirection, kind_of_name
from napari_vit_tfm.io.components import PAIR_SEPARATOR
from napari_vit_tfm.io.text import marks
from napari_vit_tfm.io.text.columns import Column, ComponentColumns, component_columns
from napari_vit_tfm.io.text.lines import NumberLines
from napari_vit_tfm.io.text.parameters import fttc_parameters, is_of_tractions
from napari_vit_tfm.io.text.vectors import TableField, VectorTable

IMAGEJ_PIV_COLUMNS = 16
UNNAMED_COLUMNS = (4, 5, 6, IMAGEJ_PIV_COLUMNS)
"""Numbers of columns of tables without names that have positions."""

NAME_THE_COLUMNS = (
    "name the columns in a first line, such as x,y,u,v, with their units if you know "
    "them: x [px],y [px],u [px],v [px]"
)
_OTHER_Y = 'otherwise y="{0}", --y {0}'
_VELOCITY = re.compile(r"velocit|\w/(?:s|sec|min|h)\b", re.IGNORECASE)


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
    y, notes = names.direction(positions)
    frame_numbers, frame_notes = names.frames()
    fields = tuple(names.field(components) for components in names.components)
    return VectorTable(
        positions=positions,
        fields=fields,
        y=y,
        position_unit=names.common_unit(names.roles["x"], names.roles["y"]),
        frame_numbers=frame_numbers,
        notes=(*notes, *frame_notes, *names.unused()),
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
        is_comment = self.lines.preamble[-1].startswith("#")
        return is_comment or not {"mask", "flags"}.isdisjoint(self.roles)

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
            return _openpiv_direction(positions)
        if _order_of_y(positions) < 0:
            return "down", (
                "the first line has the largest y, but the file does not say whether y "
                f"points down or up: down is assumed ({_OTHER_Y.format('up')})",
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
        ]
        return (f"other columns are not used: {', '.join(names)}",) if names else ()


def unnamed_table(lines: NumberLines) -> VectorTable:
    """The vectors of a table whose columns have no names.

    Parameters
    ----------
    lines : NumberLines
        The table, whose number of columns is one of `UNNAMED_COLUMNS`.

    Raises
    ------
    FieldFileError
        If it is not the table of a known program.
    """
    numbers = lines.numbers(range(lines.n_columns))
    positions, vectors, others = numbers[:, :2], numbers[:, 2:4].copy(), numbers[:, 4:]
    if is_of_tractions(lines.path) and lines.n_columns <= 5:
        attributes, notes = fttc_parameters(lines.path)
        found = TableField("tractions", vectors, unit="Pa", kind="traction")
        return VectorTable(
            positions, (found,), y="down", notes=notes, attributes=attributes
        )
    if lines.n_columns == IMAGEJ_PIV_COLUMNS:
        if not is_imagej_piv(lines):
            raise _unknown_columns(lines, "16 columns, but the fifth is not the length")
        missing, notes = marks.imagej_piv(others[:, -1])
        vectors[missing] = np.nan
        found = TableField("vectors", vectors, unit="px", notes=notes)
        return VectorTable(positions, (found,), y="down", position_unit="px")
    if lines.n_columns == 4:
        return _four_columns(lines, positions, vectors)
    return _with_marks(lines, positions, vectors, others)


def is_imagej_piv(lines: NumberLines) -> bool:
    """Whether the fifth of 16 columns is the length of the vectors."""
    numbers = lines.numbers([2, 3, 4])
    return _is_magnitude(numbers[:, 2], numbers[:, :2])


def _four_columns(
    lines: NumberLines, positions: FloatArray, vectors: FloatArray
) -> VectorTable:
    """Positions and vectors as in the input of ImageJ's FTTC plugin."""
    comment = next(filter(_VELOCITY.search, lines.preamble), None)
    kind, _ = kind_of_name(lines.path.stem)
    unit, velocity = None, ""
    if comment is not None:
        velocity = f"a velocity: {comment.strip('#% ')}"
    elif kind in (None, "displacement") and not lines.preamble:
        unit = "px"
    found = TableField(
        "vectors", vectors, unit, "other" if velocity else None, velocity
    )
    table = VectorTable(positions, (found,), y="down", position_unit=unit)
    # Vectors in pixels are at least one pixel apart.
    if unit is not None and table.grid.step < 1:
        unit, found = None, replace(found, unit=None)
    note = _columns_note("uy" if unit is None else "uy in camera pixels", positions)
    return replace(table, fields=(found,), position_unit=unit, notes=(note,))


def _with_marks(
    lines: NumberLines, positions: FloatArray, vectors: FloatArray, others: FloatArray
) -> VectorTable:
    """Positions and vectors, then the length of the vectors, or marks."""
    fifth = others[:, 0]
    are_marks = bool(np.isin(others, (0, 1, 2)).all())
    if lines.n_columns == 5 and not are_marks:
        if not _is_magnitude(fifth, vectors):
            raise _unknown_columns(lines, "a fifth column that is not the length")
        note = _columns_note("uy and the length of the vectors", positions)
        found = TableField("vectors", vectors)
        return VectorTable(positions, (found,), y="down", notes=(note,))
    if not are_marks:
        raise _unknown_columns(
            lines, "a fifth and a sixth column that are neither marks nor the length"
        )
    y: YDirection
    if lines.n_columns == 5 and np.mean(fifth == 1) > 0.5:
        missing, notes = marks.pivlab(fifth)
        y, meaning = "down", "the vector type of PIVlab, where 0 is masked"
        y_notes: tuple[str, ...] = (
            f"y is taken as pointing down ({_OTHER_Y.format('up')})",
        )
    else:
        flags = fifth if lines.n_columns == 6 or (fifth == 2).any() else None
        mask = others[:, -1] if lines.n_columns == 6 or flags is None else None
        missing, notes = marks.openpiv(vectors, flags, mask)
        y, y_notes = _openpiv_direction(positions)
        meaning = (
            " and ".join(
                word
                for word, column in (("flags", flags), ("mask", mask))
                if column is not None
            )
            + " of OpenPIV, where 0 is valid"
        )
    vectors[missing] = np.nan
    note = f"the columns have no names and are taken as x, y, u, v and {meaning}"
    found = TableField("vectors", vectors, notes=notes)
    return VectorTable(positions, (found,), y=y, notes=(note, *y_notes))


def _columns_note(last: str, positions: FloatArray) -> str:
    """What is assumed about a table that can be the input of ImageJ's FTTC plugin."""
    first = (
        ", although the first line has the largest y"
        if _order_of_y(positions) < 0
        else ""
    )
    return (
        f"the columns have no names: they are taken as x, y, ux, {last}, as in the "
        f"input of ImageJ's FTTC plugin, with y pointing down{first} "
        f"({_OTHER_Y.format('up')})"
    )


def _unknown_columns(lines: NumberLines, found: str) -> FieldFileError:
    return FieldFileError(
        f"{lines.path}: the columns have no names, and this is not the table of a "
        f"known program: found {found} of the vectors; {NAME_THE_COLUMNS}"
    )


def _is_magnitude(numbers: FloatArray, vectors: FloatArray) -> bool:
    """Whether numbers are the lengths of vectors, apart from rounding."""
    length = np.hypot(*vectors.T)
    known = np.isfinite(length) & np.isfinite(numbers)
    if not known.any():
        return False
    tolerance = 0.01 * length[known] + 1e-3 * length[known].max()
    return bool(np.mean(np.abs(numbers - length)[known] <= tolerance) > 0.99)


def _order_of_y(positions: FloatArray) -> int:
    """1 if y increases from the first to the last line, -1 if it decreases, else 0."""
    y = positions[np.isfinite(positions).all(axis=1), 1]
    if not y.size:
        return 0
    if (y[0], y[-1]) == (y.min(), y.max()):
        return 1
    return -1 if (y[0], y[-1]) == (y.max(), y.min()) else 0


def _openpiv_direction(positions: FloatArray) -> tuple[YDirection, tuple[str, ...]]:
    """Direction of y in a file of OpenPIV, and a note about it."""
    if _order_of_y(positions) > 0:
        return "down", (
            "the first line has the smallest y, unlike in most files of OpenPIV: y is "
            f"taken as pointing down ({_OTHER_Y.format('up')})",
        )
    return "up", (
        "y is taken as pointing up, as in most files of OpenPIV "
        f"({_OTHER_Y.format('down')})",
    )


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
