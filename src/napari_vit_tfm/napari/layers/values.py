"""The vectors of a field at a point, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari.layers import Layer

from napari_vit_tfm.napari.layers.placing import WorldUnits, bin_of, node_at
from napari_vit_tfm.napari.layers.reading import FieldLayers
from napari_vit_tfm.napari.layers.registry import description_of, entry_of
from napari_vit_tfm.napari.layers.results import results_of
from napari_vit_tfm.units import unit_label


def values_at(
    layers: Iterable[Layer],
    field: FieldLayers,
    point: Sequence[float],
    world_units: WorldUnits,
) -> str:
    """Displacement and tractions of the visible layers of a field at a point.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    field : FieldLayers
        The displacement field.
    point : sequence of float
        World coordinates.
    world_units : tuple of pint.Unit, optional
        As for `placing.node_at`.

    Returns
    -------
    str
        Such as "displacement 1.2 µm (x 0.7, y -1), traction 340 Pa (x 340, y 2)"; empty
        outside the field.
    """
    fields = [field.layers, *(result.layers for result in results_of(layers, field))]
    texts = []
    for parts in fields:
        visible = [layer for layer in parts if layer.visible]
        text = _value_at(visible[0], point, world_units) if visible else ""
        if text:
            texts.append(text)
    return ", ".join(texts)


def _value_at(layer: Layer, point: Sequence[float], world_units: WorldUnits) -> str:
    description, entry = description_of(layer), entry_of(layer)
    if description is None or entry is None or entry.arrays is None:
        return ""
    vectors = entry.arrays.vectors
    frame, row, column = node_at(layer, point, world_units)
    # Of averaged vectors, the nodes are those of the displacements.
    n = description.preparation.bin_size
    node = round(frame), round(bin_of(row, n)), round(bin_of(column, n))
    if any(not 0 <= i < size for i, size in zip(node, vectors.shape[:3], strict=True)):
        return ""
    x, y = map(float, vectors[node])
    length = (x * x + y * y) ** 0.5
    if length != length:
        return f"{description.quantity}: hole"
    unit = "" if description.unit is None else f" {unit_label(description.unit)}"
    return f"{description.quantity} {length:.4g}{unit} (x {x:.3g}, y {y:.3g})"
