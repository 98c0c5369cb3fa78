"""Layers of the companions of tractions, such as the residual."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Layer

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import DisplacementStack, FloatArray, TractionStack
from napari_vit_tfm.napari.layers.arrows import ArrowField, Arrows, ArrowSource
from napari_vit_tfm.napari.layers.axes import swap_components
from napari_vit_tfm.napari.layers.drawing import (
    LayerData,
    field_layers,
    hide_colorbar,
    show_colorbar,
)
from napari_vit_tfm.napari.layers.drawn_arrows import register_arrows
from napari_vit_tfm.napari.layers.following import follow, replace_overlays
from napari_vit_tfm.napari.layers.metadata import overlay_metadata
from napari_vit_tfm.napari.layers.placing import geometry_of
from napari_vit_tfm.napari.layers.registry import Grid, description_of
from napari_vit_tfm.trust.certainty import (
    deviation_of_magnitude,
    possible_directions,
)
from napari_vit_tfm.trust.consistency import explained_map

Draw = Callable[[TractionStack, str, dict[str, Any]], list[LayerData]]
"""Function from tractions, the name of a companion, and options of `field_layers`, to
layer tuples."""


@dataclass(frozen=True)
class CompanionStyle:
    """How a companion is shown.

    Parameters
    ----------
    words : str
        What is shown, for menus and names of layers.
    tip : str
        What it says, for tooltips.
    draw : callable
        Makes the layer tuples.
    needs : tuple of str
        The companions from which it is made.
    """

    words: str
    tip: str
    draw: Draw
    needs: tuple[str, ...]


def _displacement(
    traction: TractionStack, name: str, options: dict[str, Any]
) -> list[LayerData]:
    """A displacement as magnitude and arrows."""
    stack = DisplacementStack(
        traction.companions[name],
        unit=traction.displacement_unit,
        spacing_um=traction.spacing_um,
    )
    return field_layers(stack, **options)


def _explained(
    traction: TractionStack, _name: str, options: dict[str, Any]
) -> list[LayerData]:
    """The share that is explained around each vector."""
    share = explained_map(
        *(traction.companions[name] for name in ("displacement_model", "residual"))
    )
    data = np.stack([share, np.zeros_like(share)], axis=-1).astype(np.float32)
    stack = dataclasses.replace(traction, data=data, companions={})
    _, drawn, kind = field_layers(stack, **options)[0]
    title = f"{options['title']}: " if options["title"] else ""
    style = {
        "name": f"{title}{options['quantity']}",
        "colormap": DisplayConfig.displacement_colormap,
        "contrast_limits": (0.0, 1.0),
    }
    # As a magnitude it would have no sign.
    shown = share if options["has_frames"] else share[0]
    return [(shown.astype(np.float32), {**drawn, **style}, kind)]


def _deviation(
    traction: TractionStack, name: str, options: dict[str, Any]
) -> list[LayerData]:
    """The standard deviation of the magnitude, which has no direction."""
    deviation = deviation_of_magnitude(traction.data, traction.companions[name])
    data = np.stack([deviation, np.zeros_like(deviation)], axis=-1)
    stack = dataclasses.replace(traction, data=data, companions={})
    return field_layers(stack, **options)[:1]


def _cones(
    traction: TractionStack, name: str, options: dict[str, Any]
) -> list[LayerData]:
    """Two lines for each arrow, between which its direction is."""
    field = ArrowField(traction, DisplayConfig())
    lines_of = partial(cone_lines, name=name)
    source = ArrowSource(field, options["has_frames"], lines_of)
    lines, _ = source.in_all_frames()
    register_arrows(lines, source)
    (_, drawn, _) = field_layers(traction, **options)[1]
    place = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    title = f"{options['title']}: " if options["title"] else ""
    style = {
        **{key: drawn[key] for key in (*place, "blending")},
        "name": f"{title}{options['quantity']}",
        "edge_color": _CONES,
        "edge_width": 0.04 * field.stride,
        "vector_style": "line",
    }
    return [(lines, style, "vectors")]


def cone_lines(arrows: Arrows, name: str) -> FloatArray:
    """Lines at both ends of the range of directions of every arrow.

    Parameters
    ----------
    arrows : Arrows
        Arrows of tractions.
    name : str
        Name of the companion of the tractions with the half-widths.

    Returns
    -------
    array of shape (2 n, 2, 3)
        Start and projection ``(frame, row, column)``, as in napari, as long as the
        arrow. If all directions of an arrow are possible, its lines have no length.
    """
    angles = possible_directions(arrows.vectors, arrows.halfwidths[name])
    vectors = arrows.vectors[:, None]
    turned = np.stack(
        [
            vectors[..., 0] * np.cos(angles) - vectors[..., 1] * np.sin(angles),
            vectors[..., 0] * np.sin(angles) + vectors[..., 1] * np.cos(angles),
        ],
        axis=-1,
    )
    lines = np.repeat(arrows.data, 2, axis=0)
    projections = swap_components(turned.reshape(-1, 2)) * arrows.grid_steps_per_unit
    lines[:, 1, 1:] = np.nan_to_num(projections)
    return lines


_CONES = "#8dff7a"
"""A colour of neither arrows nor magnitude."""

STYLES: Mapping[str, CompanionStyle] = MappingProxyType(
    {
        "residual": CompanionStyle(
            "residual",
            "Measured displacement that the tractions do not explain.",
            _displacement,
            ("residual",),
        ),
        "displacement_model": CompanionStyle(
            "displacement of the tractions",
            "Displacement that the tractions cause.",
            _displacement,
            ("displacement_model",),
        ),
        "explained": CompanionStyle(
            "share explained",
            "Share of the squared displacement around each vector that the tractions "
            "explain, 0 to 1. A large share alone is no merit. Empty where there is "
            "hardly any displacement.",
            _explained,
            ("displacement_model", "residual"),
        ),
        "halfwidth_68": CompanionStyle(
            "standard deviation",
            "How sure the magnitude is: half-width of its 68% interval.",
            _deviation,
            ("halfwidth_68",),
        ),
        "halfwidth_95": CompanionStyle(
            "direction cones",
            "Directions that the 95% intervals allow, for each arrow; none where all "
            "directions are possible.",
            _cones,
            ("halfwidth_95",),
        ),
    }
)
"""What can be shown of tractions, by name."""


_IMAGES: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()
"""Images of companions, with the field of their tractions."""


def can_show(name: str, companions: Container[str]) -> bool:
    """Whether one of `STYLES` can be made from companions that are there."""
    return all(needed in companions for needed in STYLES[name].needs)


def show_companion(
    layers: LayerList, traction: TractionStack, name: str, field: Layer
) -> list[Layer]:
    """Show a companion of tractions, such as the residual as magnitude and arrows.

    They are a picture, and no field that can be measured, saved, or used as
    displacement. They follow the layer of the tractions and are removed with it.
    Earlier layers of the same name are replaced.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    traction : TractionStack
        The tractions.
    name : str
        What is shown, one of `STYLES`.
    field : Layer
        A layer of the tractions, above which they lie.

    Returns
    -------
    list of layers
        The new layers.
    """
    style, description = STYLES[name], description_of(field)
    assert description is not None
    has_frames = field.ndim == 3
    options = {
        "has_frames": has_frames,
        "quantity": f"{style.words} ({description.method or description.model})",
        "title": description.title,
        **geometry_of(field, Grid((0, 1, 2) if has_frames else (None, 0, 1))),
    }
    new = []
    for data, drawn, kind in style.draw(traction, name, options):
        drawn["metadata"] = overlay_metadata(description.field_id, "overlay")
        new.append(Layer.create(data, drawn, kind))
    replace_overlays(layers, new)
    images = [layer for layer in new if isinstance(layer, Image)]
    for layer in layers if images else ():
        if _IMAGES.get(layer) == description.field_id:
            # It is covered by the new one.
            hide_colorbar(layer)
    for image in images:
        _IMAGES[image] = description.field_id
        # At the top is that of the tractions: there is no room for both names.
        show_colorbar(image, corner="bottom_right")
    for layer in new:
        follow(layers, field, layer)
    return new
