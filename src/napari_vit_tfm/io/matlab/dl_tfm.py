"""DL-TFM: the first index is x, the second is y, counted from the bottom."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.base import AnyArray
from napari_vit_tfm.io.matlab.field import MatField, variable_field
from napari_vit_tfm.io.matlab.variables import Variables

# According to the documentation of DL-TFM; the files themselves have no units.
_UNITS = {"dspl": "grid", "trac": "Pa"}

_OUTLINE_NAMES = ("brdx", "brdy")


def fields(variables: Variables) -> Iterator[MatField]:
    """The arrays `dspl` and `trac`."""
    for name, unit in _UNITS.items():
        if name not in variables.headers:
            continue
        is_field = variable_field(variables, name).entry.layout == "(H, W, 2)"
        yield variable_field(
            variables,
            name,
            layout="(X, Y, 2)" if is_field else None,
            y="up",
            attributes={"units": unit},
        )


def outline(variables: Variables) -> tuple[str, AnyArray] | None:
    """The arrays `brdx` and `brdy`, counted from 0, `brdy` from the bottom, or None."""
    names = variables.headers.keys()
    if not names >= set(_OUTLINE_NAMES) or names.isdisjoint(_UNITS):
        return None
    x, y = (variables.array(name).ravel() for name in _OUTLINE_NAMES)
    if any(array.dtype.kind not in "fiu" for array in (x, y)):
        raise FieldFileError(
            f"{variables.path}: {' and '.join(_OUTLINE_NAMES)} are not a cell outline: "
            f"found {x.dtype} and {y.dtype}, expected real numbers"
        )
    if x.size != y.size:
        raise FieldFileError(
            f"{variables.path}: {' and '.join(_OUTLINE_NAMES)} are not a cell outline: "
            f"found {x.size} and {y.size} numbers, expected equal lengths"
        )
    # They may be stored as uint8, so convert them before the subtraction.
    points = np.stack([x, y], axis=1).astype(np.float64) - 1
    return ", ".join(_OUTLINE_NAMES), points
