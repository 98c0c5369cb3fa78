"""The vectors of the fields that layers show, kept weakly by layer.

A layer that this plugin draws shows magnitudes or arrows, from which nobody can
compute tractions. The vectors are here: for every layer its `Held`, with a
fingerprint of what was drawn. If the layer's data are no longer those,
`is_unchanged` is False, and the vectors are not used for the layer any more.

Readers and sample data make layer tuples, before there are layers. `hand_over` keeps
the vectors by the identity of the drawn array until the layer is first looked at.
Nothing is kept alive here: entries go with the layer or with the drawn array.
"""

from __future__ import annotations

import dataclasses
import weakref
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from napari_vit_tfm.fields import DisplacementStack, FloatArray, TractionStack
from napari_vit_tfm.napari.layers.metadata import (
    Description,
    Stack,
    description_in,
    new_id,
    write_description,
)
from napari_vit_tfm.units import DisplacementUnit, TractionUnit

Fingerprint = tuple[Any, ...]


@dataclass(eq=False)
class FieldArrays:
    """The arrays of a field; what its numbers mean is in the layers' metadata.

    Parameters
    ----------
    vectors : array of shape (T, H, W, 2)
        Components ``(x, y)``, in the unit that the metadata name.
    outline : array of shape (N, 2), optional
        The cell's outline, ``(x, y)`` in grid steps.
    drift : array of shape (T, 2), optional
        As `TractionStack.drift`.
    metadata : mapping
        As `DisplacementStack.metadata`.
    """

    vectors: FloatArray
    outline: npt.NDArray[np.float64] | None = None
    drift: npt.NDArray[np.float64] | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    _built: tuple[Any, Stack] | None = field(default=None, init=False)

    def stack(self, description: Description, spacing_um: float | None) -> Stack:
        """The field as a stack; the same object while nothing about it changes.

        Parameters
        ----------
        description : Description
            Description of one of the field's layers.
        spacing_um : float, optional
            Distance between neighbouring vectors, in um.

        Raises
        ------
        FieldError
            If there is no such unit, length or gel.
        """
        # Neither the part nor words make another stack.
        key = (
            dataclasses.replace(description, part="magnitude", title="", quantity=""),
            spacing_um,
        )
        if self._built is None or self._built[0] != key:
            self._built = key, self._make(description, spacing_um)
        return self._built[1]

    def _make(self, description: Description, spacing_um: float | None) -> Stack:
        if description.kind == "displacement":
            return DisplacementStack(
                self.vectors,
                unit=cast("DisplacementUnit | None", description.unit),
                spacing_um=spacing_um,
                pixel_size_um=description.pixel_size_um,
                gel=description.gel,
                outline=self.outline,
                metadata=self.metadata,
            )
        return TractionStack(
            self.vectors,
            unit=cast("TractionUnit", description.unit),
            spacing_um=spacing_um,
            gel=description.gel,
            model=description.model,
            model_sha256=description.model_sha256,
            outline=self.outline,
            drift=self.drift,
            metadata=self.metadata,
        )


@dataclass(frozen=True)
class Grid:
    """Where a field's nodes lie in the data coordinates of its layer.

    Parameters
    ----------
    axes : tuple of int
        The layer's axes of frames, rows and columns; None for no axis of frames.
    origin : tuple of float
        Coordinates of the first node of the first frame along these axes.
    step : tuple of float
        Distance between neighbouring nodes along these axes.
    """

    axes: tuple[int | None, int, int] = (0, 1, 2)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    step: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Held:
    """What is known about the data of one layer.

    Parameters
    ----------
    description : Description
        Description of the layer at that time; for finding originals of copies.
    arrays : FieldArrays, optional
        The field; None for a copy of data that were changed.
    fingerprint : tuple
        Of the data that the layer had then.
    grid : Grid
        Where the nodes lie.
    """

    description: Description
    arrays: FieldArrays | None
    fingerprint: Fingerprint
    grid: Grid = Grid()


_HELD: WeakKeyDictionary[Layer, Held] = WeakKeyDictionary()
_HANDED_OVER: dict[int, tuple[weakref.ref[Any], Held]] = {}


def unwrapped(layer: Layer) -> Layer:
    """The layer itself: plugins get proxies, which nobody keeps alive."""
    return getattr(layer, "__wrapped__", layer)


def fingerprint(data: Any) -> Fingerprint:
    """What tells a layer's data from other data.

    Arrays are read as a whole, at some GB a second, since napari does not tell of
    edits in place. Arrays that are read from a file when they are needed, such as
    those of dask, cannot be edited: theirs is their identity.
    """
    if not isinstance(data, np.ndarray):
        return type(data).__name__, id(data)
    return checksum(data), data.shape, data.dtype.str


def checksum(data: npt.NDArray[Any]) -> str:
    """CRC-32 of an array's bytes, in hexadecimal."""
    return f"{zlib.crc32(np.ascontiguousarray(data).data):08x}"


def hand_over(
    drawn: npt.NDArray[Any], description: Description, arrays: FieldArrays
) -> None:
    """Keep a field for the layer that will be made of a drawn array.

    Parameters
    ----------
    drawn : array
        The data of a layer tuple; napari's layers keep this very object.
    description : Description
        Description of the layer.
    arrays : FieldArrays
        The field.
    """
    key = id(drawn)
    reference = weakref.ref(drawn, lambda _: _HANDED_OVER.pop(key, None))
    _HANDED_OVER[key] = reference, Held(description, arrays, fingerprint(drawn))


def keep(layer: Layer, held: Held) -> None:
    """Keep what is known about a layer's data, as long as there is the layer."""
    _HELD[unwrapped(layer)] = held


def take_over(layer: Layer) -> None:
    """Keep, for a layer that was given new data, what was handed over with them."""
    _, held = _HANDED_OVER[id(layer.data)]
    keep(layer, held)


def description_of(layer: Layer) -> Description | None:
    """What a layer shows; None if it shows no field.

    A copy of a field's layer, such as napari's *Duplicate Layer* makes, becomes a
    field of its own here.
    """
    layer = unwrapped(layer)
    description = description_in(layer.metadata)
    if description is None or layer in _HELD:
        return description
    _, held = _HANDED_OVER.get(id(layer.data), (None, None))
    if held is None:
        held = _as_copy(description, layer)
        write_description(layer, held.description)
    _HELD[layer] = held
    return description_in(layer.metadata)


def held_by(layer: Layer) -> Held | None:
    """What is known about the data of a layer; None if it shows no field."""
    return None if description_of(layer) is None else _HELD[unwrapped(layer)]


def is_unchanged(layer: Layer) -> bool:
    """Whether a layer's data are still those whose field is known."""
    held = held_by(layer)
    return (
        held is not None
        and held.arrays is not None
        and held.fingerprint == fingerprint(layer.data)
    )


def _as_copy(copied: Description, layer: Layer) -> Held:
    """What is known about a layer with the description of another one."""
    drawn = fingerprint(layer.data)
    original = next(
        (
            held
            for held in _all_held()
            if (held.description.field_id, held.description.part, held.fingerprint)
            == (copied.field_id, copied.part, drawn)
        ),
        None,
    )
    sibling = _copied_with(copied)
    arrays = None
    if original is not None and original.arrays is not None:
        shared = None if sibling is None else sibling.arrays
        # The copy may be described otherwise later, which makes other stacks.
        arrays = shared or dataclasses.replace(original.arrays)
    description = dataclasses.replace(
        copied,
        field_id=new_id() if sibling is None else sibling.description.field_id,
        title=f"{copied.title} copy" if copied.title else "",
        copied_from=copied.field_id,
        source_id=None,
    )
    grid = Grid() if original is None else original.grid
    return Held(description, arrays, drawn, grid)


def _copied_with(copied: Description) -> Held | None:
    """The copy of another part of a field, which a copy of this part belongs to."""
    copies = [
        held
        for held in _HELD.values()
        if held.description.copied_from == copied.field_id
        and _as_part_of(copied, held.description) == copied
    ]
    complete = {
        held.description.field_id
        for held in copies
        if held.description.part == copied.part
    }
    # The last one first: parts that are copied together are copied one after another.
    return next(
        (
            held
            for held in reversed(copies)
            if held.description.field_id not in complete
        ),
        None,
    )


def _as_part_of(field_of: Description, description: Description) -> Description:
    """A description, as if it were of another field's layer of the same part."""
    return dataclasses.replace(
        description,
        part=field_of.part,
        field_id=field_of.field_id,
        title=field_of.title,
        source_id=field_of.source_id,
        copied_from=field_of.copied_from,
    )


def _all_held() -> Iterator[Held]:
    yield from list(_HELD.values())
    for _, held in list(_HANDED_OVER.values()):
        yield held
