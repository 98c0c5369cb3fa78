"""The vectors of a field at a point, in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from napari.layers import Layer

from napari_vit_tfm.napari.layers.placing import WorldUnits, bin_of, node_at
from napari_vit_tfm.napari.layers.reading import FieldLayers
from napari_vit_tfm.napari.layers.registry import description_of, entry_of
from napari_vit_tfm.napari.layers.results import results_of
from napari_vit_tfm.trust.certainty import deviation_of_magnitude
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
        Such as "displacement 1.2 µm (x 0.7, y -1), traction 340 ± 25 Pa (x 340, y 2)",
        with the half-width of the 68% interval of a magnitude if it is known; empty
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
    size, halfwidths = f"{length:.4g}", entry.arrays.companions.get("halfwidth_68")
    if halfwidths is not None:
        deviation = deviation_of_magnitude(vectors[node], halfwidths[node])
        size = with_halfwidth(length, float(deviation))
    return f"{description.quantity} {size}{unit} (x {x:.3g}, y {y:.3g})"


def with_halfwidth(value: float, halfwidth: float) -> str:
    """A number with its half-width, both rounded to two digits of the half-width.

    Parameters
    ----------
    value, halfwidth : float
        Both in the same unit.

    Examples
    --------
    >>> from napari_vit_tfm.napari.layers.values import with_halfwidth
    >>> with_halfwidth(1234.5, 321.0), with_halfwidth(1.234, 0.0567)
    ('1230 ± 320', '1.234 ± 0.057')
    >>> with_halfwidth(0.0, 0.0)
    '0'
    """
    if not 0 < halfwidth < math.inf:
        return f"{value:.4g}"
    digits = 1 - math.floor(math.log10(halfwidth))
    shown = max(digits, 0)
    if shown > _MOST_DECIMALS:
        return f"{value:.3g} ± {halfwidth:.2g}"
    return f"{round(value, digits):.{shown}f} ± {round(halfwidth, digits):.{shown}f}"


_MOST_DECIMALS = 6
"""Decimals up to which a number is written without an exponent."""
