"""`unnamed_field`: tables without names of columns.

They are those of ImageJ's iterative PIV and FTTC plugins, OpenPIV and PIVlab.
"""

from __future__ import annotations

import re

import numpy as np

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.gridding import FloatArray, PositionedVectors
from napari_vit_tfm.io.base import Kind, kind_of_file_name, unless_given
from napari_vit_tfm.io.positioned import PositionedField
from napari_vit_tfm.io.text.directions import openpiv_direction, order_of_y
from napari_vit_tfm.io.text.lines import NumberLines
from napari_vit_tfm.io.text.marks import (
    CONVENTIONS,
    IMAGEJ_PIV_FLAGS,
    Marked,
    old_openpiv_mask,
)
from napari_vit_tfm.io.text.parameters import fttc_parameters, is_of_tractions

IMAGEJ_PIV_COLUMNS = 16
UNNAMED_COLUMNS = (4, 5, 6, IMAGEJ_PIV_COLUMNS)
"""Numbers of columns of tables without names that have positions."""

NAME_THE_COLUMNS = (
    "name the columns in a first line, such as x,y,u,v, with their units if you know "
    "them: x [px],y [px],u [px],v [px]"
)
_NAME = "vectors"
"""Name of the field of such a table."""

_VELOCITY = re.compile(r"velocit|\w/(?:s|sec|min|h)\b", re.IGNORECASE)


def unnamed_field(lines: NumberLines) -> PositionedField:
    """The vector field of a table whose columns have no names.

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
        return PositionedField(
            "tractions",
            _one_frame(positions, vectors),
            unit="Pa",
            position_unit="px",
            kind="traction",
            notes=notes,
            attributes=attributes,
        )
    if lines.n_columns == IMAGEJ_PIV_COLUMNS:
        if not is_imagej_piv(lines):
            raise _unknown_columns(lines, "16 columns, but the fifth is not the length")
        missing, notes = IMAGEJ_PIV_FLAGS.marked(others[:, -1], "flag")
        vectors[missing] = np.nan
        return PositionedField(
            _NAME,
            _one_frame(positions, vectors),
            unit="px",
            position_unit="px",
            notes=notes,
        )
    if lines.n_columns == 4:
        return _four_columns(lines, positions, vectors)
    return _with_marks(lines, positions, vectors, others)


def is_imagej_piv(lines: NumberLines) -> bool:
    """Whether the fifth of 16 columns is the length of the vectors."""
    numbers = lines.numbers([2, 3, 4])
    return _is_magnitude(numbers[:, 2], numbers[:, :2])


def _four_columns(
    lines: NumberLines, positions: FloatArray, vectors: FloatArray
) -> PositionedField:
    """Positions and vectors as in the input of ImageJ's FTTC plugin."""
    content = _one_frame(positions, vectors)
    kind, what = _kind_of_file(lines)
    comment = next(filter(_VELOCITY.search, lines.preamble), None)
    if comment is not None:
        kind, what = "other", f"a velocity: {comment.strip('#% ')}"
    is_traction = kind_of_file_name(lines.path.stem)[0] == "traction"
    # Vectors in pixels are at least one pixel apart.
    is_input = (
        kind is None
        and not is_traction
        and not lines.preamble
        and content.grid.step >= 1
    )
    unit = "px" if is_input else None
    return PositionedField(
        _NAME,
        content,
        unit=unit,
        position_unit=unit,
        kind=kind,
        what=what,
        notes=(_columns_note("uy in camera pixels" if is_input else "uy"),),
        y_notes=(_down_note(positions),),
    )


def _with_marks(
    lines: NumberLines, positions: FloatArray, vectors: FloatArray, others: FloatArray
) -> PositionedField:
    """Positions and vectors, then the length of the vectors, or marks."""
    fifth = others[:, 0]
    kind, what = _kind_of_file(lines)
    are_marks = bool(np.isin(others, (0, 1, 2)).all())
    if lines.n_columns == 5 and not are_marks:
        if not _is_magnitude(fifth, vectors):
            raise _unknown_columns(lines, "a fifth column that is not the length")
        return PositionedField(
            _NAME,
            _one_frame(positions, vectors),
            kind=kind,
            what=what,
            notes=(_columns_note("uy and the length of the vectors"),),
            y_notes=(_down_note(positions),),
        )
    if not are_marks:
        raise _unknown_columns(
            lines, "a fifth and a sixth column that are neither marks nor the length"
        )
    y: YDirection
    if lines.n_columns == 5 and np.mean(fifth == 1) > 0.5:
        missing, notes = CONVENTIONS["type"].marked(fifth, "5")
        y, meaning = "down", "the vector type of PIVlab, where 0 is masked"
        y_notes: tuple[str, ...] = (
            f"y is taken as pointing down ({unless_given('up')})",
        )
    else:
        flags = fifth if lines.n_columns == 6 or (fifth == 2).any() else None
        mask = others[:, -1] if lines.n_columns == 6 or flags is None else None
        missing, notes = _openpiv_marks(vectors, flags, mask)
        y, y_notes = openpiv_direction(positions)
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
    return PositionedField(
        _NAME,
        _one_frame(positions, vectors),
        kind=kind,
        what=what,
        y=y,
        notes=(note, *notes),
        y_notes=y_notes,
    )


def _one_frame(positions: FloatArray, vectors: FloatArray) -> PositionedVectors:
    return PositionedVectors([positions], [vectors])


def _openpiv_marks(
    vectors: FloatArray, flags: FloatArray | None, mask: FloatArray | None
) -> Marked:
    """Flags and mask of OpenPIV; one of them may be missing, but not both."""
    if flags is None:
        assert mask is not None
        return old_openpiv_mask(mask, vectors)
    missing, notes = CONVENTIONS["flags"].marked(flags, "flags")
    if mask is not None:
        missing = missing | CONVENTIONS["mask"].marked(mask, "mask")[0]
    return missing, notes


def _kind_of_file(lines: NumberLines) -> tuple[Kind | None, str]:
    """The field is no displacement if its file is called a force or the like."""
    _, what = kind_of_file_name(lines.path.stem)
    if what not in ("a force", "a stress", "a velocity"):
        return None, ""
    return "other", f"{what} according to the file's name"


def _columns_note(last: str) -> str:
    """What is assumed about a table that can be the input of ImageJ's FTTC plugin."""
    return (
        f"the columns have no names: they are taken as x, y, ux, {last}, as in the "
        "input of ImageJ's FTTC plugin"
    )


def _down_note(positions: FloatArray) -> str:
    """What is assumed about the direction of y in such a table."""
    is_reversed = order_of_y(positions) < 0
    first = ", although the first line has the largest y" if is_reversed else ""
    return f"y is taken as pointing down{first} ({unless_given('up')})"


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
    # Components and length are rounded on their own.
    rounding = 1.5 * min(_last_digit(numbers[known]), 0.1 * length[known].max())
    tolerance = 0.01 * length[known] + 1e-3 * length[known].max() + rounding
    return bool(np.mean(np.abs(numbers - length)[known] <= tolerance) > 0.99)


def _last_digit(numbers: FloatArray) -> float:
    """The decimal to which all numbers are rounded, such as 0.01; at least 1e-4."""
    for decimals in range(4):
        if np.allclose(numbers, np.round(numbers, decimals), rtol=0, atol=1e-9):
            return float(10.0**-decimals)
    return 1e-4
