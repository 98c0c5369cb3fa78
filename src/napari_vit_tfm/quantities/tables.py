"""Tables of quantities as CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.writing import replacing
from napari_vit_tfm.quantities.adhesions import Adhesion
from napari_vit_tfm.quantities.measure import Row

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
    path: str | Path, columns: Sequence[str], rows: Iterable[Row]
) -> None:
    """Write one line for each cell and frame.

    Parameters
    ----------
    path : path
        The CSV file.
    columns : sequence of str
        Columns of the quantities; see `columns_of`.
    rows : iterable of Row
        Quantities. An unknown number is an empty field; the last column has the flags,
        separated by semicolons.

    Raises
    ------
    FieldFileError
        As for `check_table`.
    """
    lines = (_line(columns, row) for row in rows)
    _write(path, _header(columns), lines)


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
        [name, *_line(columns, row)] for name, rows in tables.items() for row in rows
    )
    _write(path, ["tractions", *_header(columns)], lines)


def _header(columns: Sequence[str]) -> list[str]:
    return ["frame", "cell", *columns, "flags"]


def _line(columns: Sequence[str], row: Row) -> list[str]:
    return [
        str(row.frame),
        str(row.cell),
        *(_number(row.values[name]) for name in columns),
        ";".join(row.flags),
    ]


def write_adhesions(
    path: str | Path,
    columns: Sequence[str],
    adhesions: Iterable[tuple[int, int, Adhesion]],
) -> None:
    """Write one line for each adhesion.

    Parameters
    ----------
    path : path
        The CSV file.
    columns : sequence of str
        Columns of their numbers; see `adhesion_columns`.
    adhesions : iterable of tuples
        Adhesions, after the numbers of their frame and cell.

    Raises
    ------
    FieldFileError
        As for `check_table`.
    """
    header = ["frame", "cell", "adhesion", *columns]
    lines = (
        [
            str(frame),
            str(cell),
            str(adhesion.number),
            *(_number(adhesion.values[name]) for name in columns),
        ]
        for frame, cell, adhesion in adhesions
    )
    _write(path, header, lines)


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
