"""The files of this package: tractions with the axes of frames last, and attributes.

The struct `attributes` has one field per array, which is a struct with the attributes
of the array.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_vit_tfm.fields import COMPANION_NAMES
from napari_vit_tfm.io.base import (
    OUTLINE_NAME,
    TRACTION_NAME,
    AnyArray,
    ArrayEntry,
    Attributes,
)
from napari_vit_tfm.io.matlab.field import MatField, variable_field
from napari_vit_tfm.io.matlab.values import Struct, Value
from napari_vit_tfm.io.matlab.variables import Header, Variables

ATTRIBUTES = "attributes"
"""Name of the struct with the attributes."""


def fields(variables: Variables) -> Iterator[MatField]:
    """The tractions, and what was written with them."""
    elements = variables.struct(ATTRIBUTES).elements
    about = elements[0] if len(elements) == 1 else {}
    if TRACTION_NAME not in about:
        return
    for name, described in about.items():
        header = variables.headers.get(name)
        if header is None or not isinstance(described, Struct):
            continue
        attributes = _attributes(described)
        if name == TRACTION_NAME or name in COMPANION_NAMES:
            yield from _vectors(variables, header, attributes)
        elif len(header.shape) == 2 and header.shape[1] == 1:
            yield _column(variables, header, attributes)
        else:
            yield variable_field(variables, name, attributes=attributes)


def outline(variables: Variables) -> tuple[str, AnyArray] | None:
    """The outline of a cell, or None."""
    is_own = TRACTION_NAME in variables.struct_fields(ATTRIBUTES)
    if not is_own or OUTLINE_NAME not in variables.headers:
        return None
    return OUTLINE_NAME, variables.array(OUTLINE_NAME)


def _vectors(
    variables: Variables, header: Header, attributes: Attributes
) -> Iterator[MatField]:
    """Vectors (H, W, 2, T); MATLAB leaves out the last axis of one frame."""
    if len(header.shape) not in (3, 4) or header.shape[2] != 2:
        return
    height, width, *_ = header.shape
    shape = (*header.shape[3:], height, width, 2)

    def load() -> AnyArray:
        array = variables.array(header.name)
        return array if array.ndim == 3 else np.moveaxis(array, -1, 0)

    yield MatField(
        ArrayEntry(
            name=header.name,
            shape=shape,
            dtype=header.dtype,
            layout="(H, W, 2)" if len(shape) == 3 else "(T, H, W, 2)",
            kind="traction" if header.name == TRACTION_NAME else None,
            attributes=attributes,
        ),
        load,
    )


def _column(variables: Variables, header: Header, attributes: Attributes) -> MatField:
    """An array with one number per frame, which MATLAB stores as a column."""
    entry = ArrayEntry(
        header.name, header.shape[:1], header.dtype, attributes=attributes
    )
    return MatField(entry, lambda: variables.array(header.name)[:, 0])


def _attributes(struct: Struct) -> dict[str, Any]:
    return {name: _plain(value) for name, value in struct.elements[0].items()}


def _plain(value: Value) -> Any:
    if isinstance(value, np.ndarray):
        return value.item() if value.size == 1 else ""
    return value
