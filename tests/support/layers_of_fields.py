"""Helpers for layers of fields and of results."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
from napari.layers import Image, Layer

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.layers.drawing import field_layers
from napari_vit_tfm.napari.layers.reading import FieldLayers, as_displacement, field_of
from napari_vit_tfm.napari.layers.results import (
    ResultLayers,
    describe_field,
    results_of,
    set_field_spacing,
)
from napari_vit_tfm.napari.layers.results import show_tractions as show


def create(stack, **options: Any) -> list[Layer]:
    """The layers of a field, magnitude and arrows."""
    return [Layer.create(*data) for data in field_layers(stack, **options)]


def add(viewer, stack, **options: Any) -> Layer:
    """Add the layers of a field; returns the first."""
    layers = create(stack, **options)
    viewer.layers.extend(layers)
    return layers[0]


def remove_garbage(viewer) -> None:
    """Delete layers that have been removed from a viewer."""
    # napari's selection keeps a reference to the last active layer.
    other = Image(np.zeros((4, 4)))
    viewer.layers.append(other)
    viewer.layers.remove(other)
    gc.collect()


def field_at(layers, layer: Layer) -> FieldLayers:
    """The displacement field that a layer shows."""
    field = field_of(layers, layer)
    assert field is not None
    return field


def displacement_at(layers, layer: Layer) -> DisplacementStack:
    """The displacements that a layer shows."""
    return as_displacement(field_at(layers, layer))


def describe(layers, layer: Layer, **changes: Any) -> DisplacementStack:
    """Set unit, pixel size or spacing of a layer's field; return the displacements."""
    field = field_at(layers, layer)
    if "spacing_um" in changes:
        set_field_spacing(layers, field, changes.pop("spacing_um"))
    describe_field(layers, field, **changes)
    return as_displacement(field)


def show_tractions(
    layers, traction: TractionStack, source: Layer, *, update_last: bool = False
) -> tuple[Layer, Layer]:
    """Show tractions like a run with the current displacements of the layers."""
    field = field_at(layers, source)
    result = show(
        layers,
        traction,
        field,
        source=as_displacement(field),
        config=ReconstructionConfig(model=traction.model),
        update_last=update_last,
    )
    assert result.image is not None
    assert result.vectors is not None
    return result.image, result.vectors


def all_results(layers, source: Layer) -> list[ResultLayers]:
    """All results of the field that a layer shows, from the first to the last."""
    return results_of(layers, field_at(layers, source))


def tractions_of(layers, source: Layer) -> tuple[Layer | None, Layer | None]:
    """Magnitude and arrows of the last result of a layer's field."""
    field = field_of(layers, source)
    results = [] if field is None else results_of(layers, field)
    return (results[-1].image, results[-1].vectors) if results else (None, None)
