"""Values of MATLAB variables: arrays of numbers, text, cell arrays and structs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_vit_tfm.io.base import AnyArray


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell array.

    Parameters
    ----------
    items : tuple
        Its contents, in MATLAB's order: the first index changes fastest.
    """

    items: tuple[Value, ...]


@dataclass(frozen=True, eq=False)
class Struct:
    """A struct array; a struct is an array with one element.

    Parameters
    ----------
    elements : tuple of mappings
        Values of the fields, by name, for every element.
    """

    elements: tuple[Mapping[str, Value], ...]

    def has(self, *names: str) -> bool:
        """Whether the elements have these fields."""
        return bool(self.elements) and self.elements[0].keys() >= set(names)

    def frames(self, name: str) -> tuple[Value, ...]:
        """Values of a field, one per frame: of all elements, or of a cell array."""
        values = tuple(element[name] for element in self.elements)
        return frames_of(values[0]) if len(values) == 1 else values


Value = AnyArray | str | Cell | Struct


def frames_of(value: Value) -> tuple[Value, ...]:
    """The contents of a cell array, one per frame; any other value is one frame."""
    return value.items if isinstance(value, Cell) else (value,)


def is_empty(value: Value) -> bool:
    """Whether a value is an array without elements."""
    return isinstance(value, np.ndarray) and value.size == 0


def text_of(value: Value) -> str:
    """Text, also if it is stored as numbers of characters or in a cell; else ''."""
    if isinstance(value, Cell) and value.items:
        return text_of(value.items[0])
    if isinstance(value, np.ndarray) and value.dtype in (np.uint8, np.uint16):
        return "".join(map(chr, value.ravel(order="F").tolist()))
    return value if isinstance(value, str) else ""


def number_of(value: Value | None) -> float | None:
    """The number in an array with one element; None for other values and NaN."""
    if not isinstance(value, np.ndarray) or value.size != 1:
        return None
    if value.dtype.kind not in "fiu":
        return None
    number = float(value.item())
    return number if np.isfinite(number) else None
