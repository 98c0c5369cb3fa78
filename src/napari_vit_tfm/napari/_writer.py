"""Writer of displacement and traction fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Layer
from napari.utils.notifications import show_error

from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldError, TFMError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.errors import in_one_line
from napari_vit_tfm.napari.layers.metadata import Stack
from napari_vit_tfm.napari.layers.reading import (
    as_displacement,
    files_behind,
    find_displacements,
    layer_stack,
)
from napari_vit_tfm.napari.layers.registry import description_of


def write_field(
    path: str, layer_data: Sequence[tuple[Any, dict[str, Any], str]]
) -> list[str]:
    """Save the displacement or traction field that layers show.

    The full field is saved, not the magnitude or the arrows that are drawn, with unit,
    lengths, gel and, for tractions, the method and the SHA-256 of its weights.
    Displacements in layers of other programs are saved in their current state.

    Parameters
    ----------
    path : str
        The file. Its extension selects the format.
    layer_data : sequence of (data, options, type)
        The layers, as tuples that napari provides.

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    FieldError
        If the layers show no field, several fields, or changed data, or if they
        contradict each other.
    """
    try:
        _write(path, layer_data)
    except (TFMError, OSError) as error:
        # napari takes the error for a missing plugin, and does not show it.
        show_error(in_one_line(error))
        raise
    return [path]


def _write(path: str, layer_data: Sequence[tuple[Any, dict[str, Any], str]]) -> None:
    # Fields are read from layers, so create layers again.
    layers = [
        Layer.create(data, options, kind)
        for data, options, kind in layer_data
        if kind in ("image", "vectors")
    ]
    stacks = _stacks(layers)
    if len(stacks) != 1:
        amount = "several fields" if stacks else "neither displacements nor tractions"
        raise FieldError(
            f"the selected layers show {amount}: select the layers of one field"
        )
    (stack,) = stacks
    io.check_output(path, inputs=files_behind(layers))
    if isinstance(stack, DisplacementStack):
        io.write_displacement(path, stack)
    else:
        io.write_traction(path, stack)


def _stacks(layers: Sequence[Layer]) -> list[Stack]:
    """The fields that layers show, without duplicates."""
    tractions: dict[str, list[Layer]] = {}
    for layer in layers:
        description = description_of(layer)
        if description is not None and description.kind == "traction":
            tractions.setdefault(description.field_id, []).append(layer)
    return [
        *map(as_displacement, find_displacements(layers)),
        *(layer_stack(*field) for field in tractions.values()),
    ]
