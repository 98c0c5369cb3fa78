"""The programs whose fields are found in MATLAB files."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from napari_vit_tfm.io.base import AnyArray
from napari_vit_tfm.io.matlab import (
    dl_tfm,
    fidic,
    own,
    pivlab,
    positions_and_vectors,
    tfm_uq,
)
from napari_vit_tfm.io.matlab.field import MatField, variable_field
from napari_vit_tfm.io.matlab.variables import Variables

_PROGRAMS: tuple[Callable[[Variables], Iterator[MatField]], ...] = (
    dl_tfm.fields,
    positions_and_vectors.fields,
    pivlab.fields,
    fidic.fields,
    tfm_uq.fields,
    own.fields,
)

NAMES = (
    "dspl and trac of DL-TFM, input_data and TFM_results of Bayesian FTTC packages, "
    "displField and forceField of u-inferforce, the cell arrays of PIVlab, u and v of "
    "FIDIC, or U and V of TFM-UQ"
)
"""The variables of these programs, for messages."""


def find_fields(variables: Variables) -> dict[str, MatField]:
    """All variables, and the fields of programs, by name.

    A field of a program replaces the variable of the same name.
    """
    found = {name: variable_field(variables, name) for name in variables.headers}
    for fields in _PROGRAMS:
        found.update((field.entry.name, field) for field in fields(variables))
    return found


def find_outline(variables: Variables) -> tuple[str, AnyArray] | None:
    """Name and points of the outline of a cell, or None."""
    return own.outline(variables) or dl_tfm.outline(variables)
