"""Saves the field that layers show, with all that is known about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Layer

from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.layers.metadata import Stack
from napari_vit_tfm.napari.layers.reading import (
    as_displacement,
    find_displacements,
    layer_stack,
)
from napari_vit_tfm.napari.layers.registry import description_of


def write_field(
    path: str, layer_data: Sequence[tuple[Any, dict[str, Any], str]]
) -> list[str]:
    """Save the one displacement or traction field among some layers.

    What is saved is the field itself, with its unit, lengths, gel and, for tractions,
    the method and its weights' SHA-256; not the magnitude or the arrows that are
    drawn. Displacements in layers of other programs are saved as they are now.

    Parameters
    ----------
    path : str
        The file; its ending selects the format.
    layer_data : sequence of (data, options, type)
        The layers as napari hands them over.

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    FieldError
        If the layers show no field, several fields, or data that were changed.
    """
    # Layers again: a layer is read in one way only.
    layers = [
        Layer.create(data, options, kind)
        for data, options, kind in layer_data
        if kind in ("image", "vectors")
    ]
    stacks = _stacks(layers)
    if len(stacks) != 1:
        amount = "several fields" if stacks else "no displacements and no tractions"
        raise FieldError(
            f"the layers to save show {amount}: select the layers of one field"
        )
    (stack,) = stacks
    if isinstance(stack, DisplacementStack):
        io.write_displacement(path, stack)
    else:
        io.write_traction(path, stack)
    return [path]


def _stacks(layers: Sequence[Layer]) -> list[Stack]:
    """The fields among layers, each once."""
    tractions: dict[str, Stack] = {}
    for layer in layers:
        description = description_of(layer)
        if description is not None and description.kind == "traction":
            tractions[description.field_id] = layer_stack(layer)
    return [
        *map(as_displacement, find_displacements(layers)),
        *tractions.values(),
    ]
