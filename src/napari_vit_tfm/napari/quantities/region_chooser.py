"""`RegionChooser`: choice of the cells whose quantities are measured."""

from __future__ import annotations

from typing import Any, TypeAlias

from napari.components import LayerList
from napari.layers import Labels, Shapes

# PyQt calls it pyqtSignal, and qtpy renames it without exporting the name.
from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QWidget

from napari_vit_tfm.config import CellRegion, QuantitiesConfig
from napari_vit_tfm.napari.layers.metadata import is_overlay
from napari_vit_tfm.napari.widgets.forms import may_shrink
from napari_vit_tfm.napari.widgets.inputs import transform_events
from napari_vit_tfm.options import words_of

Region: TypeAlias = CellRegion | Labels | Shapes
"""The whole field, the outline in its file, or a layer with cells."""


class RegionChooser(QComboBox):
    """Choice among the whole field, its outline, and layers of labels and shapes.

    Until the user chooses, it is the outline if the field has one, else the field, as
    on the command line.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers, which are watched between `bind` and `unbind`.
    parent : QWidget, optional
        Parent widget.
    """

    changed = Signal()
    """Emitted when another region is chosen, or the layer of the chosen one changes."""

    def __init__(self, layers: LayerList, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers = layers
        self._has_outline = False
        self._listed: list[Region] = []
        # Not a layer: a hidden dock must not keep one that is removed.
        self._typed = ""
        self._watched: Labels | Shapes | None = None
        self.version = 0
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
        self._watch(None)
        self._listed = [one for one in self._listed if isinstance(one, str)]

    def show_for(self, *, has_outline: bool) -> None:
        """Offer the outline of the file, if the chosen field has one."""
        self._has_outline = has_outline
        self.refresh()

    def value(self) -> Region:
        """The chosen region."""
        index = self.currentIndex()
        return self._listed[index] if 0 <= index < len(self._listed) else "field"

    def key(self) -> str:
        """An identifier of the chosen region; another one after its layer changed."""
        value = self.value()
        version = "" if isinstance(value, str) else f" {self.version}"
        return _key(value) + version

    def choose(self, region: Region) -> None:
        """Choose a region that is listed."""
        self._typed = _key(region)
        self.setCurrentIndex(self._listed.index(region))

    def refresh(self) -> None:
        """Update the list; the chosen region is kept if it still exists."""
        before = self.key()
        self._fill()
        if self.key() != before:
            self.changed.emit()

    def _fill(self) -> None:
        words = words_of(QuantitiesConfig, "region")
        found: list[tuple[str, Region]] = [(words["field"], "field")]
        if self._has_outline:
            found.append((words["outline"], "outline"))
        found += [
            (str(layer.name), layer)
            for layer in self._layers
            if isinstance(layer, Labels | Shapes) and not is_overlay(layer)
        ]
        with QSignalBlocker(self):
            self.clear()
            self.addItems([text for text, _ in found])
            self._listed = [region for _, region in found]
            keys = [_key(region) for region in self._listed]
            usual = "outline" if self._has_outline else "field"
            known = self._typed if self._typed in keys else usual
            self.setCurrentIndex(keys.index(known))
        self._watch_chosen()

    def _on_activated(self) -> None:
        self._typed = _key(self.value())

    def _on_index(self) -> None:
        self._watch_chosen()
        self.changed.emit()

    def _watch_chosen(self) -> None:
        value = self.value()
        self._watch(None if isinstance(value, str) else value)

    def _watch(self, layer: Labels | Shapes | None) -> None:
        """Watch a layer instead of the previous one."""
        if layer is self._watched:
            return
        if self._watched is not None:
            for event in _changes_of(self._watched):
                event.disconnect(self._on_change)
        self._watched = layer
        if layer is not None:
            for event in _changes_of(layer):
                event.connect(self._on_change)

    def _on_change(self) -> None:
        self.version += 1
        self.changed.emit()


def _key(region: Region) -> str:
    return region if isinstance(region, str) else str(region.unique_id)


def _changes_of(layer: Labels | Shapes) -> tuple[Any, ...]:
    """Events of a layer's changes of data or place."""
    own = (layer.events.data, *transform_events(layer))
    if isinstance(layer, Labels):
        return (*own, layer.events.paint, layer.events.labels_update)
    return own
