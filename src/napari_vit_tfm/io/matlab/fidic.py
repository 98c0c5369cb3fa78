"""FIDIC: components `u` and `v` with frames last, in pixels, and their step `d0`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.base import POSITIONS_PX
from napari_vit_tfm.io.matlab.field import MatField, variable_field
from napari_vit_tfm.io.matlab.values import number_of
from napari_vit_tfm.io.matlab.variables import Variables
from napari_vit_tfm.units import LENGTH_TOLERANCE

_STEP = "d0"


def fields(variables: Variables) -> Iterator[MatField]:
    """The components; without `d0`, the file may be of any program."""
    components = [variables.headers.get(name) for name in ("u", "v")]
    if any(header is None or not header.is_float for header in components):
        return
    step = number_of(variables.value(_STEP)) if _STEP in variables.headers else None
    if step is None or step <= 0:
        return
    _check_step(variables, step)
    for name in ("u", "v"):
        yield variable_field(
            variables, name, attributes={"units": "px", POSITIONS_PX: step}
        )


def _check_step(variables: Variables, step: float) -> None:
    """Raise an error if the positions are not `step` apart."""
    x = variables.value("x") if "x" in variables.headers else None
    if not isinstance(x, np.ndarray) or x.ndim != 2 or x.shape[1] < 2:
        return
    apart = float(np.nanmedian(np.abs(np.diff(x.astype(np.float64), axis=1))))
    if abs(apart - step) > LENGTH_TOLERANCE * step:
        raise FieldFileError(
            f"{variables.path}: {_STEP} is {step:g}, but the positions x are {apart:g} "
            "apart, expected the same distance in pixels; correct one of them"
        )
