"""Layers of the companions of tractions, such as the residual."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from napari.components import LayerList
from napari.layers import Layer

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import (
    DISPLACEMENT_COMPANIONS,
    DisplacementStack,
    TractionStack,
)
from napari_vit_tfm.napari.layers.drawing import field_layers, show_colorbar
from napari_vit_tfm.napari.layers.metadata import is_overlay, overlay_metadata
from napari_vit_tfm.napari.layers.placing import geometry_of
from napari_vit_tfm.napari.layers.registry import Grid, description_of


@dataclass(frozen=True)
class CompanionStyle:
    """How a companion is shown.

    Parameters
    ----------
    words : str
        What it is, for menus and names of layers.
    tip : str
        What it shows, for tooltips.
    has_direction : bool
        Whether it is also shown as arrows.
    """

    words: str
    tip: str
    has_direction: bool = True


STYLES: Mapping[str, CompanionStyle] = MappingProxyType(
    {
        "residual": CompanionStyle(
            "residual", "Measured displacement that the tractions do not explain."
        ),
        "displacement_model": CompanionStyle(
            "displacement of the tractions", "Displacement that the tractions cause."
        ),
    }
)
"""The companions that can be shown, by their names in `TractionStack.companions`."""


def show_companion(
    layers: LayerList, traction: TractionStack, name: str, field: Layer
) -> list[Layer]:
    """Show a companion of tractions as magnitude and arrows.

    They are a picture, and no field that can be measured, saved, or used as
    displacement. Earlier layers of the same name are replaced.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    traction : TractionStack
        The tractions.
    name : str
        Name of the companion, one of `STYLES`.
    field : Layer
        A layer of the tractions, above which they lie.

    Returns
    -------
    list of layers
        The new layers.
    """
    style, description = STYLES[name], description_of(field)
    assert description is not None
    data = traction.companions[name]
    companion: DisplacementStack | TractionStack
    if name in DISPLACEMENT_COMPANIONS:
        companion = DisplacementStack(
            data, unit=traction.displacement_unit, spacing_um=traction.spacing_um
        )
    else:
        companion = dataclasses.replace(traction, data=data, companions={})
    has_frames = field.ndim == 3
    place = geometry_of(field, Grid((0, 1, 2) if has_frames else (None, 0, 1)))
    drawn = field_layers(
        companion,
        has_frames=has_frames,
        quantity=f"{style.words} ({description.method or description.model})",
        title=description.title,
        config=DisplayConfig(),
        **place,
    )
    new = []
    for vectors, options, kind in drawn if style.has_direction else drawn[:1]:
        options["metadata"] = overlay_metadata(description.field_id, "overlay")
        new.append(Layer.create(vectors, options, kind))
    names = [layer.name for layer in new]
    for old in [one for one in layers if is_overlay(one) and one.name in names]:
        layers.remove(old)
    layers.extend(new)
    show_colorbar(new[0])
    return new
