"""`OtherChooser`: choice of the tractions that others are compared with."""

from __future__ import annotations

from collections.abc import Iterable

from napari.layers import Layer
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QWidget

from napari_vit_tfm.napari.layers.reading import FieldLayers, find_tractions
from napari_vit_tfm.napari.layers.registry import description_of
from napari_vit_tfm.napari.widgets.forms import may_shrink

_NOTHING = "nothing"


class OtherChooser(QComboBox):
    """Choice among the other tractions of the same field, or nothing.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        may_shrink(self)
        self._listed: list[FieldLayers] = []
        self._chosen = ""
        self.currentIndexChanged.connect(self._remember)
        self.addItem(_NOTHING, "")

    def list_for(self, layers: Iterable[Layer], field: FieldLayers | None) -> None:
        """List what a field can be compared with.

        What the user has chosen is chosen again whenever it is in the list.

        Parameters
        ----------
        layers : iterable of layers
            All layers of the viewer.
        field : FieldLayers, optional
            The tractions; None lists nothing.
        """
        with QSignalBlocker(self):
            self._listed = [] if field is None else others_of(layers, field)
            self.clear()
            self.addItem(_NOTHING, "")
            for one in self._listed:
                self.addItem(one.label, field_id_of(one))
            self.setCurrentIndex(max(self.findData(self._chosen), 0))
        self.setEnabled(bool(self._listed))

    def field(self) -> FieldLayers | None:
        """The chosen tractions; None for nothing."""
        index = self.currentIndex() - 1
        return self._listed[index] if 0 <= index < len(self._listed) else None

    def choose(self, layer: Layer) -> None:
        """Choose the tractions that a layer shows."""
        listed = (i for i, one in enumerate(self._listed) if layer in one.layers)
        self.setCurrentIndex(next(listed) + 1)

    def _remember(self) -> None:
        self._chosen = self.key()

    def key(self) -> str:
        """Identifier of the chosen tractions; empty for nothing."""
        return str(self.currentData() or "")


def others_of(layers: Iterable[Layer], field: FieldLayers) -> list[FieldLayers]:
    """Other tractions of the same displacements, or from a file of the same name.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    field : FieldLayers
        The tractions.
    """
    own = description_of(field.first)
    assert own is not None
    found = []
    for other in find_tractions(layers):
        description = description_of(other.first)
        assert description is not None
        is_related = (
            own.source_id is not None and own.source_id == description.source_id
        )
        is_related |= bool(own.title) and own.title == description.title
        if is_related and description.field_id != own.field_id:
            found.append(other)
    return found


def field_id_of(field: FieldLayers) -> str:
    """The identity of a field of tractions."""
    description = description_of(field.first)
    assert description is not None
    return description.field_id
