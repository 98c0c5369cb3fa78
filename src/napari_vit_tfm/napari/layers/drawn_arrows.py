"""What is drawn in layers of arrows: the arrows of all frames, or of a window.

A layer is created with the arrows of all frames, so that it is right in every viewer.
`draw` replaces them, and the layer's magnitude remains that of the field: colours,
their limits and the user's changes of style are kept. For the registry, the layer then
shows the same field. Data that the user has changed are left alone.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import numpy.typing as npt
from napari.layers import Layer, Vectors

from napari_vit_tfm.fields import FloatArray
from napari_vit_tfm.napari.layers.arrows import ArrowSource, Window
from napari_vit_tfm.napari.layers.metadata import has_plugin_metadata, may_be_copy
from napari_vit_tfm.napari.layers.registry import (
    Fingerprint,
    IdentityDict,
    description_of,
    fingerprint,
    register_redrawn,
    without_proxy,
)
from napari_vit_tfm.trust.certainty import visibility


@dataclass(eq=False)
class _Drawn:
    """What is drawn in a layer; the window is None for the arrows of all frames.

    The stride is that which the width of the arrows is for, and faded are colours that
    `fade_arrows` has set.
    """

    source: ArrowSource
    data: FloatArray
    fingerprint: Fingerprint
    window: Window | None = None
    stride: int = 1
    faded: npt.NDArray[Any] | None = None


_REGISTERED = IdentityDict[ArrowSource]()
"""Sources by the arrows of all frames, for layers that are created from them."""

_DRAWN: WeakKeyDictionary[Layer, _Drawn] = WeakKeyDictionary()
_BEING_DRAWN: WeakSet[Layer] = WeakSet()


def register_arrows(data: FloatArray, source: ArrowSource) -> None:
    """Register the source of arrows for the layer that will be created from them.

    Parameters
    ----------
    data : array of shape (n, 2, ndim)
        The arrows of all frames.
    source : ArrowSource
        Where they come from.
    """
    _REGISTERED.put(data, source)


def source_of(layer: Layer) -> ArrowSource | None:
    """Where the arrows of a layer come from; None if it is not known.

    A copy has the source of its original. A layer with other data of the user has none;
    only `draw` notices edits in place.
    """
    drawn = _drawn_in(layer)
    return None if drawn is None else drawn.source


def window_of(layer: Layer) -> Window | None:
    """The window of a layer; None if it shows the arrows of all frames, or others."""
    drawn = _drawn_in(layer)
    return None if drawn is None else drawn.window


def _drawn_in(layer: Layer) -> _Drawn | None:
    if not (isinstance(layer, Vectors) and has_plugin_metadata(layer)):
        return None
    layer = without_proxy(layer)
    known = _DRAWN.get(layer)
    if known is not None and known.data is layer.data:
        return known
    now = fingerprint(layer.data)
    source = _REGISTERED.get(layer.data)
    if source is not None:
        # The width of the arrows is not that of new data.
        stride = source.field.stride if known is None else known.stride
        found = _Drawn(source, layer.data, now, stride=stride)
    elif known is None:
        # Fields that differ by a factor have the same arrows.
        original = next(
            (
                drawn
                for other, drawn in _DRAWN.items()
                if drawn.fingerprint == now and may_be_copy(layer, other)
            ),
            None,
        )
        if original is None:
            return None
        found = dataclasses.replace(original, data=layer.data)
    else:
        return None
    _DRAWN[layer] = found
    # A copy is registered as a field of its own before its data change.
    description_of(layer)
    return found


def draw(layer: Vectors, window: Window | None) -> None:
    """Draw the arrows of a window, or of all frames, in a layer.

    Parameters
    ----------
    layer : Vectors
        A layer with a source. If its data have been edited in place, they are kept.
    window : Window, optional
        None is all frames.
    """
    layer = without_proxy(layer)
    drawn = _drawn_in(layer)
    if drawn is None or drawn.fingerprint != fingerprint(layer.data):
        return
    _BEING_DRAWN.add(layer)
    try:
        _draw(layer, drawn, window)
    finally:
        _BEING_DRAWN.discard(layer)


def is_being_drawn(layer: Layer) -> bool:
    """Whether `draw` is at work in a layer, so that its events are no edits."""
    return layer in _BEING_DRAWN


def _draw(layer: Vectors, drawn: _Drawn, window: Window | None) -> None:
    source = drawn.source
    if window is None:
        data, features = source.in_all_frames()
        register_arrows(data, source)
    else:
        data, features = _with_corners(source.corners, *source.in_window(window))
    colours = layer.edge_color
    is_in_place = window is not None and data.shape == layer.data.shape
    if is_in_place and drawn.window is not None:
        layer.data[...] = data
        for name, values in features.items():
            layer.features[name] = values
        layer.events.features()
    else:
        # It is the same field for all who listen.
        with layer.events.data.blocker():
            layer.data = data
        if features:
            layer.features = features
    _colour(layer, drawn, colours)
    stride = source.field.stride if window is None else window.stride
    if stride != drawn.stride:
        layer.edge_width = layer.edge_width * stride / drawn.stride
    layer.refresh(thumbnail=False, extent=False, highlight=False)
    drawn.window, drawn.stride = window, stride
    drawn.data, drawn.fingerprint = layer.data, fingerprint(layer.data)
    register_redrawn(layer)


def _with_corners(
    corners: FloatArray, data: FloatArray, features: dict[str, FloatArray]
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Add arrows of length zero at both corners: the layer keeps its extent."""
    ends = np.zeros((len(corners), *data.shape[1:]), dtype=data.dtype)
    ends[:, 0] = corners
    unknown = np.full(len(corners), np.nan, dtype=np.float32)
    return np.concatenate([ends, data]), {
        name: np.concatenate([unknown, values]) for name, values in features.items()
    }


def _colour(layer: Vectors, drawn: _Drawn, before: npt.NDArray[Any]) -> None:
    """Colour new arrows as those before were."""
    if layer.edge_color_mode != "direct":
        layer.refresh_colors()
    elif drawn.faded is not None and np.array_equal(before, drawn.faded):
        _fade(layer, drawn)
    elif len(before) and ("magnitude" not in layer.features or _is_one(before)):
        # All arrows have the colour that the user has chosen.
        _set_colours(layer, np.repeat(before[-1:], len(layer.data), axis=0))
    else:
        # napari's copies have the colours of single arrows, which are gone.
        _colour_by_magnitude(layer)


def _is_one(colours: npt.NDArray[Any]) -> bool:
    return bool((colours == colours[0]).all())


def fade_arrows(layer: Vectors) -> None:
    """Colour arrows by their magnitude, and fade those below two deviations.

    Arrows that are drawn later fade, too.
    """
    _fade(layer, _drawn_in(layer))
    layer.events.edge_color()


def unfade_arrows(layer: Vectors) -> None:
    """Colour arrows by their magnitude, as they were drawn."""
    if len(layer.data):
        _colour_by_magnitude(layer)
        layer.events.edge_color()


def _colour_by_magnitude(layer: Vectors) -> None:
    limits = layer.edge_contrast_limits
    _set_colours(layer, "magnitude")
    layer.edge_contrast_limits = limits
    layer.refresh_colors()


def _fade(layer: Vectors, drawn: _Drawn | None) -> None:
    features = layer.features
    if not len(features) or "standard deviation" not in features:
        return
    magnitude = features["magnitude"].to_numpy()
    share = np.interp(np.nan_to_num(magnitude), layer.edge_contrast_limits, (0, 1))
    colours = np.array(layer.edge_colormap.map(share))
    colours[:, 3] *= visibility(magnitude, features["standard deviation"].to_numpy())
    _set_colours(layer, colours)
    if drawn is not None:
        drawn.faded = layer.edge_color


def _set_colours(layer: Vectors, colours: npt.NDArray[Any] | str) -> None:
    """Colour all arrows, without an event that would draw all of them once more."""
    with layer.events.edge_color.blocker():
        layer.edge_color = colours
