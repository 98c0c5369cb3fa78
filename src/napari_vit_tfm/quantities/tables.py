"""Tables of quantities as CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.writing import replacing
from napari_vit_tfm.quantities.adhesions import Adhesion
from napari_vit_tfm.quantities.cell import Cell
from napari_vit_tfm.quantities.changes import Change
from napari_vit_tfm.quantities.intervals import ENDS, Interval
from napari_vit_tfm.quantities.measure import Row
from napari_vit_tfm.quantities.registry import QUANTITIES
from napari_vit_tfm.quantities.significance import ControlRow
from napari_vit_tfm.quantities.units import SCALES

SUFFIX = ".csv"


def check_table(path: str | Path) -> Path:
    """Return the path, or raise an error if no table can be written there.

    Raises
    ------
    FieldFileError
        If the file name does not end in ``.csv``, or there is no such folder.
    """
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise FieldFileError(
            f"{path}: found the extension {path.suffix!r}, expected {SUFFIX}"
        )
    if not path.parent.is_dir():
        raise FieldFileError(f"{path}: there is no folder {path.parent}")
    return path


def write_quantities(
    path: str | Path,
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    gel: Interval | None = None,
) -> None:
    """Write one line for each cell and frame.

    A quantity is followed by the ends of its intervals, such as ``total_force_nN``,
    ``total_force_nN_low68``, unless it follows from the mask alone.

    Parameters
    ----------
    path : path
        The CSV file.
    columns : sequence of str
        Columns of the quantities; see `columns_of`.
    rows : iterable of Row
        Quantities. An unknown number is an empty field; the last column has the flags,
        separated by semicolons.
    gel : Interval, keyword-only, optional
        Factors of the error of Young's modulus, in columns such as ``gel_low68``; see
        `gel_factors`.

    Raises
    ------
    FieldFileError
        As for `check_table`.
    """
    factors = {} if gel is None else _ends("gel", gel)
    lines = (
        [*_line(columns, row), *map(_number, factors.values()), ";".join(row.flags)]
        for row in rows
    )
    _write(path, [*_header(columns), *factors, "flags"], lines)


def write_comparison(
    path: str | Path, columns: Sequence[str], tables: Mapping[str, Iterable[Row]]
) -> None:
    """Write one line for each cell and frame of several tractions.

    Parameters
    ----------
    path : path
        The CSV file.
    columns : sequence of str
        As for `write_quantities`.
    tables : mapping of str to iterable of Row
        Quantities by the name of the tractions, such as their method, which is in the
        first column, ``tractions``.

    Raises
    ------
    FieldFileError
        As for `check_table`.
    """
    lines = (
        [name, *_line(columns, row), ";".join(row.flags)]
        for name, rows in tables.items()
        for row in rows
    )
    _write(path, ["tractions", *_header(columns), "flags"], lines)


def with_ends(column: str) -> list[str]:
    """The column of a quantity, and those of the ends of its intervals.

    Examples
    --------
    >>> with_ends("area_um2"), with_ends("unbalanced")[:3]
    (['area_um2'], ['unbalanced', 'unbalanced_low68', 'unbalanced_high68'])
    """
    ends = ENDS if column in _columns_with_intervals() else ()
    return [column, *(f"{column}_{end}" for end in ends)]


@cache
def _columns_with_intervals() -> frozenset[str]:
    return frozenset(
        quantity.column(scale)
        for quantity in QUANTITIES.values()
        for scale in SCALES
        if quantity.error != "none"
    )


def _header(columns: Sequence[str]) -> list[str]:
    return ["frame", "cell", *(one for name in columns for one in with_ends(name))]


def _line(columns: Sequence[str], row: Row) -> list[str]:
    """All fields but the flags."""
    numbers = dict(row.values)
    for name, interval in row.intervals.items():
        numbers |= _ends(name, interval)
    return [
        str(row.frame),
        str(row.cell),
        *(
            _number(numbers.get(one, math.nan))
            for name in columns
            for one in with_ends(name)
        ),
    ]


def _ends(column: str, interval: Interval) -> dict[str, float]:
    return {f"{column}_{end}": getattr(interval, end) for end in ENDS}


def write_control(path: str | Path, rows: Iterable[ControlRow]) -> None:
    """Write one line for each cell, frame and quantity of the control without force.

    Parameters
    ----------
    path : path
        The CSV file.
    rows : iterable of ControlRow
        The control. An unknown number is an empty field.

    Raises
    ------
    FieldFileError
        As for `check_table`.
    """
    names = [one.name for one in fields(ControlRow)]
    heads = ["quantity" if name == "column" else name for name in names]
    _write(path, heads, ([_text(getattr(row, name)) for name in names] for row in rows))


def write_changes(
    path: str | Path, changes: Iterable[tuple[Cell, Mapping[str, Change]]]
) -> None:
    """Write one line for each change of a quantity from one frame to the next.

    Parameters
    ----------
    path : path
        The CSV file.
    changes : iterable of tuples
        Cells in the later frame, and the changes of their quantities by column.

    Raises
    ------
    FieldFileError
        As for `check_table`.
    """
    lines = (
        [
            *(str(cell.frame), str(cell.number), column),
            "ratio" if change.is_ratio else "difference",
            _number(change.value),
            *(_number(getattr(change.interval, end)) for end in ENDS),
        ]
        for cell, found in changes
        for column, change in found.items()
    )
    _write(path, ["frame", "cell", "quantity", "kind", "change", *ENDS], lines)


def write_adhesions(
    path: str | Path,
    columns: Sequence[str],
    adhesions: Iterable[tuple[Cell, Adhesion]],
) -> None:
    """Write one line for each adhesion.

    Parameters
    ----------
    path : path
        The CSV file.
    columns : sequence of str
        Columns of their numbers; see `adhesion_columns`.
    adhesions : iterable of tuples
        Adhesions and the cells to which they belong.

    Raises
    ------
    FieldFileError
        As for `check_table`.
    """
    header = ["frame", "cell", "adhesion", *columns]
    lines = (
        [
            str(cell.frame),
            str(cell.number),
            str(adhesion.number),
            *(_number(adhesion.values[name]) for name in columns),
        ]
        for cell, adhesion in adhesions
    )
    _write(path, header, lines)


def _text(value: object) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.7g}"


def _write(
    path: str | Path, header: Sequence[str], lines: Iterable[Sequence[str]]
) -> None:
    target = check_table(path)
    with (
        replacing(target) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)
