"""`MatField`: a field, or another array, among the variables of a MATLAB file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_vit_tfm.io.base import AnyArray, ArrayEntry, field_layout
from napari_vit_tfm.io.matlab.variables import Variables
from napari_vit_tfm.io.positioned import PositionedField


@dataclass(frozen=True, eq=False)
class MatField:
    """The header of an array, and how its values are read.

    Parameters
    ----------
    entry : ArrayEntry
        The header.
    load : callable
        Reads the values, in the layout of the header.
    """

    entry: ArrayEntry
    load: Callable[[], AnyArray]


def variable_field(variables: Variables, name: str, **changes: Any) -> MatField:
    """A variable as it is.

    Parameters
    ----------
    variables : Variables
        The variables of the file.
    name : str
        Name of the variable.
    **changes
        Parameters of `ArrayEntry` that are different from those of a variable of any
        program, whose axes are rows, columns and components.
    """
    header = variables.headers[name]
    try:
        dtype = np.dtype(header.dtype)
    except TypeError:  # struct, cell, char and other types without numbers
        dtype = np.dtype(object)
    entry = ArrayEntry(
        name, header.shape, header.dtype, field_layout(header.shape, dtype)
    )
    return MatField(replace(entry, **changes), lambda: variables.array(name))


def positioned_field(field: PositionedField) -> MatField:
    """Vectors at positions."""
    return MatField(field.entry, field.values)
