"""A run: a displacement field with the tractions computed from it, layer by layer.

Finds the layers of a run among a viewer's, changes what is known about them,
and shows new tractions in place of the old.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, MutableSequence, Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Layer, Vectors

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.layers.drawing import (
    LayerData,
    field_layers,
    geometry,
    geometry_of,
    show_colorbar,
)
from napari_vit_tfm.napari.layers.tags import (
    KEY,
    OUTLINE_OF,
    FieldTag,
    displacement_stack,
    field_tag,
    tag_of,
)


def describe(
    layers: Iterable[Layer], layer: Layer, **changes: Any
) -> DisplacementStack | None:
    """Say what a displacement field's numbers mean, on all layers that show it.

    With another spacing these layers, the outline and the tractions computed
    from the field get another scale, where theirs is not the user's own.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    layer : Layer
        One that shows the field.
    **changes
        `unit`, `spacing_um` and `pixel_size_um` of the new stack.

    Returns
    -------
    DisplacementStack or None
        The new stack, its vectors untouched; None if `layer` shows no
        displacements.
    """
    shown, old = field_tag(layer), displacement_stack(layer)
    if shown is None or old is None:
        return None
    new = dataclasses.replace(old, **changes)
    for other in layers:
        if new.spacing_um != old.spacing_um and _lies_with(other, shown.field_id):
            _replace(other, geometry(old), geometry(new))
        tag = field_tag(other)
        if tag is not None and tag.field_id == shown.field_id:
            _retag(other, dataclasses.replace(tag, stack=new))
    return new


def _lies_with(layer: Layer, field_id: str) -> bool:
    """Whether a layer is the field's, its outline or its computed tractions."""
    tag = field_tag(layer)
    if tag is None:
        return bool(layer.metadata.get(OUTLINE_OF) == field_id)
    return field_id in (tag.field_id, tag.source)


def _replace(layer: Layer, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Give a layer its new place, unless its scale is one that the user gave."""
    if np.allclose(layer.scale, old["scale"][-layer.ndim :]):
        layer.scale = new["scale"][-layer.ndim :]
        layer.units = new["units"][-layer.ndim :]


def _retag(layer: Layer, tag: FieldTag) -> None:
    # A name that the user gave stays.
    if layer.metadata[KEY].has_named(layer):
        layer.name = tag.layer_name
    layer.metadata = {**layer.metadata, KEY: tag}


def tractions_of(
    layers: Iterable[Layer], source: Layer
) -> tuple[Image | None, Vectors | None]:
    """The layers of the tractions that were computed from a displacement layer."""
    image: Image | None = None
    vectors: Vectors | None = None
    field_id = tag_of(source).field_id
    for layer in layers:
        tag = field_tag(layer)
        if tag is None or tag.source != field_id:
            continue
        if tag.part == "magnitude":
            image = layer
        else:
            vectors = layer
    return image, vectors


def layers_of_run(layers: Iterable[Layer], member: Layer) -> list[Layer]:
    """The layers of a displacement field and of the tractions computed from it.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    member : Layer
        One that shows the displacements or the tractions, there or removed.
    """
    tag = tag_of(member)
    run = tag.source or tag.field_id
    tags = ((layer, field_tag(layer)) for layer in layers)
    return [layer for layer, one in tags if one and run in (one.field_id, one.source)]


def show_tractions(
    layers: MutableSequence[Layer],
    stack: TractionStack,
    source: Layer,
    *,
    config: DisplayConfig | None = None,
) -> tuple[Image, Vectors]:
    """Show tractions computed from a displacement layer, in place where they are.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    stack : TractionStack
        The tractions, on the grid of `source`.
    source : Layer
        The displacement layer; new layers lie where it lies.
    config : DisplayConfig, optional
        How fields are drawn.

    Returns
    -------
    Image, Vectors
        Magnitude and arrows; those there already, or new ones for what is
        missing.
    """
    new_image, new_vectors = field_layers(
        stack, source=tag_of(source).field_id, config=config, **geometry_of(source)
    )
    image, vectors = tractions_of(layers, source)
    if image is None:
        image = Layer.create(*new_image)
        layers.insert(_above_field(layers, source), image)
        show_colorbar(image)
    else:
        _update_image(image, new_image)
    if vectors is None:
        vectors = Layer.create(*new_vectors)
        layers.insert(layers.index(image) + 1, vectors)
    else:
        _update_vectors(vectors, new_vectors)
    return image, vectors


def _above_field(layers: Sequence[Layer], source: Layer) -> int:
    """The place above all layers of a field, below what lies over it."""
    field_id = tag_of(source).field_id
    tags = [field_tag(layer) for layer in layers]
    shown = [i for i, tag in enumerate(tags) if tag and tag.field_id == field_id]
    return shown[-1] + 1


def _update_image(image: Image, new: LayerData) -> None:
    data, options, _ = new
    _retag(image, options["metadata"][KEY])
    image.data = data
    image.contrast_limits_range = options["contrast_limits"]
    image.contrast_limits = options["contrast_limits"]


def _update_vectors(vectors: Vectors, new: LayerData) -> None:
    data, options, _ = new
    _retag(vectors, options["metadata"][KEY])
    vectors.data = data
    vectors.features = options["features"]
    vectors.edge_contrast_limits = options["edge_contrast_limits"]
    vectors.refresh_colors()
