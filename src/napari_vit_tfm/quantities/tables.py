"""Tables of quantities and adhesions, and CSV files of them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Literal

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.outputs import check_writable
from napari_vit_tfm.io.replacing import replacing
from napari_vit_tfm.plain_text import for_spreadsheet
from napari_vit_tfm.provenance import relative_to
from napari_vit_tfm.quantities.adhesions import Adhesion, adhesion_columns
from napari_vit_tfm.quantities.changes import CellChanges
from napari_vit_tfm.quantities.intervals import ENDS, Interval
from napari_vit_tfm.quantities.measure import Row
from napari_vit_tfm.quantities.registry import QUANTITIES
from napari_vit_tfm.quantities.significance import ControlRow
from napari_vit_tfm.quantities.units import SCALES

SUFFIX = ".csv"

SOURCE = "source"
"""Name of the column with the file that was measured."""

Value = int | float | str

TableKind = Literal["quantities", "adhesions", "changes", "control"]


@dataclass(frozen=True)
class Origin:
    """What tractions in a table are, where there are several.

    Parameters
    ----------
    field : str
        Title of the field, such as the name of its file.
    method : str
        Method that computed the tractions.
    """

    field: str
    method: str


@dataclass(frozen=True, eq=False)
class Table:
    """A table.

    Parameters
    ----------
    header : tuple of str
        Names of the columns.
    lines : list of tuple
        Values of all columns; an unknown number is NaN.
    """

    header: tuple[str, ...]
    lines: list[tuple[Value, ...]]


def table_of_rows(
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    origin: Origin | None = None,
    with_intervals: bool = False,
    gel: Interval | None = None,
) -> Table:
    """One line for each cell and frame.

    Parameters
    ----------
    columns : sequence of str
        Columns of the quantities; see `columns_of`.
    rows : iterable of Row
        Quantities.
    origin : Origin, keyword-only, optional
        What was measured, for the first columns, ``field`` and ``method``.
    with_intervals : bool, keyword-only
        Whether each quantity is followed by the ends of its intervals, such as
        ``total_force_nN_low68``; see `with_ends`.
    gel : Interval, keyword-only, optional
        Factors of the error of Young's modulus, for columns such as ``gel_low68``; see
        `gel_factors`.

    Returns
    -------
    Table
        The last column has the flags, separated by semicolons.

    Examples
    --------
    >>> from napari_vit_tfm.quantities import Origin, Row, table_of_rows
    >>> row = Row(0, 3, {"leak": 0.5}, ("border", "holes"))
    >>> table = table_of_rows(["leak"], [row], origin=Origin("cell_07", "ViT"))
    >>> table.header
    ('field', 'method', 'frame', 'cell', 'leak', 'flags')
    >>> table.lines
    [('cell_07', 'ViT', 0, 3, 0.5, 'border;holes')]
    """
    names, values = _origin(origin)
    shown = list(columns)
    if with_intervals:
        shown = [name for column in columns for name in with_ends(column)]
    factors = {} if gel is None else _ends("gel", gel)
    return Table(
        (*names, "frame", "cell", *shown, *factors, "flags"),
        [
            (
                *values,
                row.frame,
                row.cell,
                *(_numbers(row).get(name, math.nan) for name in shown),
                *factors.values(),
                ";".join(row.flags),
            )
            for row in rows
        ],
    )


def with_ends(column: str) -> tuple[str, ...]:
    """The column of a quantity, and those of the ends of its intervals.

    Examples
    --------
    >>> from napari_vit_tfm.quantities.tables import with_ends
    >>> with_ends("area_um2"), with_ends("leak")[:3]
    (('area_um2',), ('leak', 'leak_low68', 'leak_high68'))
    """
    ends = () if column in _exact_columns() else ENDS
    return (column, *(f"{column}_{end}" for end in ends))


def is_end(column: str) -> bool:
    """Whether a column has an end of an interval, such as ``leak_low68``."""
    return column.rpartition("_")[2] in ENDS


@cache
def _exact_columns() -> frozenset[str]:
    return frozenset(
        quantity.column(scale)
        for quantity in QUANTITIES.values()
        for scale in SCALES
        if quantity.is_geometric or quantity.error == "none"
    )


def _numbers(row: Row) -> dict[str, float]:
    """Quantities of a row, and the ends of their intervals."""
    numbers = dict(row.values)
    for column, interval in row.intervals.items():
        numbers |= _ends(column, interval)
    return numbers


def _ends(column: str, interval: Interval) -> dict[str, float]:
    return {f"{column}_{end}": getattr(interval, end) for end in ENDS}


def table_of_changes(
    changes: Iterable[CellChanges], *, origin: Origin | None = None
) -> Table:
    """One line for each change of a quantity from one frame to the next.

    Parameters
    ----------
    changes : iterable of CellChanges
        The changes.
    origin : Origin, keyword-only, optional
        As for `table_of_rows`.

    Returns
    -------
    Table
    """
    names, values = _origin(origin)
    return Table(
        (*names, "frame", "cell", "quantity", "kind", "change", *ENDS),
        [
            (
                *values,
                one.frame,
                one.cell,
                column,
                "ratio" if change.is_ratio else "difference",
                change.value,
                *(getattr(change.interval, end) for end in ENDS),
            )
            for one in changes
            for column, change in one.changes.items()
        ],
    )


def table_of_controls(
    rows: Iterable[ControlRow], *, origin: Origin | None = None
) -> Table:
    """One line for each cell, frame and quantity of the control without force.

    Parameters
    ----------
    rows : iterable of ControlRow
        The control.
    origin : Origin, keyword-only, optional
        As for `table_of_rows`.

    Returns
    -------
    Table
    """
    names, values = _origin(origin)
    columns = [one.name for one in fields(ControlRow)]
    shown = ("quantity" if name == "column" else name for name in columns)
    return Table(
        (*names, *shown),
        [(*values, *(getattr(row, name) for name in columns)) for row in rows],
    )


def table_of_adhesions(
    columns: Sequence[str],
    adhesions: Iterable[Adhesion],
    *,
    origin: Origin | None = None,
) -> Table:
    """One line for each adhesion.

    Parameters
    ----------
    columns : sequence of str
        Columns of their numbers; see `adhesion_columns`.
    adhesions : iterable of Adhesion
        Adhesions.
    origin : Origin, keyword-only, optional
        As for `table_of_rows`.

    Returns
    -------
    Table
    """
    names, values = _origin(origin)
    return Table(
        (*names, "frame", "cell", "adhesion", *columns),
        [
            (
                *values,
                one.frame,
                one.cell,
                one.number,
                *(one.values[name] for name in columns),
            )
            for one in adhesions
        ],
    )


def side_by_side(tables: Sequence[Table]) -> Table:
    """Tables with the same columns as one.

    Parameters
    ----------
    tables : sequence of Table
        At least one table.

    Returns
    -------
    Table
        The lines of the same frame and cell follow each other, in the order of the
        tables.

    Raises
    ------
    ValueError
        If the columns are not the same.

    Examples
    --------
    >>> from napari_vit_tfm.quantities import Table, side_by_side
    >>> header = ("method", "frame", "cell")
    >>> one = Table(header, [("ViT", 0, 1), ("ViT", 1, 1)])
    >>> other = Table(header, [("FTTC", 0, 1), ("FTTC", 1, 1)])
    >>> [line[0] for line in side_by_side([one, other]).lines]
    ['ViT', 'FTTC', 'ViT', 'FTTC']
    """
    header = tables[0].header
    if any(table.header != header for table in tables):
        raise ValueError("the tables do not have the same columns")
    frame, cell = header.index("frame"), header.index("cell")
    lines = [line for table in tables for line in table.lines]
    return Table(header, sorted(lines, key=lambda line: (line[frame], line[cell])))


def _origin(origin: Origin | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and values of the columns of an origin."""
    if origin is None:
        return (), ()
    return ("field", "method"), (origin.field, origin.method)


def is_table_of(path: Path, kind: TableKind, source: Path) -> bool:
    """Whether a file is a table of a kind, with any units, of one source.

    Parameters
    ----------
    path : Path
        The file.
    kind : {"quantities", "adhesions", "changes", "control"}
        What the table has.
    source : Path
        The file that was measured. A table without lines is one of any source.

    Examples
    --------
    >>> from pathlib import Path
    >>> from napari_vit_tfm.quantities import table_of_controls
    >>> from napari_vit_tfm.quantities.tables import is_table_of, write_table
    >>> write_table("control.csv", table_of_controls([]), source=Path("cell.h5"))
    >>> is_table_of(Path("control.csv"), "control", Path("cell.h5"))
    True
    >>> is_table_of(Path("control.csv"), "changes", Path("cell.h5"))
    False
    """
    if not path.is_file():
        # To open a named pipe may block for ever.
        return False
    expected = exact(_name_of(source, path))
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            lines = csv.reader(stream)
            *header, last = next(lines, ("", ""))
            return (
                (tuple(header) in _headers(kind))
                and last == SOURCE
                and all(line[-1:] == [expected] for line in lines)
            )
    except (OSError, ValueError, csv.Error):
        return False


def _name_of(source: Path, table: Path) -> str:
    """The path of a source from the folder of a table."""
    return relative_to(table.absolute().parent, source.absolute())


@cache
def _headers(kind: TableKind) -> frozenset[tuple[str, ...]]:
    if kind == "changes":
        return frozenset({table_of_changes([]).header})
    if kind == "control":
        return frozenset({table_of_controls([]).header})
    if kind == "adhesions":
        return frozenset(
            table_of_adhesions([*adhesion_columns(scale)], []).header
            for scale in SCALES
        )
    return frozenset(
        table_of_rows(
            [quantity.column(scale) for quantity in QUANTITIES.values()],
            [],
            with_intervals=True,
            gel=gel,
        ).header
        for scale in SCALES
        for gel in (None, Interval(1.0, 1.0, 1.0, 1.0))
    )


def check_table(path: str | Path, *, inputs: Iterable[str | Path] = ()) -> Path:
    """Return the path, or raise an error if no table can be written there.

    Parameters
    ----------
    path : path
        The table.
    inputs : iterable of paths, keyword-only
        Files that must not be overwritten.

    Raises
    ------
    FieldFileError
        If the file name does not end in ``.csv``, there is no such folder, or the file
        is an input.
    """
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise FieldFileError(
            f"{path}: found the extension {path.suffix!r}, expected {SUFFIX}"
        )
    check_writable(path, inputs=inputs)
    return path


def write_table(path: str | Path, table: Table, *, source: Path | None = None) -> None:
    """Write a table as CSV.

    Parameters
    ----------
    path : path
        The file.
    table : Table
        The table. An unknown number is an empty field.
    source : Path, keyword-only, optional
        The file that was measured. Its path from the folder of the table is in the
        last column, ``source``.

    Raises
    ------
    FieldFileError
        As for `check_table`.
    """
    target = check_table(path)
    with (
        replacing(target) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        last = {} if source is None else {SOURCE: _name_of(source, target)}
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*table.header, *last))
        writer.writerows(map(exact, (*line, *last.values())) for line in table.lines)


def exact(value: Value) -> str:
    """A value as text, with all digits that mean something; empty if it is NaN."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.7g}"
    return for_spreadsheet(str(value))
