"""Which map of a patch is looked at: the inspector's controls."""

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
from napari_vit_tfm.attention.frame import MapChoice
from napari_vit_tfm.attention.patch import EVIDENCE, EVIDENCE_WORDS
from napari_vit_tfm.napari.attention.view import Frame, View
from napari_vit_tfm.napari.widgets.inputs import may_shrink

_PLAY_MS = 700

_MAP_WORDS: dict[str, str] = {
    "rollout": "attention rollout, all blocks so far",
    "attention": "attention of the block alone",
    "influence": EVIDENCE_WORDS["influence"],
    "reference": EVIDENCE_WORDS["reference"],
}
_KIND_WORDS = {
    "weights": "weights",
    "displacement": "displacement \N{MULTIPLICATION SIGN} weights",
}
_SCALE_WORDS = {
    "share": "even shares, the same for all maps",
    "peak": "up to the map's own maximum",
}


_BLOCK_TIP = (
    "The network looks several times, block after block. Later blocks work with what "
    "earlier ones have gathered."
)
_MAP_TIP = (
    "Attention rollout: how much of each patch has reached the chosen one, through "
    "all blocks so far. Attention of the block alone: where this one block looks. "
    "Influence: how much the tractions change with the displacements of each patch. "
    "Physical reference: how far a force in the chosen patch moves the gel in each "
    "patch, whatever the network does."
)
_HEAD_TIP = "Every block looks with several heads at once, each at something else."
_DIRECTION_TIP = "Where the chosen patch looks, or from where it is looked at."
_KIND_TIP = (
    "Weights: the map itself. With the displacement: bright only where the map is high "
    "and the gel moved."
)
_SCALE_TIP = (
    "One even share is what each patch would have if all had the same. On this scale "
    "maps can be compared; up to their own maxima they cannot."
)


class PlayedSlider(QWidget):
    """A slider from 1, and a button that lets it run round and round.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    valueChanged = Signal(int)
    """Another value, by whoever."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = QLabeledSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(1, 1)
        self.play = QToolButton()
        self.play.setText("\N{BLACK RIGHT-POINTING TRIANGLE}")
        self.play.setCheckable(True)
        self.play.setToolTip("Go through the blocks, one after the other.")
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
        """Show a value, and how far the slider goes, without a signal."""
        with QSignalBlocker(self.slider):
            self.slider.setRange(1, max(last, 1))
            self.slider.setValue(value)
        self.setEnabled(last > 1)
        if last <= 1:
            self.stop()

    def step(self) -> None:
        """Go on by one, from the last to the first."""
        value = self.slider.value() + 1
        last = self.slider.maximum()
        self.slider.setValue(value if value <= last else 1)

    def stop(self) -> None:
        """Stop where it is."""
        self.play.setChecked(False)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Do not run where nobody sees it."""
        super().hideEvent(event)
        self.stop()

    def _on_play(self, playing: bool) -> None:
        if playing:
            self._timer.start()
        else:
            self._timer.stop()


class AttentionControls(QWidget):
    """Block, map, heads, direction, way of drawing and scale.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    changed = Signal(dict)
    """Attributes of the `View` that the user has changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = View()
        self.block = PlayedSlider()
        self.map = _combo(_MAP_WORDS)
        self.direction = _combo(DIRECTION_WORDS)
        self.head = _combo({})
        self.kind = _combo(_KIND_WORDS)
        self.scale = _combo(_SCALE_WORDS)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Block", self.block)
        form.addRow("Map", self.map)
        form.addRow("Heads", self.head)
        form.addRow("Direction", self.direction)
        form.addRow("Draw", self.kind)
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
        self.block.valueChanged.connect(self._on_block)
        self.map.activated.connect(self._on_map)
        self.head.activated.connect(self._on_maps)
        self.direction.activated.connect(self._on_maps)
        self.kind.activated.connect(self._on_kind)
        self.scale.activated.connect(self._on_scale)

    def refresh(self, view: View, frame: Frame | None) -> None:
        """Show what is looked at, and enable what can be chosen.

        Parameters
        ----------
        view : View
            What is looked at.
        frame : Frame, optional
            The frame; None as long as it is not known.
        """
        self._view = view
        of_block = view.evidence is None
        self.map.setEnabled(frame is not None)
        if not of_block:
            # Playing would leave the map that was asked for.
            self.block.stop()
        if frame is None:
            # Mostly the next one comes soon; until then all stays as it is.
            return
        blocks, heads = frame.n_blocks, frame.n_heads
        self._list_heads(heads)
        self.block.show_value(min(view.block + 1, max(blocks, 1)), blocks)
        self._enable_maps(attention=blocks > 0)
        _choose(self.map, view.evidence or view.maps.source)
        _choose(self.head, view.maps.head)
        _choose(self.direction, view.maps.direction)
        _choose(self.kind, view.kind)
        _choose(self.scale, view.scale)
        self.head.setEnabled(of_block and heads > 0 and view.maps.source == "attention")
        self.direction.setEnabled(of_block and blocks > 0)

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
            of_evidence = self.map.itemData(index) in EVIDENCE
            model.item(index).setEnabled(of_evidence or attention)

    def _on_block(self, value: int) -> None:
        # Whoever moves the slider wants to see blocks.
        self.changed.emit({"block": value - 1, "evidence": None})

    def _on_map(self) -> None:
        chosen = self.map.currentData()
        if chosen in EVIDENCE:
            self.changed.emit({"evidence": chosen})
        else:
            maps = MapChoice(chosen, direction=self._view.maps.direction)
            self.changed.emit({"maps": maps, "evidence": None})

    def _on_maps(self) -> None:
        maps = replace(
            self._view.maps,
            head=self.head.currentData(),
            direction=self.direction.currentData(),
        )
        self.changed.emit({"maps": maps})

    def _on_kind(self) -> None:
        self.changed.emit({"kind": self.kind.currentData()})

    def _on_scale(self) -> None:
        self.changed.emit({"scale": self.scale.currentData()})


def _combo(words: Mapping[Any, str]) -> QComboBox:
    combo = QComboBox()
    may_shrink(combo)
    for data, text in words.items():
        combo.addItem(text, data)
    return combo


def _choose(combo: QComboBox, data: object) -> None:
    index = combo.findData(data)
    if index != combo.currentIndex():
        combo.setCurrentIndex(index)
