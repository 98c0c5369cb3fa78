"""`RegionChoice`: a choice among words and the layers that have regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari.components import LayerList
from napari.layers import Labels, Shapes

# PyQt calls it pyqtSignal, and qtpy renames it without exporting the name.
from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox

from napari_vit_tfm.napari.layers.metadata import is_overlay
from napari_vit_tfm.napari.widgets.forms import may_shrink


class RegionChoice(QComboBox):
    """Choice among words, and layers of labels and shapes.

    Until the user chooses, and when the chosen layer is removed, it is the usual one.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers, which are watched between `bind` and `unbind`.
    words : mapping of str to str
        What can be chosen besides layers, with the texts that are shown.
    usual : str, keyword-only
        The usual one of the words.
    preposition : str, keyword-only
        What is shown before the name of a layer.
    """

    changed = Signal()
    """Emitted when something else is chosen."""

    def __init__(
        self,
        layers: LayerList,
        words: Mapping[str, str],
        *,
        usual: str,
        preposition: str = "",
    ) -> None:
        super().__init__()
        self._layers = layers
        self._words, self._usual = dict(words), usual
        self._preposition = preposition
        self._listed: list[str | Labels | Shapes] = []
        # Not a layer: a hidden dock must not keep one that is removed.
        self._typed = ""
        may_shrink(self)
        self.currentIndexChanged.connect(self._on_index)
        self.activated.connect(self._on_activated)
        self._fill()

    def _events(self) -> tuple[Any, ...]:
        events = self._layers.events
        return (events.inserted, events.removed, events.reordered, events.renamed)

    def bind(self) -> None:
        """Watch the layers."""
        for event in self._events():
            event.connect(self.refresh)
        self.refresh()

    def unbind(self) -> None:
        """Stop watching the layers, and keep none."""
        for event in self._events():
            event.disconnect(self.refresh)
        self._listed = [one for one in self._listed if isinstance(one, str)]

    def offer(self, words: Mapping[str, str], *, usual: str) -> None:
        """Offer other words."""
        self._words, self._usual = dict(words), usual
        self.refresh()

    def value(self) -> str | Labels | Shapes:
        """What is chosen: the key of a word, or a layer."""
        index = self.currentIndex()
        if 0 <= index < len(self._listed):
            return self._listed[index]
        return next(iter(self._words))

    def key(self) -> str:
        """An identifier of what is chosen."""
        return _key(self.value())

    def choose(self, region: str | Labels | Shapes) -> None:
        """Choose something that is listed."""
        self._typed = _key(region)
        self.setCurrentIndex(self._listed.index(region))

    def refresh(self) -> None:
        """Update the list; what is chosen is kept if it still exists."""
        before = self.key()
        self._fill()
        if self.key() != before:
            self.changed.emit()

    def _fill(self) -> None:
        layers = [
            layer
            for layer in self._layers
            if isinstance(layer, Labels | Shapes) and not is_overlay(layer)
        ]
        with QSignalBlocker(self):
            self.clear()
            self.addItems(list(self._words.values()))
            self.addItems([f"{self._preposition}{layer.name}" for layer in layers])
            self._listed = [*self._words, *layers]
            keys = [_key(region) for region in self._listed]
            known = self._typed if self._typed in keys else self._usual
            self.setCurrentIndex(keys.index(known))

    def _on_activated(self) -> None:
        self._typed = _key(self.value())

    def _on_index(self) -> None:
        self.changed.emit()


def _key(region: str | Labels | Shapes) -> str:
    return region if isinstance(region, str) else str(region.unique_id)
