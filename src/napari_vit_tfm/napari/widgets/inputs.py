"""Controls of the docks: choice of field and model, options, and texts."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psygnal
from magicgui.widgets.bases import ValueWidget
from napari.components import LayerList
from napari.layers import Layer
from napari.utils.events import Event

# PyQt calls it pyqtSignal, and qtpy renames it without exporting the name.
from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QWidget,
)

from napari_vit_tfm.config import (
    MODEL_ENDINGS,
    ORIGINAL_ENDINGS,
    ReconstructionConfig,
)
from napari_vit_tfm.models.registry import registered_methods
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
    find_displacements,
    show_same_field,
)
from napari_vit_tfm.napari.layers.registry import (
    description_of,
    forget_comparison,
    without_proxy,
)
from napari_vit_tfm.napari.widgets.forms import (
    Form,
    may_shrink,
    need_focus_for_wheel,
)
from napari_vit_tfm.options import Option, options_of

_HEADS = "heads"


class FieldChooser(QComboBox):
    """Choice of a field among the viewer's layers.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers, which are watched between `bind` and `unbind`.
    find : callable, keyword-only
        Finds the fields among the layers.
    parent : QWidget, optional
        Parent widget.
    """

    chosen = Signal()
    """Emitted when another field, or none, is chosen."""

    changed = Signal()
    """Emitted when data, scale, units or transform of the chosen field change."""

    def __init__(
        self,
        layers: LayerList,
        parent: QWidget | None = None,
        *,
        find: Callable[[Iterable[Layer]], list[FieldLayers]] = find_displacements,
    ) -> None:
        super().__init__(parent)
        self._layers = layers
        self._find = find
        self._listed: list[FieldLayers] = []
        # A dock that is hidden must not keep layers that are removed from the viewer.
        self._announced: tuple[weakref.ref[Layer], ...] = ()
        self._watched: tuple[Layer, ...] = ()
        self._is_bound = False
        may_shrink(self)
        self.setPlaceholderText("no displacement field")
        self.currentIndexChanged.connect(self._announce)

    def _events(self) -> tuple[Any, ...]:
        events = self._layers.events
        return (events.inserted, events.removed, events.reordered, events.renamed)

    def bind(self) -> None:
        """Watch the layers."""
        for event in self._events():
            event.connect(self.refresh)
        self._is_bound = True
        self.refresh()

    def unbind(self) -> None:
        """Stop watching the layers; there is no field until `bind`."""
        for event in self._events():
            event.disconnect(self.refresh)
        self._is_bound = False
        self._listed = []
        self._watch(())

    @property
    def is_bound(self) -> bool:
        """Whether the layers are watched."""
        return self._is_bound

    def field(self) -> FieldLayers | None:
        """The chosen field; None if there is none."""
        index = self.currentIndex()
        return self._listed[index] if 0 <= index < len(self._listed) else None

    def layer(self) -> Layer | None:
        """The first layer of the chosen field; None if there is none."""
        field = self.field()
        return None if field is None else field.first

    def choose(self, layer: Layer) -> None:
        """Choose the field of a layer."""
        listed = (i for i, one in enumerate(self._listed) if layer in one.layers)
        self.setCurrentIndex(next(listed))

    def follow(self, layer: Layer | None) -> None:
        """Choose the field that a layer shows, or that a result was computed from."""
        description = None if layer is None else description_of(layer)
        for index, field in enumerate(self._listed):
            own = description_of(field.first)
            is_field = layer in field.layers
            if description is not None and own is not None:
                is_field |= own.field_id in (
                    description.field_id,
                    description.source_id,
                )
            if is_field:
                self.setCurrentIndex(index)
                return

    def refresh(self) -> None:
        """Update the list of fields; the chosen field is kept if it still exists."""
        with QSignalBlocker(self):
            self._listed = self._find(self._layers)
            self.clear()
            self.addItems([field.label for field in self._listed])
            kept = (
                i for i, field in enumerate(self._listed) if self._was_chosen(field)
            )
            self.setCurrentIndex(next(kept, 0) if self._listed else -1)
        self.setEnabled(bool(self._listed))
        self._announce()

    def _was_chosen(self, field: FieldLayers) -> bool:
        """Whether a field is the one that was chosen, even if layers were removed."""
        chosen = (reference() for reference in self._announced)
        return any(
            layer is not None and show_same_field(layer, field.first)
            for layer in chosen
        )

    def _announce(self) -> None:
        field, before = self.field(), self._announced
        layers = () if field is None else field.layers
        self._announced = tuple(weakref.ref(without_proxy(layer)) for layer in layers)
        self._watch(layers)
        if self._announced[:1] != before[:1]:
            self.chosen.emit()

    def _watch(self, layers: tuple[Layer, ...]) -> None:
        """Watch these layers instead of the previous ones."""
        layers = layers if self._is_bound else ()
        if layers == self._watched:
            return
        for layer in self._watched:
            layer.events.data.disconnect(self._on_data)
            for event in transform_events(layer):
                event.disconnect(self._on_changed)
        self._watched = layers
        for layer in self._watched:
            layer.events.data.connect(self._on_data)
            for event in transform_events(layer):
                event.connect(self._on_changed)

    def _on_data(self, event: Event) -> None:
        forget_comparison(event.source)
        self.changed.emit()

    def _on_changed(self) -> None:
        self.changed.emit()


def transform_events(layer: Layer) -> tuple[Any, ...]:
    """Events of changes of a layer's spacing or place."""
    events = layer.events
    moves = (events.scale, events.translate, events.rotate, events.shear)
    return (*moves, events.affine, events.units)


class ModelChooser(QComboBox):
    """A combo box of all methods, to which files of weights can be added.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    chosen = Signal()
    """Emitted when another model is chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        may_shrink(self)
        for name, method in registered_methods().items():
            self.addItem(method.words, name)
        self.addItem("weights from a file…", None)
        self._index = 0
        self.activated.connect(self._on_activated)

    def value(self) -> str:
        """Name of the method, or the path of the file."""
        return str(self.itemData(self._index))

    def choose(self, model: str) -> None:
        """Choose a method by its name, or a file by its path."""
        index = self.findData(model)
        if index < 0:
            index = self.count() - 1
            self.insertItem(index, Path(model).name, model)
        self.setCurrentIndex(index)
        if index != self._index:
            self._index = index
            self.chosen.emit()

    def _on_activated(self, index: int) -> None:
        model = self.itemData(index)
        if model is None:
            endings = " ".join(f"*{ending}" for ending in MODEL_ENDINGS)
            model, _ = QFileDialog.getOpenFileName(
                self, "Weights of a network", "", f"Models ({endings});;All files (*)"
            )
        self.choose(model or self.value())


class MethodForm:
    """A form with the options of the chosen method.

    Parameters
    ----------
    layout : QFormLayout
        Layout at whose end the rows are added.
    """

    changed = psygnal.Signal(str)
    """Emitted with the name of an option when the user has changed it."""

    def __init__(self, layout: QFormLayout) -> None:
        self._layout = layout
        self._form = Form({}, layout)

    def show_for(self, model: str) -> None:
        """Show the options of a method or a file of weights, with their defaults."""
        self._form.remove()
        self._form = Form(_options_for(model), self._layout)
        self._form.changed.connect(self.changed.emit)

    def __getitem__(self, name: str) -> ValueWidget[Any]:
        """The magicgui widget of an option that is shown."""
        return self._form[name]

    def heads(self) -> int | None:
        """Number of attention heads of a file; None for the usual number."""
        heads: int | None = self._form.values().get(_HEADS)
        return heads

    def given_values(self) -> dict[str, float]:
        """The values that are not None; for the others, the method has defaults."""
        values = self._form.values().items()
        return {
            name: value
            for name, value in values
            if name != _HEADS and value is not None
        }


class ModelRows:
    """The rows of a form for the model, and the options of its method.

    Parameters
    ----------
    layout : QFormLayout
        Layout at whose end `add` adds the rows.
    """

    def __init__(self, layout: QFormLayout) -> None:
        self._layout = layout
        self.model = ModelChooser()
        self.model.setToolTip("The network or method that computes the tractions.")
        need_focus_for_wheel(self.model)
        self.method = MethodForm(layout)

    def add(self) -> None:
        """Add the rows to the end of the form."""
        self._layout.addRow("Model", self.model)
        self._show_method()
        self.model.chosen.connect(self._show_method)

    def config(self, **computing: Any) -> ReconstructionConfig:
        """The configuration in the rows.

        Parameters
        ----------
        **computing
            Other values of `ReconstructionConfig`.
        """
        return ReconstructionConfig(
            model=self.model.value(),
            heads=self.method.heads(),
            options=self.method.given_values(),
            **computing,
        )

    def _show_method(self) -> None:
        self.method.show_for(self.model.value())


def _options_for(model: str) -> Mapping[str, Option]:
    if Path(model).suffix.lower() in ORIGINAL_ENDINGS:
        return {_HEADS: options_of(ReconstructionConfig)[_HEADS]}
    method = registered_methods().get(model)
    return {} if method is None else method.options
