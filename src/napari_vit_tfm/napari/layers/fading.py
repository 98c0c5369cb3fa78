"""Fading of uncertain tractions, without a change of their data.

Arrows get colours of their own. Over the magnitude lies a veil: an Image that is
transparent where the tractions are certain.
"""

from __future__ import annotations

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Layer, Vectors
from napari.utils import Colormap

from napari_vit_tfm.fields import FloatArray
from napari_vit_tfm.napari.layers.drawn_arrows import fade_arrows, unfade_arrows
from napari_vit_tfm.napari.layers.following import follow, keeps_selection
from napari_vit_tfm.napari.layers.metadata import PREFIX, overlay_metadata
from napari_vit_tfm.napari.layers.placing import grid_of
from napari_vit_tfm.napari.layers.registry import FieldArrays, description_of
from napari_vit_tfm.trust.certainty import deviation_of_magnitude, visibility

# Black, as tractions of zero are in the colormap of the magnitude: a traction below one
# standard deviation cannot be told from none. Strong ones remain faintly visible.
_VEIL = Colormap([[0, 0, 0, 0], [0, 0, 0, 0.8]], name="veil")

_NAME = "uncertain tractions"


def fade(layers: LayerList, layer: Layer, arrays: FieldArrays) -> None:
    """Fade the tractions of a layer where they are below two standard deviations.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    layer : Image or Vectors
        Magnitude or arrows of tractions.
    arrays : FieldArrays
        The tractions, with their half-widths.
    """
    if isinstance(layer, Vectors):
        fade_arrows(layer)
    else:
        _remove_veil(layers, layer)
        _add_veil(layers, layer, arrays)


def unfade(layers: LayerList, layer: Layer) -> None:
    """Show the tractions of a layer without fading.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    layer : Image or Vectors
        Magnitude or arrows of tractions.
    """
    if isinstance(layer, Vectors):
        unfade_arrows(layer)
    else:
        _remove_veil(layers, layer)


def veil_of(layers: LayerList, image: Image) -> Image | None:
    """The veil over a magnitude; None if there is none.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    image : Image
        The magnitude of tractions.
    """
    description = description_of(image)
    assert description is not None
    marks = _marks(description.field_id)
    return next(
        (
            one
            for one in layers
            if isinstance(one, Image)
            and {key: one.metadata.get(key) for key in marks} == marks
        ),
        None,
    )


def opacity_of_veil(arrays: FieldArrays) -> FloatArray:
    """Where a veil hides tractions: 1 below one standard deviation, 0 from two on.

    Parameters
    ----------
    arrays : FieldArrays
        The tractions, with their half-widths.

    Returns
    -------
    array of shape (T, H, W)
    """
    vectors = arrays.vectors
    deviation = deviation_of_magnitude(vectors, arrays.companions["halfwidth_68"])
    return 1 - visibility(np.hypot(vectors[..., 0], vectors[..., 1]), deviation)


def _marks(field_id: str) -> dict[str, str]:
    return {**overlay_metadata(field_id, "overlay"), PREFIX + "quantity": _NAME}


def _add_veil(layers: LayerList, image: Image, arrays: FieldArrays) -> None:
    description = description_of(image)
    assert description is not None
    opacity = opacity_of_veil(arrays)
    title = f"{description.title}: " if description.title else ""
    method = description.method or description.model
    veil = Image(
        opacity if grid_of(image).axes[0] is not None else opacity[0],
        name=f"{title}{_NAME}" + (f" ({method})" if method else ""),
        metadata=_marks(description.field_id),
        colormap=_VEIL,
        contrast_limits=(0, 1),
        blending="translucent_no_depth",
        scale=image.scale,
        units=image.units,
        axis_labels=image.axis_labels,
    )
    with keeps_selection(layers):
        layers.insert(layers.index(image) + 1, veil)
    follow(layers, image, veil, if_shown=True)


def _remove_veil(layers: LayerList, image: Image) -> None:
    veil = veil_of(layers, image)
    if veil is not None:
        layers.remove(veil)
