"""Layers over a field: regions of cells, an adhesion, a difference of tractions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer, Vectors
from napari.utils.colormaps import DirectLabelColormap

from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari.layers.drawing import field_layers, show_colorbar
from napari_vit_tfm.napari.layers.metadata import overlay_metadata
from napari_vit_tfm.napari.layers.placing import geometry_of, without_frames
from napari_vit_tfm.napari.layers.registry import Grid, description_of
from napari_vit_tfm.napari.quantities.measured import Measured
from napari_vit_tfm.quantities import Adhesion

# Colours of Okabe and Ito, distinguishable with colour blindness, in dark and light
# themes.
_COLOURS = ("#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#D55E00")

_OPACITY = 0.4

_MARK = "#00e5ff"
_MARK_WIDTH = 0.4
"""Colour and width, in steps of the grid, of the outline of an adhesion."""


def colour_of(cell: int) -> str:
    """Colour of a cell, in the layer of regions and in plots."""
    return _COLOURS[(cell - 1) % len(_COLOURS)]


def region_layer(measured: Measured, field: Layer) -> Labels:
    """A layer that shows where the quantities of cells were measured.

    Parameters
    ----------
    measured : Measured
        The quantities.
    field : Layer
        A layer of the tractions, over which it lies.

    Returns
    -------
    Labels
        The region of a cell has its number and its colour; the ring around it has
        another number and the same colour, but paler.
    """
    description = description_of(field)
    assert description is not None
    has_frames = field.ndim == 3
    place = _place_of(field)
    title = f"{description.title}: " if description.title else ""
    layer = Labels(
        measured.regions if has_frames else measured.regions[0],
        name=f"{title}regions and rings",
        opacity=_OPACITY,
        colormap=_colormap(measured),
        metadata=overlay_metadata(description.field_id, "overlay"),
        blending="translucent_no_depth",
        **(place if has_frames else without_frames(place)),
    )
    layer.editable = False
    return layer


def adhesion_layer(adhesion: Adhesion, field: Layer) -> Vectors:
    """A layer that outlines an adhesion.

    Parameters
    ----------
    adhesion : Adhesion
        The adhesion.
    field : Layer
        A layer of the tractions, over which it lies.

    Returns
    -------
    Vectors
        Lines along the borders of the squares of its nodes, in its frame only.
    """
    description = description_of(field)
    assert description is not None
    lines = _borders(adhesion.nodes)
    has_frames = field.ndim == 3
    if has_frames:
        frames = np.full((*lines.shape[:2], 1), adhesion.frame, dtype=np.float64)
        frames[:, 1] = 0
        lines = np.concatenate([frames, lines], axis=-1)
    place = _place_of(field)
    title = f"{description.title}: " if description.title else ""
    return Vectors(
        lines,
        name=f"{title}adhesion {adhesion.number} of cell {adhesion.cell}",
        vector_style="line",
        edge_width=_MARK_WIDTH,
        edge_color=_MARK,
        metadata=overlay_metadata(description.field_id, "overlay"),
        **(place if has_frames else without_frames(place)),
    )


def _borders(nodes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Lines around the squares of nodes, ``(N, 2, 2)``: start and direction."""
    there = {(int(row), int(column)) for row, column in nodes}
    lines = []
    for row, column in sorted(there):
        top, left = row - 0.5, column - 0.5
        sides = {
            (row - 1, column): ((top, left), (0.0, 1.0)),
            (row + 1, column): ((top + 1, left), (0.0, 1.0)),
            (row, column - 1): ((top, left), (1.0, 0.0)),
            (row, column + 1): ((top, left + 1), (1.0, 0.0)),
        }
        lines += [line for beside, line in sides.items() if beside not in there]
    return np.array(lines)


def difference_layers(
    difference: TractionStack, field: Layer, names: Sequence[str]
) -> list[Layer]:
    """Layers of the difference of two tractions: magnitude and arrows.

    They are a picture, and no field that can be measured or saved as tractions.

    Parameters
    ----------
    difference : TractionStack
        The difference.
    field : Layer
        A layer of the first tractions, over which they lie.
    names : sequence of str
        Names of both tractions.
    """
    description = description_of(field)
    assert description is not None
    data = field_layers(
        difference,
        has_frames=field.ndim == 3,
        quantity=f"{names[0]} minus {names[1]}",
        title=description.title,
        **_place_of(field),
    )
    for _, options, _ in data:
        options["metadata"] = overlay_metadata(description.field_id, "overlay")
    layers = [Layer.create(*one) for one in data]
    show_colorbar(layers[0])
    return layers


def _place_of(field: Layer) -> dict[str, Any]:
    """The transform of a field, with three axes.

    The data coordinates of the layers of tractions count their vectors.
    """
    return geometry_of(field, Grid((0, 1, 2) if field.ndim == 3 else (None, 0, 1)))


def _colormap(measured: Measured) -> DirectLabelColormap:
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    for cell in measured.cells:
        colours[cell] = colour_of(cell)
        colours[cell + measured.ring_offset] = f"{colour_of(cell)}66"
    return DirectLabelColormap(color_dict=colours)
