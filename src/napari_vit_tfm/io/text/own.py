"""The tables of tractions of this package, whose last column has their attributes.

Only its first line has them, as JSON. So other programs read the table without being
told anything about it: there are no lines of comments.
"""

from __future__ import annotations

import csv
import re
from typing import Any

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.io.json_text import from_json

ATTRIBUTES = "attributes"
"""Name of the last column."""

N_LINES = "lines"
"""Name of the attribute with the number of lines, which tells if some are missing."""

LATER = 10**12
"""Number of lines while the table is written. What replaces it is as long."""

_HEADER = re.compile(rf'"?frame"?([,;\t])"?x_.*\1"?{ATTRIBUTES}"?')


def split_attributes(text: str) -> tuple[str, dict[str, Any] | None]:
    r"""Separate the table of vectors from its attributes.

    Parameters
    ----------
    text : str
        Content of a text file, with newlines as line ends.

    Returns
    -------
    table : str
        The text without the last column. Any other text is returned as it is.
    attributes : dict or None
        The attributes; None if it is another text.

    Raises
    ------
    FieldError
        If the attributes are damaged.

    Examples
    --------
    >>> from napari_vit_tfm.io.text.own import split_attributes
    >>> split_attributes('frame,x_um,attributes\n0,0,"{""units"": ""Pa""}"\n0,1,\n')
    ('frame,x_um\n0,0\n0,1\n', {'units': 'Pa'})
    >>> split_attributes("x,y,u,v\n0,0,1,1\n")[1] is None
    True
    """
    header, _, rest = text.partition("\n")
    match = _HEADER.fullmatch(header)
    if match is None:
        return text, None
    separator = match[1]
    first, _, others = rest.partition("\n")
    *_, described = next(csv.reader([first], delimiter=separator), [""])
    if not described:
        raise FieldError(
            f"the column {ATTRIBUTES} is empty in the first line: lines are missing, "
            "or in another order; write the file again, or delete the column"
        )
    try:
        attributes = from_json(described)
    except ValueError:
        attributes = None
    if not isinstance(attributes, dict):
        raise FieldError(
            f"the column {ATTRIBUTES} is damaged: found {described[:30]!r}, expected "
            "JSON; write the file again, or delete the column"
        )
    n_columns = header.count(separator)
    lines = [
        header.rpartition(separator)[0],
        separator.join(first.split(separator, n_columns)[:n_columns]),
        *(line.removesuffix(separator) for line in others.split("\n")),
    ]
    return "\n".join(lines), attributes


def with_number_of_lines(content: bytes, n_lines: int) -> bytes:
    """The beginning of a table with the number of lines that was left open.

    Parameters
    ----------
    content : bytes
        The beginning of the file, with `LATER`.
    n_lines : int
        The number of lines with vectors.

    Returns
    -------
    bytes
        As many bytes.
    """
    name = f'""{N_LINES}"": '.encode()
    open_number = name + str(LATER).encode()
    return content.replace(
        open_number, name + str(n_lines).rjust(len(str(LATER))).encode(), 1
    )
