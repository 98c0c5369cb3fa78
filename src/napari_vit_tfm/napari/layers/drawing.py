"""Conversion of a field to layers: magnitude, arrows and outline.

A field is shown in two layers: its magnitude as an Image ``(T, H, W)``, and its vectors
as arrows. The arrows are a Vectors layer with three dimensions, so that napari shows
those of the current frame, without code of the plugin. In a viewer that the plugin
knows, `arrow_updates` then draws only the arrows of the frame, in more detail.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer, Vectors
from napari.utils import Colormap

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import (
    DisplacementStack,
    FloatArray,
    TractionStack,
)
from napari_vit_tfm.napari.layers.arrows import ArrowField, ArrowSource
from napari_vit_tfm.napari.layers.axes import swap_components
from napari_vit_tfm.napari.layers.drawn_arrows import (
    draw,
    register_arrows,
    source_of,
    window_of,
)
from napari_vit_tfm.napari.layers.metadata import (
    PREFIX,
    Description,
    Stack,
    new_id,
    overlay_metadata,
)
from napari_vit_tfm.napari.layers.placing import geometry, without_frames
from napari_vit_tfm.napari.layers.registry import (
    FieldArrays,
    grid_of_bins,
    register_drawn,
    register_new_data,
)
from napari_vit_tfm.units import consistent_lengths

LayerData = tuple[npt.NDArray[Any], dict[str, Any], str]

# Width and height; high enough for the eight tick labels of some ranges.
_COLORBAR_SIZE = (12.0, 120.0)

# Colours that are not in the colormap of the magnitude below. Short arrows are more
# transparent, so that long ones stand out.
_DISPLACEMENT_ARROWS = Colormap(
    [[1, 1, 1, 0.35], [1, 1, 1, 1]], name="displacement arrows"
)
_TRACTION_ARROWS = Colormap(
    [[0.3, 0.9, 1, 0.2], [0.55, 1, 1, 1]], name="traction arrows"
)


def field_layers(
    stack: Stack,
    *,
    has_frames: bool = True,
    quantity: str | None = None,
    title: str = "",
    attributes: Mapping[str, Any] | None = None,
    bin_size: int = 1,
    config: DisplayConfig | None = None,
    **options: Any,
) -> list[LayerData]:
    """Layer tuples of a field: magnitude and arrows.

    The vectors are added to the registry, for the layers that are created from the
    tuples.

    Parameters
    ----------
    stack : DisplacementStack or TractionStack
        The field.
    has_frames : bool, keyword-only
        Whether the layers have an axis of frames. napari shows layers without it,
        which only a field of one frame can have, at every frame of other layers.
    quantity : str, keyword-only, optional
        Name of the quantity; by default "displacement" or "traction".
    title : str, keyword-only
        Title of the field, such as the name of its file. The layers' names begin with
        it.
    attributes : mapping, keyword-only, optional
        Further attributes of the layers' `Description`.
    bin_size : int, keyword-only
        Side of the squares of vectors whose means the tractions were computed from.
    config : DisplayConfig, keyword-only, optional
        Colours and arrows.
    **options
        Further options of both layers, which override those of `geometry`. Transforms
        have three axes.
    """
    config = config or DisplayConfig()
    of_magnitude = _description(stack, title=title, attributes=attributes or {})
    if quantity is not None:
        of_magnitude = dataclasses.replace(of_magnitude, quantity=quantity)
    of_arrows = dataclasses.replace(of_magnitude, part="arrows")
    lengths, grid = stack.magnitude(), grid_of_bins(bin_size, has_frames=has_frames)
    field = ArrowField(stack, config)
    source = ArrowSource(field, has_frames)
    arrow_data, features = source.in_all_frames()
    arrays = FieldArrays(stack.data, stack.outline, metadata=stack.metadata)
    if isinstance(stack, TractionStack):
        arrays.drift, arrays.records = stack.drift, stack.records
        arrays.companions = stack.companions
        arrays.displacement_unit = stack.displacement_unit
    place = {**geometry(stack.spacing_um), **options}
    if not has_frames:
        (lengths,) = lengths
        place = without_frames(place)
    register_drawn(lengths, of_magnitude, arrays, grid)
    register_drawn(arrow_data, of_arrows, arrays, grid)
    register_arrows(arrow_data, source)
    is_displacement = of_magnitude.kind == "displacement"
    common = {"blending": "translucent_no_depth", "opacity": 1.0, **place}
    image = {
        **common,
        "name": of_magnitude.layer_name,
        "metadata": of_magnitude.as_metadata(),
        "colormap": (
            config.displacement_colormap
            if is_displacement
            else config.magnitude_colormap
        ),
        "contrast_limits": _limits(lengths),
    }
    vectors = {
        **common,
        "name": of_arrows.layer_name,
        "metadata": of_arrows.as_metadata(),
        "features": features,
        "edge_color": "magnitude",
        "edge_colormap": _DISPLACEMENT_ARROWS if is_displacement else _TRACTION_ARROWS,
        "edge_contrast_limits": _limits(features["magnitude"]),
        "edge_width": 0.15 * field.stride,
        "vector_style": "arrow",
    }
    return [(lengths, image, "image"), (arrow_data, vectors, "vectors")]


def _description(
    stack: Stack, *, title: str, attributes: Mapping[str, Any]
) -> Description:
    """Description of the magnitude layer of a field."""
    gel = dataclasses.asdict(stack.gel)
    if isinstance(stack, DisplacementStack):
        own: dict[str, Any] = {
            "kind": "displacement",
            "quantity": "displacement",
            "pixel_size_um": _known_pixel_size(stack),
            "spacing_in_unit": stack.spacing_in_unit,
        }
    else:
        own = {
            "kind": "traction",
            "quantity": "traction",
            "model": stack.model,
            "model_sha256": stack.model_sha256,
        }
    return Description(
        part="magnitude",
        title=title,
        unit=stack.unit,
        **{"field_id": new_id(), **gel, **own, **attributes},
    )


def _known_pixel_size(stack: DisplacementStack) -> float | None:
    """The pixel size, unless it follows from the spacing, which may change."""
    _, implied = consistent_lengths(
        stack.unit, stack.spacing_in_unit, stack.spacing_um, None
    )
    return None if implied == stack.pixel_size_um else stack.pixel_size_um


def _limits(lengths: FloatArray) -> tuple[float, float]:
    return 0.0, float(lengths.max(where=np.isfinite(lengths), initial=0.0)) or 1.0


def with_outline(
    stack: Stack, layers: list[LayerData], **options: Any
) -> list[LayerData]:
    """Layer tuples of a field, with the cell outline if it is known.

    Parameters
    ----------
    stack : DisplacementStack or TractionStack
        The field.
    layers : list of layer tuples
        Magnitude and arrows, from `field_layers`.
    **options
        Further options of the outline's layer.
    """
    if stack.outline is None:
        return layers
    magnitude, vectors = layers
    field_id = magnitude[1]["metadata"][PREFIX + "field_id"]
    place = geometry(stack.spacing_um)
    outline = {
        "name": "cell outline",
        "metadata": overlay_metadata(field_id, "outline"),
        "shape_type": "polygon",
        "face_color": "transparent",
        "edge_color": "#ffa94d",
        # The width on the canvas does not depend on the size of the field.
        "edge_width": 0.004 * max(stack.grid_shape),
        **{name: values[-2:] for name, values in place.items()},
        **options,
    }
    # The last layer becomes active. It must not be the Shapes layer, which itself uses
    # the keys of the inspector.
    return [magnitude, (swap_components(stack.outline), outline, "shapes"), vectors]


def redraw(layer: Layer, new: LayerData) -> None:
    """Replace what a layer shows by a layer tuple of `field_layers`.

    Its style and its place are kept.

    Parameters
    ----------
    layer : Image or Vectors
        The layer.
    new : layer tuple
        The new magnitude or arrows.
    """
    data, options, _ = new
    before, window = source_of(layer), window_of(layer)
    layer.data = data
    register_new_data(layer)
    if isinstance(layer, Vectors):
        layer.features = options["features"]
        layer.refresh_colors()
        # The new colours are not drawn otherwise.
        layer.refresh()
        now = source_of(layer)
        if window and before and now and before.field.shape == now.field.shape:
            draw(layer, window)


def show_colorbar(image: Image, *, corner: str = "top_right") -> None:
    """Show the colour bar of an image, and its name with quantity and unit beside it.

    napari's colour bars have no label, but its layers can show their names. In a small
    window, both cover a part of the field, so they are small and transparent.

    Parameters
    ----------
    image : Image
        The image.
    corner : str, keyword-only
        Corner of the canvas.
    """
    bar, name = image.colorbar, image.name_overlay
    bar.size, bar.tick_length = _COLORBAR_SIZE, 4
    for overlay in (bar, name):
        overlay.font_size = 8
        overlay.color, overlay.box_color = "white", (0, 0, 0, 0.4)
        overlay.position = corner
        overlay.visible = True


def hide_colorbar(image: Image) -> None:
    """Hide the colour bar of an image, and the name beside it."""
    image.colorbar.visible = image.name_overlay.visible = False
