"""`RegionChooser`: choice of the cells whose quantities are measured."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

from napari.components import LayerList
from napari.layers import Labels, Shapes

from napari_vit_tfm.config import CellRegion, QuantitiesConfig
from napari_vit_tfm.napari.widgets.inputs import transform_events
from napari_vit_tfm.napari.widgets.region_choice import RegionChoice
from napari_vit_tfm.options import words_of

Region: TypeAlias = CellRegion | Labels | Shapes
"""The whole field, the outline in its file, or a layer with cells."""


class RegionChooser(RegionChoice):
    """Choice among the whole field, its outline, and layers of labels and shapes.

    Until the user chooses, it is the outline if the field has one, else the field, as
    on the command line. `changed` is also emitted when the layer of the chosen region
    changes.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers, which are watched between `bind` and `unbind`.
    """

    def __init__(self, layers: LayerList) -> None:
        self._watched: Labels | Shapes | None = None
        self.version = 0
        super().__init__(layers, _words(), usual="field")

    def unbind(self) -> None:
        """Stop watching the layers, and keep none."""
        super().unbind()
        self._watch(None)

    def show_for(self, *, has_outline: bool) -> None:
        """Offer the outline of the file, if the chosen field has one."""
        usual: CellRegion = "outline" if has_outline else "field"
        self.offer(_words(usual), usual=usual)

    def value(self) -> Region:
        """The chosen region."""
        return cast("Region", super().value())

    def key(self) -> str:
        """An identifier of the chosen region; another one after its layer changed."""
        version = "" if isinstance(self.value(), str) else f" {self.version}"
        return super().key() + version

    def _fill(self) -> None:
        super()._fill()
        self._watch_chosen()

    def _on_index(self) -> None:
        self._watch_chosen()
        super()._on_index()

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


def _words(*more: CellRegion) -> dict[str, str]:
    """The regions without a layer: the field, and others."""
    words = words_of(QuantitiesConfig, "region")
    return {name: words[name] for name in ("field", *more)}


def _changes_of(layer: Labels | Shapes) -> tuple[Any, ...]:
    """Events of a layer's changes of data or place."""
    own = (layer.events.data, *transform_events(layer))
    if isinstance(layer, Labels):
        return (*own, layer.events.paint, layer.events.labels_update)
    return own
