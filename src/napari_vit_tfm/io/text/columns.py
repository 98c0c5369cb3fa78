"""Names of columns in text tables: positions, components, units, flags and frames."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from napari_vit_tfm.io.base import Kind, kind_of_name
from napari_vit_tfm.io.components import component_of
from napari_vit_tfm.units import displacement_unit, traction_unit

_TECPLOT = re.compile(r'VARIABLES\s*=\s*((?:"[^"]*"[\s,]*)+)', re.IGNORECASE)
_BRACKETS = re.compile(r"([^\[\]()]+?)\s*[\[(]([^\])]*)[\])]")
_UNIT_AT_END = re.compile(r"(.+?)(?: +(\S+)|_([^\W_]{2,}))")
_PER = re.compile(r"(.+?)\s*(?:/|\bper\b)\s*(.+)")
_PER_SECOND = re.compile(
    r"(.+?)[\s.*\u00b7]*\b(s|sec|min|h)\s*(?:\^?\(?-1\)?|\u207b\u00b9)"
)
_FRAME_WORDS = ("frame", "frames", "fr", "image", "image pair", "pair")
_TIME_WORDS = {
    **dict.fromkeys(["s", "sec", "second", "seconds"], "second"),
    **dict.fromkeys(["ms"], "millisecond"),
    **dict.fromkeys(["min", "minute", "minutes"], "minute"),
    **dict.fromkeys(["h", "hr", "hour", "hours"], "hour"),
}
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
    "mask": "mask",
    **dict.fromkeys(["flag", "flags"], "flags"),
    **dict.fromkeys(["vectortype", "typevector", "type"], "type"),
    **dict.fromkeys(["s", "chc"], "status"),
}
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
        unit, per_time = _without_time(unit)
        return cls(name, None if unit in ("", "-") else unit, per_time)

    @property
    def role(self) -> str | None:
        """What the column has, if it has no component of a field.

        One of "x", "y", "frame", "time", "mask", "flags", "type", "status"; None for
        any other.
        """
        return _ROLES.get(re.sub(r"[^a-z0-9]", "", self.name.lower()))


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
    length, per_time = _without_time(unit)
    found = displacement_unit(length)
    return (found is not None and found[0] in ("px", "um")) or per_time is not None


def _without_time(unit: str) -> tuple[str, str | None]:
    """A unit without "per frame" or a unit of time, and the unit of time."""
    match = _PER.fullmatch(unit) or _PER_SECOND.fullmatch(unit)
    if match is not None:
        if match[2].lower() in _FRAME_WORDS:
            return match[1], None
        if match[2].lower() in _TIME_WORDS:
            return match[1], _TIME_WORDS[match[2].lower()]
    return unit, None
