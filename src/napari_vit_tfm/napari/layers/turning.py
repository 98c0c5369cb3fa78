"""The direction of y: turning a field over after it has been opened."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from napari.layers import Layer, Shapes

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.fields import FloatArray, TractionStack
from napari_vit_tfm.napari.layers.drawing import field_layers, redraw
from napari_vit_tfm.napari.layers.metadata import (
    Stack,
    is_outline_of,
    write_description,
)
from napari_vit_tfm.napari.layers.placing import grid_of
from napari_vit_tfm.napari.layers.reading import FieldLayers, layer_stack
from napari_vit_tfm.napari.layers.registry import FieldArrays, description_of, entry_of


def set_y_direction(
    layers: Iterable[Layer], field: FieldLayers, y: YDirection | None
) -> None:
    """Set the direction of the y axis in the file that a field was read from.

    If it is not the current one, the field is turned over: the order of the rows and
    the signs of the y components are reversed. So are the cell outline, and tractions
    from the same file. Results that were computed before are not changed; they then
    belong to other displacements.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    field : FieldLayers
        A displacement field of this plugin, not of another program.
    y : {"down", "up"}, optional
        The direction; None is that of the file, or down if the file does not say.

    Raises
    ------
    FieldError
        If the data of a layer have been changed.
    """
    layers = list(layers)
    arrays, description = _arrays_of(field.first), description_of(field.first)
    assert description is not None
    in_file = arrays.metadata.get("y", "down")
    if (description.y or in_file) != (y or in_file):
        _turn_over(list(field.layers))
        for layer in layers:
            if is_outline_of(layer, description.field_id):
                _turn_outline_over(layer, arrays.vectors.shape[1])
        for parts in _tractions_from(layers, arrays.metadata.get("source")):
            _turn_over(parts)
    for layer in field.layers:
        own = description_of(layer)
        assert own is not None
        write_description(layer, dataclasses.replace(own, y=y))


def _arrays_of(layer: Layer) -> FieldArrays:
    entry = entry_of(layer)
    assert entry is not None
    assert entry.arrays is not None
    return entry.arrays


def _turn_over(layers: list[Layer]) -> None:
    """Turn a field over in all its layers."""
    stack, description = layer_stack(*layers), description_of(layers[0])
    assert description is not None
    # The metadata are those of the file, not with the direction that was chosen.
    turned = dataclasses.replace(
        _turned(stack), metadata=_arrays_of(layers[0]).metadata
    )
    drawn = field_layers(
        turned,
        has_frames=grid_of(layers[0]).axes[0] is not None,
        quantity=description.quantity,
        title=description.title,
        attributes={"field_id": description.field_id},
    )
    for layer in layers:
        own = description_of(layer)
        assert own is not None
        redraw(layer, drawn[0] if own.part == "magnitude" else drawn[1])


def _turned(stack: Stack) -> Stack:
    """A field with the other direction of y: rows and y components reversed."""
    flip = np.array([1, -1], np.float32)

    def turned(vectors: FloatArray) -> FloatArray:
        return np.ascontiguousarray(vectors[:, ::-1] * flip)

    changes: dict[str, Any] = {"data": turned(stack.data)}
    if stack.outline is not None:
        changes["outline"] = stack.outline * flip + (0, stack.grid_shape[0] - 1)
    if isinstance(stack, TractionStack) and stack.drift is not None:
        changes["drift"] = stack.drift * flip
    if isinstance(stack, TractionStack) and "drift_removed" in stack.records:
        removed = stack.records["drift_removed"] * (1, -1, -1)
        changes["records"] = {**stack.records, "drift_removed": removed}
    if isinstance(stack, TractionStack):
        changes["companions"] = {
            # Half-widths have no direction.
            name: np.abs(turned(vectors)) if "halfwidth" in name else turned(vectors)
            for name, vectors in stack.companions.items()
        }
    return dataclasses.replace(stack, **changes)


def _turn_outline_over(layer: Shapes, n_rows: int) -> None:
    outlines = [outline * (-1, 1) + (n_rows - 1, 0) for outline in layer.data]
    layer.data = list(zip(outlines, layer.shape_type, strict=True))


def _tractions_from(layers: list[Layer], source: object) -> list[list[Layer]]:
    """The layers of tractions that were read from the same file."""
    found: dict[str, list[Layer]] = {}
    for layer in layers:
        description, entry = description_of(layer), entry_of(layer)
        if (
            source is not None
            and description is not None
            and description.kind == "traction"
            and not description.is_result
            and entry is not None
            and entry.arrays is not None
            and entry.arrays.metadata.get("source") == source
        ):
            found.setdefault(description.field_id, []).append(layer)
    return list(found.values())
