"""Numbers in text: separators, decimal commas, missing values and damaged lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldFileError

_NUMBER = re.compile(
    r"[+-]?(?:\d[\d.,]*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf)", re.I
)
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:[.,]\d{3})+")
_GROUPING_SIGN = re.compile("(?<=\\d)['\u2019\u00a0\u202f](?=\\d{3}(?!\\d))")
COMMENT_SIGNS = ("#", "%")
_MISSING = re.compile(
    r"(?<![^\s,;])(?:NA|N/A|null|None|--?|true|false)(?![^\s,;])", re.IGNORECASE
)
_TECPLOT_HEADER = re.compile(
    r"\s*(?:ZONE|TEXT|GEOMETRY|\w*AUXDATA\b|[A-Z]\w*\s*=)", re.IGNORECASE
)
_ZONE = re.compile(r"\s*ZONE\b", re.IGNORECASE)
_FEWEST_LINES = 2
MOST_LINE_BYTES = 2**20
"""Length from which a line is too long."""
_LINES_COMPARED = 8


@dataclass(frozen=True)
class Zone:
    """Consecutive lines of numbers that have a header of their own.

    Parameters
    ----------
    header : str
        The lines of the header, joined by blanks.
    n_lines : int
        Number of lines of numbers.
    """

    header: str
    n_lines: int


@dataclass(frozen=True, eq=False)
class NumberLines:
    """The lines of a text file that have numbers, and the lines before them.

    Parameters
    ----------
    path : Path
        The file, for messages.
    preamble : tuple of str
        Lines before the numbers, without blank lines, and without blanks at their ends;
        tabs are kept.
    lines : list of str
        Lines of numbers, with decimal points. Comments and blank lines are left out.
    line_numbers : array of int
        Number of each of them in the file, from 1.
    separator : str, optional
        What is between two numbers; None is any number of blanks.
    zones : tuple of Zone
        The zones of a Tecplot file; one zone for all other files.
    """

    path: Path
    preamble: tuple[str, ...]
    lines: list[str]
    line_numbers: npt.NDArray[np.int64]
    separator: str | None
    zones: tuple[Zone, ...]

    @classmethod
    def of(cls, path: Path, text: str) -> NumberLines:
        r"""Find the lines of numbers in a text.

        Parameters
        ----------
        path : Path
            The file, for messages.
        text : str
            Its content, from `decoded`.

        Raises
        ------
        FieldFileError
            If there are no numbers, or commas in numbers can be read in two ways.

        Examples
        --------
        >>> from pathlib import Path
        >>> from napari_vit_tfm.io.text.lines import NumberLines
        >>> text = "x y u v\n1.024,0 8,0 0,25 -0,5\n1.032,0 8,0 0,5 NA\n"
        >>> found = NumberLines.of(Path("cell.txt"), text)
        >>> found.preamble, found.n_columns
        (('x y u v',), 4)
        >>> found.numbers([0, 3])
        array([[ 1.024e+03, -5.000e-01],
               [ 1.032e+03,        nan]])
        """
        raw = text.split("\n")
        start = next(
            (row for row, line in enumerate(raw) if _is_of_numbers(line)), None
        )
        if start is None:
            raise FieldFileError(f"{path}: has no lines of numbers")
        preamble = tuple(line.strip(" ") for line in raw[:start] if line.strip())
        contents = _without_comments(raw[start:])
        header = " ".join(preamble)
        zones: tuple[Zone, ...] = (Zone(header, sum(map(bool, contents))),)
        if _is_tecplot(preamble):
            contents, zones = _without_zone_headers(contents, header)
        rows = np.flatnonzero([line != "" for line in contents]) + start + 1
        kept = list(filter(None, contents))
        separator = _separator(kept[0], preamble)
        if not text.endswith("\n"):
            _check_last_line(path, kept, int(rows[-1]))
        if separator != ",":
            kept = _with_decimal_points(path, kept)
        if separator is not None:
            kept = _with_all_fields(kept, separator, preamble)
        return cls(path, preamble, kept, rows, separator, zones)

    @property
    def is_tecplot(self) -> bool:
        """Whether the file has the header of a Tecplot file."""
        return _is_tecplot(self.preamble)

    @property
    def n_columns(self) -> int:
        """Number of columns, according to the first line."""
        return len(_fields(self.lines[0], self.separator))

    def numbers(
        self, columns: Sequence[int], *, words: bool = True
    ) -> npt.NDArray[np.float64]:
        """Numbers in some columns, ``(lines, columns)``; NaN where one is missing.

        Parameters
        ----------
        columns : sequence of int
            The columns.
        words : bool, keyword-only
            Whether the words true and false stand for 1 and 0, as in masks.

        Raises
        ------
        FieldFileError
            If a line has another number of columns, or something else than numbers in
            one of these; the message has the line's number.
        """
        self._check_widths()
        try:
            return self._parsed(self.lines, columns)
        except ValueError:
            number = _number_of_word if words else _missing_of_word
            replaced = [_MISSING.sub(number, line) for line in self.lines]
        try:
            return self._parsed(replaced, columns)
        except ValueError as error:
            raise FieldFileError(self._complaint(replaced, columns)) from error

    def _parsed(
        self, lines: list[str], columns: Sequence[int]
    ) -> npt.NDArray[np.float64]:
        return np.loadtxt(
            lines,
            delimiter=self.separator,
            usecols=columns,
            comments=None,
            quotechar='"',
            ndmin=2,
        )

    def _check_widths(self) -> None:
        """Raise an error at the first line with another number of columns."""
        expected = self.n_columns
        widths = np.array([len(_fields(line, self.separator)) for line in self.lines])
        others = np.flatnonzero(widths != expected)
        if others.size:
            raise FieldFileError(
                f"{self.path}: line {self.line_numbers[others[0]]} has "
                f"{widths[others[0]]} columns, but line {self.line_numbers[0]} has "
                f"{expected}: the file is damaged or incomplete, or has more than one "
                "table; write it again"
            )

    def _complaint(self, lines: Iterable[str], columns: Sequence[int]) -> str:
        """The first thing that is not a number, for an error message."""
        for line, number in zip(lines, self.line_numbers, strict=True):
            fields = _fields(line, self.separator)
            for column in columns:
                try:
                    float(fields[column].strip().strip('"'))
                except ValueError:
                    return (
                        f"{self.path}: line {number}, column {column + 1}: found "
                        f"{fields[column].strip()[:30]!r}, expected a number"
                    )
        return f"{self.path}: the lines of numbers cannot be read"


def check_lines(path: Path, content: bytes) -> None:
    """Raise an error if a line is longer than any of a table.

    Parameters
    ----------
    path : Path
        The file, for messages.
    content : bytes
        Its content.

    Raises
    ------
    FieldFileError
        If a line has a mebibyte or more.
    """
    half = MOST_LINE_BYTES // 2
    for start in range(0, len(content) - half, half):
        # Every longer line has a whole such block.
        block = content[start : start + half]
        if b"\n" not in block and b"\r" not in block:
            number = content.count(b"\n", 0, start) + 1
            raise FieldFileError(
                f"{path}: line {number} is longer than {half} bytes, which no table "
                "of vectors needs"
            )


def decoded(content: bytes) -> str:
    r"""Text of a file: UTF-8, UTF-16 with its mark, or else Windows-1252.

    Line ends become newlines, other minus signs become hyphens, and grouping signs that
    are neither points nor commas are removed.

    Examples
    --------
    >>> from napari_vit_tfm.io.text.lines import decoded
    >>> decoded("\ufeff1\u202f024,5 \u22120,5\r\n".encode())
    '1024,5 -0,5\n'
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2212", "-")
    if any(sign in text for sign in "'\u2019\u00a0\u202f"):
        text = _GROUPING_SIGN.sub("", text)
    return text.replace("\u00a0", " ")


def is_mostly_numbers(head: bytes) -> bool:
    r"""Whether the first bytes of a file are those of a text table.

    More than half of the lines, without comments and a header of up to three lines,
    have to be lines of numbers.

    Examples
    --------
    >>> from napari_vit_tfm.io.text.lines import is_mostly_numbers
    >>> is_mostly_numbers(b"x,y,u,v\n0,0,1.5,2\n8,0,1,2\n")
    True
    >>> is_mostly_numbers(b"Cells on gels, 2 of 3 dishes.\nSee page 4.\n")
    False
    """
    is_utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not is_utf16 and b"\0" in head:
        return False
    # The last character may be cut off.
    text = head.decode("utf-16" if is_utf16 else "utf-8", errors="ignore")
    lines = text.splitlines()
    contents = [line for line in map(_without_comment, lines) if line]
    number = sum(map(_is_of_numbers, contents))
    return number >= _FEWEST_LINES and number > (len(contents) - 3) / 2


def _is_tecplot(preamble: Sequence[str]) -> bool:
    return any("VARIABLES" in line.upper() for line in preamble)


def _without_zone_headers(
    lines: Sequence[str], first_header: str
) -> tuple[list[str], tuple[Zone, ...]]:
    """The lines with empty ones for headers, and the zones of a Tecplot file."""
    kept, headers, counts = [], [first_header], [0]
    for line in lines:
        is_header = _TECPLOT_HEADER.match(line) is not None
        if is_header and _ZONE.match(line):
            headers.append("")
            counts.append(0)
        if is_header:
            headers[-1] += f" {line}"
        counts[-1] += line != "" and not is_header
        kept.append("" if is_header else line)
    return kept, tuple(map(Zone, headers, counts))


def _check_last_line(path: Path, lines: Sequence[str], line_number: int) -> None:
    """Raise an error if the last number has fewer digits than all before it.

    It is then cut off: the file is incomplete.
    """
    last, *others = (
        len(line.rpartition(".")[2]) for line in reversed(lines[-_LINES_COMPARED:])
    )
    if len(others) == _LINES_COMPARED - 1 and last < min(others) == max(others):
        raise FieldFileError(
            f"{path}: line {line_number}, the last one, is cut off: the file is "
            "incomplete; write it again"
        )


def _is_of_numbers(line: str) -> bool:
    """Whether at least two fields, and at least half of them, are numbers."""
    if line.lstrip().startswith(COMMENT_SIGNS):
        return False
    fields = [field.strip('"') for field in re.split(r"[\s,;]+", line.strip())]
    number = sum(_NUMBER.fullmatch(field) is not None for field in fields)
    return number >= 2 and 2 * number >= len(fields)


def _without_comments(lines: list[str]) -> list[str]:
    """Lines without comments and without blanks at their ends; tabs are kept."""
    text = "\n".join(lines)
    if any(sign in text for sign in COMMENT_SIGNS):
        return [_without_comment(line) for line in lines]
    return [line.strip(" ") if line.strip() else "" for line in lines]


def _without_comment(line: str) -> str:
    """A line without its comment and without blanks at its ends; tabs are kept."""
    for sign in COMMENT_SIGNS:
        if sign in line:
            line = line.partition(sign)[0]
    line = line.strip(" ")
    return line if line.strip() else ""


def _separator(line: str, preamble: Sequence[str]) -> str | None:
    """What is between the columns of the first line of numbers."""
    if "\t" in line:
        # Without names of columns, tabs may be mixed with blanks.
        return "\t" if preamble and "\t" in preamble[-1] else None
    if ";" in line:
        return ";"
    fields = line.split()
    if "," not in line:
        return None
    if len(fields) > 1 and all(_NUMBER.fullmatch(field) for field in fields):
        is_comma_last = any(field.endswith(",") for field in fields)
        return "," if is_comma_last else None
    return ","


def _fields(line: str, separator: str | None) -> list[str]:
    if separator is not None and '"' in line:
        import csv

        return next(csv.reader([line], delimiter=separator))
    return line.split(separator)


def _with_all_fields(
    lines: list[str], separator: str, preamble: Sequence[str]
) -> list[str]:
    """Lines with NaN in empty fields, and without a separator at the end of each.

    A last column that the line before the numbers has, too, is kept, even if it is
    empty.
    """
    text = "\n".join(["", *lines, ""])
    gaps = (separator * 2, f"\n{separator}", f"{separator}\n", f"{separator} ")
    if not any(gap in text for gap in gaps):
        return lines
    named = preamble[-1].count(separator) if preamble else 0
    if named < lines[0].count(separator) and all(
        line.endswith(separator) for line in lines
    ):
        lines = [line.removesuffix(separator) for line in lines]
    empty = re.compile(rf"(?:(?<={separator})|^) *(?={separator}|$)")
    return [empty.sub("nan", line) for line in lines]


def _number_of_word(match: re.Match[str]) -> str:
    return {"true": "1", "false": "0"}.get(match[0].lower(), "nan")


def _missing_of_word(match: re.Match[str]) -> str:
    return match[0] if match[0].lower() in ("true", "false") else "nan"


def _with_decimal_points(path: Path, lines: list[str]) -> list[str]:
    """Lines of numbers with decimal points and without grouping signs.

    Whether the comma is the decimal sign is decided by all numbers with a comma: the
    last sign in ``1.024,00`` is the decimal sign, and ``0,0408`` has no groups of
    three digits.
    """
    text = "\n".join(lines)
    if "," not in text:
        return lines
    numbers = set(re.findall(r"\d[\d.,]*", text))
    with_comma = {number for number in numbers if "," in number}
    only_points = {number for number in numbers - with_comma if "." in number}
    decimal_signs = {_decimal_sign(number) for number in with_comma} - {None}
    is_grouped = all(_GROUPED.fullmatch(number) for number in only_points)
    if not decimal_signs and not is_grouped:
        decimal_signs = {"."}
    if decimal_signs == {"."}:
        return text.replace(",", "").split("\n")
    if decimal_signs == {","} and is_grouped:
        return text.replace(".", "").replace(",", ".").split("\n")
    shown = " and ".join(repr(number) for number in sorted(with_comma)[:2])
    raise FieldFileError(
        f"{path}: the commas in numbers such as {shown} may be decimal commas or "
        "grouping signs; write the file with decimal points and without grouping signs"
    )


def _decimal_sign(number: str) -> str | None:
    """Decimal sign of a number that has a comma; None if it can be read in two ways."""
    if "." in number:
        return "," if number.rfind(",") > number.rfind(".") else "."
    if number.count(",") > 1:
        return "."
    return None if _GROUPED.fullmatch(number) else ","
