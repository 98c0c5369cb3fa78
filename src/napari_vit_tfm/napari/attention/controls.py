"""The controls of the attention dock, which choose the map that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

# PyQt calls it pyqtSignal, and qtpy renames it without exporting the name.
from qtpy.QtCore import (  # type: ignore[attr-defined]
    QSignalBlocker,
    Qt,
    QTimer,
    Signal,
)
from qtpy.QtGui import QHideEvent
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QToolButton, QWidget
from superqt import QLabeledSlider

from napari_vit_tfm.attention.captions import DIRECTION_WORDS
from napari_vit_tfm.attention.frame import MapChoice, PreparedFrame
from napari_vit_tfm.attention.patch import EVIDENCE, EVIDENCE_WORDS, MapView
from napari_vit_tfm.napari.attention.shown import NOTHING, Shown
from napari_vit_tfm.napari.widgets.forms import may_shrink

_PLAY_MS = 700

_MAP_WORDS: dict[str, str] = {
    "rollout": "attention rollout up to the block",
    "attention": "attention of the block alone",
    "influence": EVIDENCE_WORDS["influence"],
    "reference": EVIDENCE_WORDS["reference"],
}
_KIND_WORDS = {
    "weights": "weights",
    "displacement": "displacement \N{MULTIPLICATION SIGN} weights",
}
_SCALE_WORDS = {
    "share": "relative to uniform attention",
    "peak": "relative to the map's maximum",
}


_BLOCK_TIP = (
    "The network applies attention in several blocks, one after the other. Later "
    "blocks work on the output of earlier blocks."
)
_MAP_TIP = (
    "Attention rollout: how much information the chosen patch has gathered from each "
    "patch, through all blocks up to this one. Attention of the block alone: what the "
    "chosen patch attends to in this block. Influence: how strongly the traction in "
    "the chosen patch depends on the displacements of each patch. Physical reference: "
    "how far a force in the chosen patch displaces the gel in each patch, "
    "independently of the network."
)
_HEAD_TIP = (
    "Each block has several attention heads, which can attend to different patches."
)
_DIRECTION_TIP = "What the chosen patch attends to, or which patches attend to it."
_KIND_TIP = (
    "Weights: the map itself. Displacement \N{MULTIPLICATION SIGN} weights: bright "
    "only where the map is high and the gel is displaced."
)
_SCALE_TIP = (
    "Uniform attention is the weight of every patch if all patches have the same "
    "weight. Relative to it, maps can be compared with each other; relative to their "
    "own maxima, they cannot."
)


class SliderWithPlay(QWidget):
    """A slider that starts at 1, with a button that plays it in a loop.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    valueChanged = Signal(int)
    """Emitted with the new value when the user or the timer changes it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = QLabeledSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(1, 1)
        self.play = QToolButton()
        self.play.setText("\N{BLACK RIGHT-POINTING TRIANGLE}")
        self.play.setCheckable(True)
        self.play.setToolTip("Play: step through the blocks, one after the other.")
        self._timer = QTimer(self)
        self._timer.setInterval(_PLAY_MS)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider)
        layout.addWidget(self.play)
        self.slider.valueChanged.connect(self.valueChanged)
        self.play.toggled.connect(self._on_play)
        self._timer.timeout.connect(self.step)

    def show_value(self, value: int, last: int) -> None:
        """Set value and maximum without emitting a signal."""
        with QSignalBlocker(self.slider):
            self.slider.setRange(1, max(last, 1))
            self.slider.setValue(value)
        self.setEnabled(last > 1)
        if last <= 1:
            self.stop()

    def step(self) -> None:
        """Advance by one; after the maximum, start again at 1."""
        value = self.slider.value() + 1
        last = self.slider.maximum()
        self.slider.setValue(value if value <= last else 1)

    def stop(self) -> None:
        """Stop playing at the current value."""
        self.play.setChecked(False)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Stop playing when the widget is hidden."""
        super().hideEvent(event)
        self.stop()

    def _on_play(self, playing: bool) -> None:
        if playing:
            self._timer.start()
        else:
            self._timer.stop()


class AttentionControls(QWidget):
    """Controls for block, map, heads, direction, overlay and colour scale.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    changed = Signal(dict)
    """Emitted with the attributes of the `MapView` that the user has changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown = NOTHING
        self.block = SliderWithPlay()
        self.map = _combo_box(_MAP_WORDS)
        self.direction = _combo_box(DIRECTION_WORDS)
        self.head = _combo_box({})
        self.kind = _combo_box(_KIND_WORDS)
        self.scale = _combo_box(_SCALE_WORDS)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Block", self.block)
        form.addRow("Map", self.map)
        form.addRow("Heads", self.head)
        form.addRow("Direction", self.direction)
        form.addRow("Overlay", self.kind)
        form.addRow("Colours", self.scale)
        for control, tip in (
            (self.block, _BLOCK_TIP),
            (self.map, _MAP_TIP),
            (self.head, _HEAD_TIP),
            (self.direction, _DIRECTION_TIP),
            (self.kind, _KIND_TIP),
            (self.scale, _SCALE_TIP),
        ):
            control.setToolTip(tip)
        self.setEnabled(False)
        self.block.valueChanged.connect(self._on_block)
        self.map.activated.connect(self._on_map)
        self.head.activated.connect(self._on_map_choice)
        self.direction.activated.connect(self._on_map_choice)
        self.kind.activated.connect(self._on_kind)
        self.scale.activated.connect(self._on_scale)

    def show_map(self, shown: Shown) -> None:
        """Update what differs from what is shown now.

        Parameters
        ----------
        shown : Shown
            The map shown, and the frame whose maps can be chosen.
        """
        before, self._shown = self._shown, shown
        if not shown.is_drawn or shown.view.evidence is not None:
            # Playing would switch away from the chosen map.
            self.block.stop()
        if (
            shown.is_on == before.is_on
            and shown.frame is before.frame
            and shown.view == before.view
        ):
            return
        self.setEnabled(shown.is_on)
        self.map.setEnabled(shown.frame is not None)
        if shown.frame is not None:
            # Without a frame nothing changes: usually the next one follows soon.
            self._show_view(shown.view, shown.frame)

    def _show_view(self, view: MapView, frame: PreparedFrame) -> None:
        blocks, heads = frame.method.n_blocks, frame.method.n_heads
        self._list_heads(heads)
        self.block.show_value(view.block + 1, blocks)
        self._enable_maps(attention=blocks > 0)
        _select(self.map, view.evidence or view.choice.source)
        _select(self.head, view.choice.head)
        _select(self.direction, view.choice.direction)
        _select(self.kind, view.kind)
        _select(self.scale, view.scale)
        is_attention = view.evidence is None
        self.head.setEnabled(is_attention and view.choice.source == "attention")
        self.direction.setEnabled(is_attention)

    def _list_heads(self, heads: int) -> None:
        if self.head.count() == heads + 1:
            return
        self.head.clear()
        self.head.addItem("mean of all heads", None)
        for head in range(heads):
            self.head.addItem(f"head {head + 1}", head)

    def _enable_maps(self, *, attention: bool) -> None:
        model: Any = self.map.model()
        for index in range(self.map.count()):
            is_evidence = self.map.itemData(index) in EVIDENCE
            model.item(index).setEnabled(is_evidence or attention)

    def _on_block(self, value: int) -> None:
        # Moving the slider switches back to the attention maps.
        self.changed.emit({"block": value - 1, "evidence": None})

    def _on_map(self) -> None:
        chosen = self.map.currentData()
        if chosen in EVIDENCE:
            self.changed.emit({"evidence": chosen})
        else:
            choice = MapChoice(chosen, direction=self._shown.view.choice.direction)
            self.changed.emit({"choice": choice, "evidence": None})

    def _on_map_choice(self) -> None:
        choice = replace(
            self._shown.view.choice,
            head=self.head.currentData(),
            direction=self.direction.currentData(),
        )
        self.changed.emit({"choice": choice})

    def _on_kind(self) -> None:
        self.changed.emit({"kind": self.kind.currentData()})

    def _on_scale(self) -> None:
        self.changed.emit({"scale": self.scale.currentData()})


def _combo_box(words: Mapping[Any, str]) -> QComboBox:
    combo = QComboBox()
    may_shrink(combo)
    for data, text in words.items():
        combo.addItem(text, data)
    return combo


def _select(combo: QComboBox, data: object) -> None:
    index = combo.findData(data)
    if index != combo.currentIndex():
        combo.setCurrentIndex(index)
