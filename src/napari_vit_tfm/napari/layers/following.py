"""Layers that follow a layer of a field: in its place, and removed with its data."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from napari.components import LayerList
from napari.layers import Layer
from napari.utils.events import Event
from qtpy.QtCore import QTimer

from napari_vit_tfm.napari.layers.metadata import is_same_overlay

_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
"""Attributes of a layer, and names of their events, that say where it is."""

PlaceOf = Callable[[Layer], Mapping[str, Any]]
"""Function from the layer of a field to attributes of the layer that follows it."""


def _same_place(leader: Layer) -> dict[str, Any]:
    return {name: getattr(leader, name) for name in _PLACE}


def follow(
    layers: LayerList,
    leader: Layer,
    follower: Layer,
    *,
    if_shown: bool = False,
    place_of: PlaceOf = _same_place,
    is_current: Callable[[Layer], bool] | None = None,
    others: Sequence[Layer] = (),
) -> None:
    """Keep a layer where a layer of a field is, and remove it with that layer.

    It is also removed when that layer gets other data, of which it is no picture.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers, with both.
    leader : Layer
        A layer of the field.
    follower : Layer
        The layer that follows.
    if_shown : bool, keyword-only
        Whether it is also hidden and shown with the leader.
    place_of : callable, keyword-only, optional
        Transform and units of the follower, from the leader. Not given, they are those
        of the leader, for a layer with the same data coordinates.
    is_current : callable, keyword-only, optional
        Whether the follower still says the truth about the leader, whose place or
        description has changed. If not, it is removed.
    others : sequence of Layer, keyword-only
        Other layers of which it is a picture, too: it is also removed when one of them
        is removed or gets other data.
    """
    _FOLLOWINGS[follower] = _Following(
        layers, leader, follower, if_shown, place_of, is_current, others
    )


@contextmanager
def keeps_selection(layers: LayerList) -> Iterator[None]:
    """Restore the selection at the end of a block that adds layers, or fails."""
    selected = set(layers.selection)
    try:
        yield
    finally:
        layers.selection = {layer for layer in selected if layer in layers}


def replace_overlays(layers: LayerList, new: Sequence[Layer]) -> None:
    """Add layers over a field, instead of those of the same names over this field.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    new : sequence of Layer
        The new layers, with `overlay_metadata`.
    """
    for old in list(layers):
        if any(is_same_overlay(old, one) for one in new):
            layers.remove(old)
    layers.extend(new)


class _Following:
    """The connections between two layers, which exist as long as both layers.

    References to layers are weak, since this object is kept with one of them.
    """

    def __init__(
        self,
        layers: LayerList,
        leader: Layer,
        follower: Layer,
        if_shown: bool,
        place_of: PlaceOf,
        is_current: Callable[[Layer], bool] | None,
        others: Sequence[Layer],
    ) -> None:
        self._place_of = place_of
        self._is_current = is_current
        self._layers = weakref.ref(layers)
        self._leader = weakref.ref(leader)
        self._follower = weakref.ref(follower)
        self._connected = [(leader.events[name], self._on_moved) for name in _PLACE]
        self._shown = WeakSet((leader, *others))
        self._connected += [
            (layer.events.data, self._on_replaced) for layer in (leader, *others)
        ]
        if if_shown:
            self._connected.append((leader.events.visible, self._on_visible))
        if is_current is not None:
            names = ("metadata", *_PLACE)
            self._connected += [(leader.events[n], self._on_described) for n in names]
        for emitter, callback in self._connected:
            emitter.connect(callback)
        layers.events.removed.connect(self._on_removed)
        self._on_moved()
        if if_shown:
            self._on_visible()

    def _disconnect(self) -> None:
        for emitter, callback in self._connected:
            emitter.disconnect(callback)
        layers = self._layers()
        if layers is not None:
            layers.events.removed.disconnect(self._on_removed)

    def _on_moved(self) -> None:
        leader, follower = self._leader(), self._follower()
        if leader is not None and follower is not None:
            place = self._place_of(leader)
            for name in _PLACE:
                if name in place:
                    setattr(follower, name, place[name])

    def _on_described(self) -> None:
        # Later, since scale and units change one after the other.
        QTimer.singleShot(0, self._check)

    def _check(self) -> None:
        leader, is_current = self._leader(), self._is_current
        if leader is not None and is_current is not None and not is_current(leader):
            self._remove()

    def _on_visible(self) -> None:
        leader, follower = self._leader(), self._follower()
        if leader is not None and follower is not None:
            follower.visible = leader.visible

    def _on_removed(self, event: Event) -> None:
        if event.value is self._follower():
            self._disconnect()
            _FOLLOWINGS.pop(event.value, None)
        elif event.value in self._shown:
            self._on_replaced()

    def _on_replaced(self) -> None:
        # The window's list of layers must not change while a layer is removed.
        QTimer.singleShot(0, self._remove)

    def _remove(self) -> None:
        layers, follower = self._layers(), self._follower()
        if layers is not None and follower is not None and follower in layers:
            layers.remove(follower)


_FOLLOWINGS: WeakKeyDictionary[Layer, _Following] = WeakKeyDictionary()
