"""`TractionList`: tractions that are measured beside the chosen ones."""

from __future__ import annotations

from collections.abc import Iterable

from napari.layers import Layer

# PyQt calls it pyqtSignal, and qtpy renames it without exporting the name.
from qtpy.QtCore import QSignalBlocker, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_vit_tfm.napari.layers.reading import FieldLayers, find_tractions
from napari_vit_tfm.napari.quantities.other_chooser import field_id_of

_MOST_LINES = 4
"""Most lines that are visible without scrolling."""


class TractionList(QListWidget):
    """A list of all other tractions in the viewer, with boxes to tick.

    What is ticked stays ticked while it is not listed, as the chosen tractions.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    changed = Signal()
    """Emitted when the user ticks or unticks tractions."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._listed: list[FieldLayers] = []
        self._lines: list[tuple[str, str]] = []
        self._ticked: set[str] = set()
        self._fill()
        self.itemChanged.connect(self._on_item)

    def list_for(self, layers: Iterable[Layer], field: FieldLayers | None) -> None:
        """List what can be measured beside a field.

        Parameters
        ----------
        layers : iterable of layers
            All layers of the viewer.
        field : FieldLayers, optional
            The chosen tractions; None lists nothing.
        """
        own = None if field is None else field_id_of(field)
        found = [] if field is None else find_tractions(layers)
        self._listed = [one for one in found if field_id_of(one) != own]
        lines = [(field_id_of(one), one.label) for one in self._listed]
        # Not while an item is being ticked, since this deletes all items.
        if lines != self._lines:
            self._lines = lines
            self._fill()

    def _fill(self) -> None:
        with QSignalBlocker(self):
            self.clear()
            for key, label in self._lines:
                item = QListWidgetItem(label, self)
                item.setCheckState(_STATES[key in self._ticked])
        lines = min(max(len(self._lines), 1), _MOST_LINES)
        height = max(self.sizeHintForRow(0), self.fontMetrics().lineSpacing())
        self.setFixedHeight(lines * height + 2 * self.frameWidth())

    def fields(self) -> list[FieldLayers]:
        """The tractions that are ticked."""
        return [one for one in self._listed if field_id_of(one) in self._ticked]

    def tick(self, layer: Layer, ticked: bool = True) -> None:
        """Tick or untick the tractions that a layer shows."""
        listed = (i for i, one in enumerate(self._listed) if layer in one.layers)
        item = self.item(next(listed))
        assert item is not None
        item.setCheckState(_STATES[ticked])

    def _on_item(self, item: QListWidgetItem) -> None:
        key = field_id_of(self._listed[self.row(item)])
        if item.checkState() == Qt.CheckState.Checked:
            self._ticked.add(key)
        else:
            self._ticked.discard(key)
        self.changed.emit()


_STATES = (Qt.CheckState.Unchecked, Qt.CheckState.Checked)
