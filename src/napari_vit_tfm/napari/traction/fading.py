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
        for layer, arrays in self._tractions():
            before = self._done.get(layer)
            self._done[layer] = arrays
            if before is arrays:
                continue
            if _NEEDED in arrays.companions:
                fade(self._layers, layer, arrays)
            elif before is not None and _NEEDED in before.companions:
                unfade(self._layers, layer)

    def switch(self, is_on: bool) -> None:
        """Fade all tractions, or none."""
        self._is_on = is_on
        self._done.clear()
        if is_on:
            self.update()
            return
        for layer, arrays in self._tractions():
            if _NEEDED in arrays.companions:
                unfade(self._layers, layer)

    def _tractions(self) -> list[tuple[Layer, FieldArrays]]:
        """The layers of tractions, and what they show."""
        found = []
        for layer in map(without_proxy, self._layers):
            description, entry = description_of(layer), entry_of(layer)
            if (
                description is not None
                and description.kind == "traction"
                and entry is not None
                and entry.arrays is not None
            ):
                found.append((layer, entry.arrays))
        return found


_NEEDED = "halfwidth_68"
"""The companion without which tractions are not faded."""
