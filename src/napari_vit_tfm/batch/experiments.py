"""Experiments: rows of a table, or files."""

from __future__ import annotations

import codecs
import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from napari_vit_tfm.config import ReadingConfig, YDirection
from napari_vit_tfm.errors import ConfigError, TFMError
from napari_vit_tfm.fields import Displacement
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import without_partners
from napari_vit_tfm.options import numbers_of
from napari_vit_tfm.quantities import QUANTITIES, SCALES
from napari_vit_tfm.quantities.tables import with_ends
from napari_vit_tfm.units import DISPLACEMENT_UNITS, DisplacementUnit

FILE_COLUMN = "file"
NAME_COLUMN = "experiment"
MASK_COLUMN = "mask"

_NUMBERS = ("young_pa", "poisson", "thickness_um", "spacing_um", "pixel_size_um")
_WORDS = ("dataset", "unit", "y")
_RANGES = numbers_of(Gel) | numbers_of(Displacement)
COLUMNS = (FILE_COLUMN, NAME_COLUMN, MASK_COLUMN, *_NUMBERS, *_WORDS)
"""Columns with a meaning; all others are carried through to the summary."""

_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}([.,]\d{3})+")
"""Numbers such as 8.000, with a sign between the thousands or decimals."""

RESERVED = ("frame", "cell", "flags")
"""Columns of the summary that the table of experiments must not have."""

_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]|^[. ]|[. ]$')
"""What some operating system does not allow in the name of a folder."""


@dataclass(frozen=True)
class Experiment:
    """One row of the table of experiments, or one file.

    Parameters
    ----------
    name : str
        Name of its folder of results.
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
    components_first, allow_links : bool
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
    y: YDirection | None = ReadingConfig.y
    components_first: bool = ReadingConfig.components_first
    allow_links: bool = ReadingConfig.allow_links
    labels: Mapping[str, str] = field(default_factory=dict)
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
        Their names are in the column ``experiment``. Without one, the name is the path
        of the file from the folder of the table, and the dataset, with underscores
        between them, so that other rows do not change it.

    Raises
    ------
    ConfigError
        If the table has no rows or no column ``file``, or a column twice or one of
        `RESERVED`. A row with a value that is not valid is an experiment with an error.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("dishes.csv").write_text(
    ...     "file,young_pa,condition\ncell1.h5,8000,control\nday 2/cell1.h5,8000,drug\n"
    ... )
    >>> first, second = read_experiments("dishes.csv")
    >>> first.name, first.gel.young_pa, dict(second.labels)
    ('cell1', 8000.0, {'condition': 'drug'})
    >>> second.name
    'day 2_cell1'
    """
    path = Path(path)
    folder = path.parent.absolute()
    header, rows, has_commas = _read(path)
    _check_header(path, header)
    experiments: list[Experiment] = []
    given: set[str] = set()
    for number, values in rows:
        row = dict(zip(header, values, strict=False))
        try:
            if len(values) != len(header):
                raise ConfigError(
                    f"found {len(values)} fields, but the header has {len(header)}"
                )
            name = _given_name(row, given)
            experiment = _experiment(row, folder, has_commas=has_commas)
        except TFMError as error:
            file = folder / (_possible(row.get(FILE_COLUMN)) or f"line {number}")
            reason = f"{path}, line {number}: {error}"
            name, labels = "", _labels(row)
            experiment = Experiment("", file, labels=labels, error=reason)
        given.add(name.casefold())
        experiments.append(replace(experiment, name=name))
    if not experiments:
        raise ConfigError(f"{path}: the table has no rows below its header")
    return _with_names(experiments, folder, given)


def experiments_of(files: Iterable[str | Path], folder: str | Path) -> list[Experiment]:
    """Experiments of files, one each, of which nothing else is known.

    Parameters
    ----------
    files : iterable of paths
        Files, and folders whose files are one film. Two files with one component of a
        field each are one experiment.
    folder : path
        Folder for the results. The name of an experiment is the path of its file from
        there, with underscores between folders, so that other files do not change it.

    Returns
    -------
    list of Experiment

    Raises
    ------
    ConfigError
        If a file is given twice.

    Examples
    --------
    >>> from napari_vit_tfm.batch import experiments_of
    >>> files = ["day 1/cell.h5", "day 2/cell.h5"]
    >>> [one.name for one in experiments_of(files, "results")]
    ['day 1_cell', 'day 2_cell']
    """
    paths = [Path(file).absolute() for file in files]
    for path, n_times in Counter(path.resolve() for path in paths).items():
        if n_times > 1:
            raise ConfigError(f"{path}: the input is given twice")
    experiments = [Experiment("", path) for path in without_partners(paths)]
    return _with_names(experiments, Path(folder), set())


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
    try:
        table = [
            (number, [value.strip() for value in values])
            for number, values in enumerate(
                csv.reader(lines, delimiter=separator, strict=True), start=first
            )
            if any(value.strip() for value in values)
        ]
    except csv.Error as error:
        raise ConfigError(f"{path}: not a table ({error})") from error
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
    for name in (FILE_COLUMN, MASK_COLUMN):
        if _possible(row.get(name)) is None:
            raise ConfigError(f"no file can have the name {row[name]!r}")
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
        name="",
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


def _possible(name: str | None) -> str | None:
    """A name that a file can have, or an empty one; None for others."""
    return None if "\0" in (name or "") else name or ""


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
        return _RANGES[name].read(text.replace(",", ".") if has_commas else text)
    except ValueError as error:
        raise ConfigError(f"{name} must be {error}, not {text!r}") from None


def _given_name(row: Mapping[str, str], taken: set[str]) -> str:
    """The name in a row; empty if there is none."""
    name = row.get(NAME_COLUMN, "")
    if _NOT_IN_NAMES.search(name):
        raise ConfigError(
            f"the experiment {name!r} cannot be the name of a folder: use letters, "
            "digits, spaces, - and _"
        )
    if name and name.casefold() in taken:
        raise ConfigError(f"the experiment {name!r} is there twice")
    return name


def _with_names(
    experiments: list[Experiment], folder: Path, given: set[str]
) -> list[Experiment]:
    """Name the experiments that have no name, from their files.

    Names that are equal get numbers, also if they differ in upper and lower case: some
    operating systems do not tell such folders apart.
    """
    named: list[Experiment] = []
    taken = set(given)
    last: dict[str, int] = {}
    for one in experiments:
        name = one.name
        if not name:
            words = _words_of(one, folder)
            name, number = words, last.get(words, 1)
            while name.casefold() in taken:
                number += 1
                name = f"{words}_{number}"
            last[words] = number
            taken.add(name.casefold())
        named.append(replace(one, name=name))
    return named


def _words_of(experiment: Experiment, folder: Path) -> str:
    """The path of a file from a folder, and the array in the file, as one name."""
    file = experiment.file
    try:
        above = Path(os.path.relpath(file.parent, folder))
    except ValueError:
        # They are on different drives.
        above = file.parent.relative_to(file.anchor)
    words = [part for part in above.parts if part != os.pardir]
    words.append(file.name if file.is_dir() else file.stem)
    if experiment.dataset is not None:
        words.append(experiment.dataset)
    return _NOT_IN_NAMES.sub("_", "_".join(words))
