"""The table of experiments."""

from __future__ import annotations

import codecs
import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import cast

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.errors import ConfigError, TFMError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.quantities import QUANTITIES, SCALES
from napari_vit_tfm.quantities.tables import with_ends
from napari_vit_tfm.units import DISPLACEMENT_UNITS, DisplacementUnit

FILE_COLUMN = "file"
MASK_COLUMN = "mask"

_NUMBERS = ("young_pa", "poisson", "thickness_um", "spacing_um", "pixel_size_um")
_WORDS = ("dataset", "unit", "y")
COLUMNS = (FILE_COLUMN, MASK_COLUMN, *_NUMBERS, *_WORDS)
"""Columns with a meaning; all others are carried through to the summary."""

_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}([.,]\d{3})+")
"""Numbers such as 8.000, with a sign between the thousands or decimals."""

RESERVED = ("experiment", "frame", "cell", "flags")
"""Columns of the summary that the table of experiments must not have."""


@dataclass(frozen=True)
class Experiment:
    """One row of the table of experiments.

    Parameters
    ----------
    name : str
        Name of its folder of results: that of the file, made unique.
    file : Path
        File, or folder of files, with the displacements.
    mask : Path, optional
        File with the numbers of the cells.
    gel : Gel
        Known values of the gel; the others are those in the file.
    spacing_um, pixel_size_um : float, optional
        Lengths that replace those in the file.
    dataset, unit, y : str, optional
        As for `read_displacement`.
    labels : mapping of str to str
        All other columns, such as condition and replicate.
    error : str
        What is wrong with the row; such an experiment fails. Empty if nothing is.
    """

    name: str
    file: Path
    mask: Path | None = None
    gel: Gel = field(default_factory=Gel)
    spacing_um: float | None = None
    pixel_size_um: float | None = None
    dataset: str | None = None
    unit: DisplacementUnit | None = None
    y: YDirection | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    error: str = ""


def read_experiments(path: str | Path) -> list[Experiment]:
    r"""Read a table of experiments, one per row.

    Parameters
    ----------
    path : path
        A text table with a header, separated by commas, semicolons or tabs. Files in it
        are found from its folder. `COLUMNS` have a meaning; only ``file`` is required,
        and an empty field is the value in the file. Other columns, such as condition
        and replicate, are carried through.

    Returns
    -------
    list of Experiment

    Raises
    ------
    ConfigError
        If the table has no rows or no column ``file``, or a column twice or one of
        `RESERVED`. A row with a value that is not valid is an experiment with an error.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("dishes.csv").write_text(
    ...     "file,young_pa,condition\ncell1.h5,8000,control\ncell2.h5,8000,drug\n"
    ... )
    >>> first, second = read_experiments("dishes.csv")
    >>> first.name, first.gel.young_pa, dict(second.labels)
    ('cell1', 8000.0, {'condition': 'drug'})
    """
    path = Path(path)
    folder = path.parent.absolute()
    header, rows, has_commas = _read(path)
    _check_header(path, header)
    experiments: list[Experiment] = []
    for number, values in rows:
        row = dict(zip(header, values, strict=False))
        try:
            if len(values) != len(header):
                raise ConfigError(
                    f"found {len(values)} fields, but the header has {len(header)}"
                )
            experiments.append(_experiment(row, folder, has_commas=has_commas))
        except TFMError as error:
            file = folder / (row.get(FILE_COLUMN) or f"line {number}")
            reason = f"{path}, line {number}: {error}"
            labels = _labels(row)
            experiments.append(Experiment(file.stem, file, labels=labels, error=reason))
    if not experiments:
        raise ConfigError(f"{path}: the table has no rows below its header")
    return _with_unique_names(experiments)


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]], bool]:
    """Header, rows with their lines, and whether numbers may have decimal commas."""
    lines = _decoded(path.read_bytes()).splitlines()
    first, separator = 1, None
    if lines and lines[0].lower().startswith("sep="):
        # Excel's own line about the separator.
        first, separator = 2, lines.pop(0)[len("sep=") :][:1]
    if not lines:
        raise ConfigError(f"{path}: the table is empty")
    separator = separator or max(",;\t", key=lines[0].count)
    table = [
        (number, [value.strip() for value in values])
        for number, values in enumerate(
            csv.reader(lines, delimiter=separator), start=first
        )
        if any(value.strip() for value in values)
    ]
    if not table:
        raise ConfigError(f"{path}: the table is empty")
    known = {name.lower(): name for name in COLUMNS}
    header = [known.get(name.lower(), name) for name in table[0][1]]
    return header, table[1:], separator != ","


def _decoded(content: bytes) -> str:
    """Text of a table in UTF-8, or as spreadsheets write it: UTF-16, Windows-1252."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _columns_of_quantities() -> set[str]:
    """Columns of the summary in all units."""
    return {
        name
        for one in QUANTITIES.values()
        for scale in SCALES
        for name in with_ends(one.column(scale))
    }


def _check_header(path: Path, header: list[str]) -> None:
    if FILE_COLUMN not in header:
        raise ConfigError(
            f"{path}: found the columns {', '.join(header)}, expected one that is "
            f"called {FILE_COLUMN!r}"
        )
    for name in header:
        if not name or header.count(name) > 1:
            raise ConfigError(f"{path}: the column {name!r} is there twice, or unnamed")
        if name in RESERVED or name in _columns_of_quantities():
            raise ConfigError(
                f"{path}: the summary has a column {name!r} of its own: rename this one"
            )


def _experiment(
    row: Mapping[str, str], folder: Path, *, has_commas: bool
) -> Experiment:
    if not row[FILE_COLUMN]:
        raise ConfigError("the file is missing")
    numbers = {
        name: _number(name, row.get(name, ""), has_commas=has_commas)
        for name in _NUMBERS
    }
    unit, y = row.get("unit") or None, row.get("y") or None
    if unit is not None and unit not in DISPLACEMENT_UNITS:
        raise ConfigError(
            f"unit is {unit!r}, expected one of {', '.join(DISPLACEMENT_UNITS)}"
        )
    if y not in (None, "down", "up"):
        raise ConfigError(f"y is {y!r}, expected down or up")
    file = folder / row[FILE_COLUMN]
    mask = row.get(MASK_COLUMN)
    return Experiment(
        name=file.stem,
        file=file,
        mask=folder / mask if mask else None,
        gel=Gel(numbers["young_pa"], numbers["poisson"], numbers["thickness_um"]),
        spacing_um=numbers["spacing_um"],
        pixel_size_um=numbers["pixel_size_um"],
        dataset=row.get("dataset") or None,
        unit=cast(DisplacementUnit | None, unit),
        y=cast(YDirection | None, y),
        labels=_labels(row),
    )


def _labels(row: Mapping[str, str]) -> dict[str, str]:
    """The columns that are carried through."""
    return {name: text for name, text in row.items() if name not in COLUMNS}


def _number(name: str, text: str, *, has_commas: bool) -> float | None:
    if not text:
        return None
    if has_commas and _GROUPED.fullmatch(text):
        raise ConfigError(
            f"{name} is {text!r}, which can be read in two ways: write it without a "
            "sign between the thousands, or with another number of decimals"
        )
    try:
        value = float(text.replace(",", ".") if has_commas else text)
    except ValueError:
        value = math.nan
    if (not math.isfinite(value) and name != "thickness_um") or math.isnan(value):
        raise ConfigError(f"{name} is {text!r}, expected a number")
    return value


def _with_unique_names(experiments: list[Experiment]) -> list[Experiment]:
    """Add the folder to names that are not unique, and a number if it does not help."""
    names = [one.name for one in experiments]
    unique: list[Experiment] = []
    taken: set[str] = set()
    for one in experiments:
        name = one.name
        if names.count(name) > 1 and one.file.parent.name:
            name = f"{one.file.parent.name}_{name}"
        candidate, number = name, 1
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate)
        unique.append(replace(one, name=candidate))
    return unique
