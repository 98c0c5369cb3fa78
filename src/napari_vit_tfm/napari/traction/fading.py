"""`Fader`: fades the uncertain tractions of a viewer."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from napari.components import LayerList
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.napari.layers.fading import fade, unfade
from napari_vit_tfm.napari.layers.registry import (
    FieldArrays,
    description_of,
    entry_of,
    without_proxy,
)


class Fader(QTimer):
    """Fades all tractions with half-widths, soon after `start`.

    Tractions that have been faded are not faded again until their vectors change, so a
    veil that the user has removed does not come back.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    parent : QObject
        Owner of the timer.
    """

    def __init__(self, layers: LayerList, parent: QObject) -> None:
        super().__init__(parent)
        self._layers = layers
        self._is_on = DisplayConfig().fade_uncertain
        self._done: WeakKeyDictionary[Layer, FieldArrays] = WeakKeyDictionary()
        # Layers must not be added while the window is told of another one.
        self.setSingleShot(True)
        self.setInterval(0)
        self.timeout.connect(self.update)

    def update(self) -> None:
        """Fade the tractions that are new or have changed."""
        if not self._is_on:
            return
        for layer, arrays in self._uncertain():
            if self._done.get(layer) is not arrays:
                self._done[layer] = arrays
                fade(self._layers, layer, arrays)

    def switch(self, is_on: bool) -> None:
        """Fade all tractions, or none."""
        self._is_on = is_on
        self._done.clear()
        if is_on:
            self.update()
            return
        for layer, _ in self._uncertain():
            unfade(self._layers, layer)

    def _uncertain(self) -> list[tuple[Layer, FieldArrays]]:
        """The layers of tractions with half-widths."""
        found = []
        for layer in map(without_proxy, self._layers):
            description, entry = description_of(layer), entry_of(layer)
            if (
                description is not None
                and description.kind == "traction"
                and entry is not None
                and entry.arrays is not None
                and "halfwidth_68" in entry.arrays.companions
            ):
                found.append((layer, entry.arrays))
        return found
