"""Registry of the vectors of the fields that layers show.

A layer of this plugin shows magnitudes or arrows, from which tractions cannot be
computed. The registry has the vectors: a `LayerEntry` for every layer, with a
fingerprint of the layer's data. If the data have changed, `is_unchanged` is False, and
the vectors are no longer used for the layer.

Readers and sample data return layer tuples before there are layers. `register_drawn`
registers the vectors under the identity of the drawn array, until the layer that was
created from it is used for the first time. References are weak: an entry is removed
with its layer or its drawn array.
"""

from __future__ import annotations

import dataclasses
import weakref
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from napari_vit_tfm.fields import (
    Companions,
    DisplacementStack,
    FloatArray,
    Records,
    TractionStack,
)
from napari_vit_tfm.napari.layers.metadata import (
    Description,
    Stack,
    description_in,
    new_id,
    write_description,
)
from napari_vit_tfm.units import DisplacementUnit, TractionUnit

Fingerprint = tuple[Any, ...]
Value = TypeVar("Value")
Item = TypeVar("Item")


@dataclass(eq=False)
class FieldArrays:
    """The arrays of a field; unit and gel are in the metadata of its layers.

    Parameters
    ----------
    vectors : array of shape (T, H, W, 2)
        Components ``(x, y)``, in the unit of the metadata.
    outline : array of shape (N, 2), optional
        The cell's outline, ``(x, y)`` in grid steps.
    drift : array of shape (T, 2), optional
        As `TractionStack.drift`.
    records : mapping of str to array
        As `TractionStack.records`.
    companions : mapping of str to array
        As `TractionStack.companions`.
    displacement_unit : str, optional
        As `TractionStack.displacement_unit`.
    metadata : mapping
        As `DisplacementStack.metadata`.
    """

    vectors: FloatArray
    outline: npt.NDArray[np.float64] | None = None
    drift: npt.NDArray[np.float64] | None = None
    records: Records = field(default_factory=lambda: MappingProxyType({}))
    companions: Companions = field(default_factory=lambda: MappingProxyType({}))
    displacement_unit: DisplacementUnit | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    _built: tuple[Any, Stack] | None = field(default=None, init=False)

    def stack(self, description: Description, spacing_um: float | None) -> Stack:
        """The field as a stack; the same object as long as nothing about it changes.

        Parameters
        ----------
        description : Description
            Description of one of the field's layers.
        spacing_um : float, optional
            Distance between neighbouring vectors, in um.

        Raises
        ------
        FieldError
            If a unit, a length or the gel is impossible.
        """
        # The stack does not depend on the part, the title and the quantity.
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
                spacing_in_unit=description.spacing_in_unit,
                outline=self.outline,
                metadata=self._metadata(description),
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
            records=self.records,
            companions=self.companions,
            displacement_unit=self.displacement_unit,
            metadata=self.metadata,
        )

    def _metadata(self, description: Description) -> Mapping[str, Any]:
        """The metadata, as if the file had been read with the y that was chosen."""
        y = description.y
        if y is None:
            return self.metadata
        reading = {**self.metadata.get("reading", {}), "y": y}
        return {**self.metadata, "y": y, "reading": reading}


@dataclass(frozen=True)
class Grid:
    """Where a field's nodes lie in the data coordinates of its layer.

    Parameters
    ----------
    axes : tuple of int
        The layer's axes of frames, rows and columns; None if it has no frames.
    origin : tuple of float
        Coordinates of the first node of the first frame along these axes.
    step : tuple of float
        Distance between neighbouring nodes along these axes.
    """

    axes: tuple[int | None, int, int] = (0, 1, 2)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    step: tuple[float, float, float] = (1.0, 1.0, 1.0)


def grid_of_bins(bin_size: int, *, has_frames: bool) -> Grid:
    """Where a field's nodes lie in layers whose vectors are means of its vectors.

    Parameters
    ----------
    bin_size : int
        Side of the squares of vectors that were averaged.
    has_frames : bool, keyword-only
        Whether the layers have an axis of frames.
    """
    first = -(bin_size - 1) / 2 / bin_size
    step = 1 / bin_size
    axes = (0, 1, 2) if has_frames else (None, 0, 1)
    return Grid(axes, (0.0, first, first), (1.0, step, step))


@dataclass(frozen=True, eq=False)
class LayerEntry:
    """Registry entry of a layer.

    Parameters
    ----------
    description : Description
        Description of the layer when it was registered, to find the original of a copy.
    arrays : FieldArrays, optional
        The field; None if the layer is a copy of changed data.
    fingerprint : tuple
        Fingerprint of the layer's data when it was registered.
    grid : Grid
        Where the nodes lie in the layer.
    place : mapping, optional
        For a result: the transform that it was given, to notice that the user has
        moved it.
    """

    description: Description
    arrays: FieldArrays | None
    fingerprint: Fingerprint
    grid: Grid = Grid()
    place: Mapping[str, Any] | None = None


class IdentityDict(Generic[Value]):
    """Values by the identity of an object, which are removed with the object.

    Arrays are not hashable, so they cannot be keys of a WeakKeyDictionary.
    """

    def __init__(self) -> None:
        self._items: dict[int, tuple[weakref.ref[Any], Value]] = {}

    def put(self, key: Any, value: Value) -> None:
        """Add or replace the value of an object."""
        number = id(key)
        reference = weakref.ref(key, lambda _: self._items.pop(number, None))
        self._items[number] = reference, value

    def get(self, key: Any) -> Value | None:
        """The value of an object; None if it has none."""
        _, value = self._items.get(id(key), (None, None))
        return value

    def values(self) -> list[Value]:
        """All values."""
        return [value for _, value in list(self._items.values())]


_ENTRIES: WeakKeyDictionary[Layer, LayerEntry] = WeakKeyDictionary()
_PENDING_ENTRIES = IdentityDict[LayerEntry]()
_COMPARED: WeakKeyDictionary[Layer, tuple[LayerEntry, Any, bool]] = WeakKeyDictionary()
"""The last comparison of a layer: entry, data, and whether the data were unchanged."""

_VECTOR_CHECKSUMS = IdentityDict[str]()


def without_proxy(item: Item) -> Item:
    """The layer or viewer itself. Plugins get temporary proxies of both."""
    return cast("Item", getattr(item, "__wrapped__", item))


def fingerprint(data: Any) -> Fingerprint:
    """Fingerprint of a layer's data, to notice changes.

    The checksum of the whole array is computed, at some GB per second, since napari
    does not report edits in place. Data that are no array, such as those of h5py,
    zarr and dask, are read, since what they refer to may have changed.
    """
    array = np.asarray(data)
    return checksum(array), array.shape, array.dtype.str


def checksum(data: npt.NDArray[Any]) -> str:
    """CRC-32 of an array's bytes, in hexadecimal."""
    return f"{zlib.crc32(np.ascontiguousarray(data).data):08x}"


def checksum_of_vectors(vectors: FloatArray) -> str:
    """Checksum of the vectors of a field, which are never edited; computed once."""
    known = _VECTOR_CHECKSUMS.get(vectors)
    if known is None:
        known = checksum(vectors)
        _VECTOR_CHECKSUMS.put(vectors, known)
    return known


def register_drawn(
    drawn: npt.NDArray[Any], description: Description, arrays: FieldArrays, grid: Grid
) -> None:
    """Register a field for the layer that will be created from a drawn array.

    Parameters
    ----------
    drawn : array
        The data of a layer tuple. napari's layers keep this object.
    description : Description
        Description of the layer.
    arrays : FieldArrays
        The field.
    grid : Grid
        Where the nodes lie in the array.
    """
    entry = LayerEntry(description, arrays, fingerprint(drawn), grid)
    _PENDING_ENTRIES.put(drawn, entry)


def register_layer(layer: Layer, entry: LayerEntry) -> None:
    """Register an entry with the fingerprint of the data that a layer has now.

    The entry is kept as long as the layer exists.
    """
    layer = without_proxy(layer)
    _ENTRIES[layer] = entry
    _COMPARED[layer] = entry, layer.data, True


def register_new_data(layer: Layer) -> None:
    """Register the field of the drawn array that a layer has as its new data."""
    entry = _PENDING_ENTRIES.get(layer.data)
    assert entry is not None
    register_layer(layer, entry)


def register_redrawn(layer: Layer) -> None:
    """Register data that the plugin has just drawn in a layer, of the same field."""
    entry = _ENTRIES.get(layer)
    if entry is not None:
        entry = dataclasses.replace(entry, fingerprint=fingerprint(layer.data))
        _PENDING_ENTRIES.put(layer.data, entry)
        register_layer(layer, entry)


def description_of(layer: Layer) -> Description | None:
    """The description of a layer's field; None if the layer shows no field.

    A layer that is used for the first time is registered. A copy of a field's layer,
    for example from napari's *Duplicate Layer*, becomes a field of its own.
    """
    layer = without_proxy(layer)
    description = description_in(layer.metadata)
    if description is None or layer in _ENTRIES:
        return description
    entry = _PENDING_ENTRIES.get(layer.data)
    if entry is None:
        entry = _entry_of_copy(description, layer)
        write_description(layer, entry.description)
    _ENTRIES[layer] = entry
    return description_in(layer.metadata)


def entry_of(layer: Layer) -> LayerEntry | None:
    """The registry entry of a layer; None if the layer shows no field."""
    return None if description_of(layer) is None else _ENTRIES[without_proxy(layer)]


def remember_place(layer: Layer, place: Mapping[str, Any]) -> None:
    """Remember the transform that a result's layer was given."""
    entry = entry_of(layer)
    assert entry is not None
    _ENTRIES[without_proxy(layer)] = dataclasses.replace(entry, place=place)


def is_unchanged(layer: Layer, *, compare_data: bool = True) -> bool:
    """Whether the data of a layer are still those that were registered.

    Parameters
    ----------
    layer : Layer
        The layer.
    compare_data : bool, keyword-only
        Whether to compare the data again, which notices edits in place. Otherwise, they
        are compared only if they were changed at the last comparison, if the layer has
        other data now, or after `forget_comparison`.
    """
    layer = without_proxy(layer)
    entry, data = entry_of(layer), layer.data
    if entry is None or entry.arrays is None:
        return False
    then, compared, unchanged = _COMPARED.get(layer, (None, None, False))
    # Changed data are compared again, since the user may have undone the change.
    is_known = unchanged and then is entry and compared is data
    if compare_data or not is_known:
        unchanged = entry.fingerprint == fingerprint(data)
        _COMPARED[layer] = entry, data, unchanged
    return unchanged


def forget_comparison(layer: Layer) -> None:
    """Compare the data of a layer again when its field is used next."""
    _COMPARED.pop(without_proxy(layer), None)


def _entry_of_copy(copied: Description, layer: Layer) -> LayerEntry:
    """Entry of a layer that is a copy of a field's layer."""
    drawn = fingerprint(layer.data)
    original = next(
        (
            entry
            for entry in _all_entries()
            if (entry.description.field_id, entry.description.part, entry.fingerprint)
            == (copied.field_id, copied.part, drawn)
        ),
        None,
    )
    sibling = _incomplete_copy(copied)
    arrays = None if original is None else original.arrays
    if arrays is not None and sibling is None:
        # Not the same object, since it caches the stack of one description.
        arrays = dataclasses.replace(arrays)
    elif arrays is not None and sibling is not None:
        # The original may have been read anew since its other layer was copied.
        is_shared = sibling.arrays and sibling.arrays.vectors is arrays.vectors
        arrays = sibling.arrays if is_shared else None
    description = dataclasses.replace(
        copied,
        field_id=new_id() if sibling is None else sibling.description.field_id,
        title=f"{copied.title} copy" if copied.title else "",
        copied_from=copied.field_id,
        source_id=None,
    )
    grid = Grid() if original is None else original.grid
    return LayerEntry(description, arrays, drawn, grid)


def _incomplete_copy(copied: Description) -> LayerEntry | None:
    """Entry of a copied field that does not have a layer of this part yet."""
    copies = [
        entry
        for entry in _ENTRIES.values()
        if entry.description.copied_from == copied.field_id
        and _with_identity_of(copied, entry.description) == copied
    ]
    complete = {
        entry.description.field_id
        for entry in copies
        if entry.description.part == copied.part
    }
    # The latest copy first: layers that are duplicated together follow each other.
    return next(
        (
            entry
            for entry in reversed(copies)
            if entry.description.field_id not in complete
        ),
        None,
    )


def _with_identity_of(other: Description, description: Description) -> Description:
    """A description with the part and the identity of another description."""
    return dataclasses.replace(
        description,
        part=other.part,
        field_id=other.field_id,
        title=other.title,
        source_id=other.source_id,
        copied_from=other.copied_from,
    )


def _all_entries() -> Iterator[LayerEntry]:
    yield from list(_ENTRIES.values())
    yield from _PENDING_ENTRIES.values()
