"""Names of columns in text tables: positions, components, units, flags and frames."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.base import Kind, kind_of_name
from napari_vit_tfm.io.components import component_of
from napari_vit_tfm.io.text.marks import JPIV_STATUS, role_of_mark
from napari_vit_tfm.units import displacement_unit, traction_unit, without_time

_TECPLOT = re.compile(r'VARIABLES\s*=\s*((?:"[^"]*"[\s,]*)+)', re.IGNORECASE)
_BRACKETS = re.compile(r"([^\[\]()]+?)\s*[\[(]([^\])]*)[\])]")
_UNIT_AT_END = re.compile(r"(.+?)(?: +(\S+)|_([^\W_]{2,}))")
_ROLES = {
    **{
        f"{before}{axis}{after}": axis
        for axis in "xy"
        for before, after in [
            ("", ""),
            ("pos", ""),
            ("position", ""),
            ("coord", ""),
            ("coordinate", ""),
            ("grid", ""),
            ("", "steps"),
            ("", "pos"),
            ("", "position"),
            ("", "coord"),
            ("", "coordinate"),
            ("", "grid"),
        ]
    },
    **dict.fromkeys(["frame", "frames", "framenumber", "frameno"], "frame"),
    **dict.fromkeys(["slice", "t", "time", "timepoint"], "time"),
    JPIV_STATUS: JPIV_STATUS,
}
_DAVIS = re.compile(r'#\s*DaVis\s+\S+\s*([^"]*)(.*)', re.IGNORECASE)
_PIVLAB_NAMES = ("x", "y", "u", "v", "Vector type")
_DEVIATIONS = ("err", "error", "std", "sd", "sigma", "sem", "uncertainty")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
        Name without the unit.
    unit : str, optional
        Unit as it is written, without "per frame"; None if the name has none.
    per_time : str, optional
        Unit of time of a velocity, such as "second".
    """

    name: str
    unit: str | None = None
    per_time: str | None = None

    @classmethod
    def of(cls, text: str) -> Column:
        """The column with this name.

        Examples
        --------
        >>> from napari_vit_tfm.io.text.columns import Column
        >>> Column.of("u [px/frame]"), Column.of("dx_um").unit
        (Column(name='u', unit='px', per_time=None), 'um')
        >>> Column.of("v [m/s]").per_time
        'second'
        """
        text = text.strip().strip('"').strip()
        match = _BRACKETS.fullmatch(text)
        if match is not None:
            name, unit = match[1].strip(), match[2].strip()
        else:
            name, unit = text, ""
            match = _UNIT_AT_END.fullmatch(text)
            if match is not None and _is_unit(match[2] or match[3]):
                name, unit = match[1], match[2] or match[3]
        unit, per_time = without_time(unit)
        return cls(name, None if unit in ("", "-") else unit, per_time)

    @property
    def role(self) -> str | None:
        """What the column has, if it has no component of a field.

        One of "x", "y", "frame", "time", "s" and the keys of `marks.CONVENTIONS`; None
        for any other.
        """
        plain = re.sub(r"[^a-z0-9]", "", self.name.lower())
        return _ROLES.get(plain) or role_of_mark(self.name)


@dataclass(frozen=True)
class ComponentColumns:
    """Two columns with the components of one field.

    Parameters
    ----------
    x, y : int
        Numbers of the columns, from 0.
    kind, what
        As for `ArrayEntry`.
    """

    x: int
    y: int
    kind: Kind | None
    what: str


def names_in(preamble: Sequence[str], n_columns: int) -> list[Column] | None:
    """The columns that the lines before the numbers name.

    Parameters
    ----------
    preamble : sequence of str
        The lines before the numbers.
    n_columns : int
        Number of columns. Of several ways to split a line into names, the one with
        this number of names is chosen.

    Returns
    -------
    list of Column or None
        None if no line names positions or components. The number of columns may be
        another one.

    Examples
    --------
    >>> from napari_vit_tfm.io.text.columns import names_in
    >>> [column.name for column in names_in(["OpenPIV", "# x y u v mask"], 5)]
    ['x', 'y', 'u', 'v', 'mask']
    >>> names_in(["# made on Monday"], 4) is None
    True
    """
    tecplot = _TECPLOT.search("\n".join(preamble))
    if tecplot is not None:
        return [Column.of(name) for name in re.findall('"([^"]*)"', tecplot[1])]
    for number, line in reversed([*enumerate(preamble)]):
        ways = [
            columns
            for columns in (
                [*map(Column.of, names)] for names in _ways_to_split(line, n_columns)
            )
            if {"x", "y"} <= {column.role for column in columns}
            or component_columns(columns)
        ]
        if ways:
            columns = next((way for way in ways if len(way) == n_columns), ways[0])
            return _with_units(columns, preamble[number + 1 :])
    return None


def pivlab_columns(preamble: Sequence[str], n_columns: int) -> list[Column] | None:
    """The columns of a PIVlab file that has its header lines, but not their names.

    They are in pixels per frame if its conversion factors are 1, and else in metres per
    second.

    Examples
    --------
    >>> from napari_vit_tfm.io.text.columns import pivlab_columns
    >>> lines = [
    ...     "PIVlab, ASCII chart output",
    ...     "FRAME: 1, conversion factor xy (px -> m): 1, "
    ...     "conversion factor uv (px/frame -> m/s): 1",
    ... ]
    >>> [(column.name, column.unit) for column in pivlab_columns(lines, 5)]
    [('x', 'px'), ('y', 'px'), ('u', 'px'), ('v', 'px'), ('Vector type', None)]
    """
    text = " ".join(preamble)
    if "PIVlab" not in text or n_columns < len(_PIVLAB_NAMES):
        return None
    factors = re.findall(r"conversion factor \w+ \([^)]*\):\s*([^\s,]+)", text)
    units: list[tuple[str | None, str | None]] = [(None, None)] * 2
    if len(factors) == 2:
        at, of = (factor in ("1", "1.0", "1.0000") for factor in factors)
        units = [("px" if at else "m", None), ("px", None) if of else ("m", "second")]
    both = [*units[:1] * 2, *units[1:] * 2, (None, None)]
    columns = [
        Column(name, *unit) for name, unit in zip(_PIVLAB_NAMES, both, strict=True)
    ]
    return columns + [Column("")] * (n_columns - len(columns))


def is_davis(preamble: Sequence[str]) -> bool:
    """Whether the first line is the header of DaVis."""
    return bool(preamble) and _DAVIS.match(preamble[0]) is not None


def davis_columns(
    path: Path, preamble: Sequence[str], n_columns: int, n_lines: int
) -> list[Column] | None:
    """The columns of a text file of DaVis, from its header; None for other files.

    Parameters
    ----------
    path : Path
        The file, for messages.
    preamble : sequence of str
        The lines before the numbers.
    n_columns, n_lines : int
        Number of columns and of lines of numbers.

    Raises
    ------
    FieldFileError
        If the numbers of rows and columns in the header are not those of the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from napari_vit_tfm.io.text.columns import davis_columns
    >>> header = '#DaVis 8.4 2D-vector 16 4 3 "x" "mm" "y" "mm" "displacement" "px"'
    >>> columns = davis_columns(Path("B00001.txt"), [header], 4, 12)
    >>> [(column.name, column.unit) for column in columns]
    [('x', 'mm'), ('y', 'mm'), ('u', 'px'), ('v', 'px')]
    """
    match = _DAVIS.match(preamble[0]) if preamble else None
    if match is None or n_columns < 4:
        return None
    sizes = list(map(int, re.findall(r"(?<!\S)\d+(?!\S)", match[1])))
    if len(sizes) >= 2 and not any(
        one * other == n_lines for one, other in itertools.combinations(sizes, 2)
    ):
        raise FieldFileError(
            f"{path}: has {n_lines} vectors, but its header says {sizes[-2]} x "
            f"{sizes[-1]}: the file is incomplete; write it again"
        )
    # Names and units of the positions, and then of the vectors.
    units = re.findall('"([^"]*)"', match[2])[1::2]
    at, of = (units[0], units[-1]) if len(units) > 1 else ("", "")
    named = [f"x [{at}]", f"y [{at}]", f"u [{of}]", f"v [{of}]"]
    third = ["w"] if n_columns > len(named) else []
    more = [""] * (n_columns - len(named) - len(third))
    return [Column.of(name) for name in (*named, *third, *more)]


def component_columns(columns: Sequence[Column]) -> list[ComponentColumns]:
    """The vector fields of a table: pairs of columns such as ``u, v`` or ``dx, dy``.

    Examples
    --------
    >>> from napari_vit_tfm.io.text.columns import Column, component_columns
    >>> component_columns([Column.of(name) for name in ("x", "y", "tx", "ty")])
    [ComponentColumns(x=2, y=3, kind='traction', what='')]
    """
    numbers = {column.name: number for number, column in enumerate(columns)}
    found = []
    for name, number in numbers.items():
        component = component_of(name)
        if component is None or component.axis != 0 or columns[number].role:
            continue
        partner = numbers.get(component.partner)
        if partner is not None:
            kind, what = _kind(columns[number], component.kind)
            found.append(ComponentColumns(number, partner, kind, what))
    return found


def _kind(column: Column, kind: Kind | None) -> tuple[Kind | None, str]:
    """Kind of a field according to the unit and the name of its x component."""
    if column.per_time is not None:
        return "other", f"a velocity: per {column.per_time}"
    if traction_unit(column.unit) == "Pa":
        return "traction", ""
    if set(re.findall("[a-z]+", column.name.lower())) & set(_DEVIATIONS):
        return "other", "an uncertainty"
    if kind == "other":
        return kind_of_name(column.name)
    return kind, ""


def _with_units(columns: list[Column], lines: Sequence[str]) -> list[Column]:
    """Columns with their units from a line below their names, if there is one."""
    for line in lines:
        for words in _ways_to_split(line, len(columns)):
            units = [word.strip(" []()") for word in words]
            if len(units) == len(columns) and any(map(_is_length_or_rate, units)):
                return [
                    Column.of(f"{column.name} [{unit}]")
                    if column.unit is None
                    else column
                    for column, unit in zip(columns, units, strict=True)
                ]
    return columns


def _ways_to_split(line: str, n_columns: int) -> Iterator[list[str]]:
    """Names in a line; blanks are tried last, since names may have blanks.

    Empty names at the ends are left out if there are more names than columns.
    """
    line = line.lstrip("#% ")
    for separator in "\t;,":
        if separator in line:
            names = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
            while len(names) > n_columns and "" in (names[0], names[-1]):
                names.pop(0 if names[0] == "" else -1)
            yield names
    if _BRACKETS.sub("", line).strip() == "":
        yield [match[0] for match in _BRACKETS.finditer(line)]
    yield line.split()


def _is_unit(word: str) -> bool:
    """Whether a word after a name is a unit: of length, per time or not, or Pa."""
    return _is_length_or_rate(word) or traction_unit(word) == "Pa"


def _is_length_or_rate(unit: str) -> bool:
    """Whether a word is a length in pixels or metres, per time or not."""
    length, per_time = without_time(unit)
    found = displacement_unit(length)
    return (found is not None and found[0] in ("px", "um")) or per_time is not None
