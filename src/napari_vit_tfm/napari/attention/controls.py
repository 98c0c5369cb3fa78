"""The controls of the attention dock, which choose the map that is shown."""

from __future__ import annotations

from dataclasses import replace

# PyQt calls it pyqtSignal, and qtpy renames it without exporting the name.
from qtpy.QtCore import (  # type: ignore[attr-defined]
    QSignalBlocker,
    Qt,
    QTimer,
    Signal,
)
from qtpy.QtGui import QHideEvent
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget
from superqt import QLabeledSlider

from napari_vit_tfm.attention.frame import MapChoice, PreparedFrame
from napari_vit_tfm.attention.patch import (
    EVIDENCE,
    EVIDENCE_WORDS,
    MapView,
    evidence_of,
)
from napari_vit_tfm.napari.attention.shown import NOTHING, Shown
from napari_vit_tfm.napari.widgets.forms import (
    Form,
    form_layout,
    need_focus_for_wheel,
)
from napari_vit_tfm.options import Choice, Option, options_of, words_of

_PLAY_MS = 700

_BLOCK_TIP = (
    "The network applies attention in several blocks, one after the other. Later "
    "blocks work on the output of earlier blocks."
)
_SOURCE = options_of(MapChoice)["source"].about
_VIEW = options_of(MapView)
_OPTIONS = {
    "map": Option(
        "map",
        MapChoice.source,
        Choice(
            label=_SOURCE.label,
            help=f"{_SOURCE.help}. Influence: how strongly the traction in the patch "
            "depends on the displacements of each patch. Physical reference: how far "
            "a force in the patch displaces the gel in each patch, independently of "
            "the network. Knock-out: how much the traction in the patch changes if it "
            "does not attend to each patch",
            words={**words_of(MapChoice, "source"), **EVIDENCE_WORDS},
        ),
    ),
    "head": Option(
        "head",
        None,
        Choice(
            label="Heads",
            help="Each block has several attention heads, which can attend to "
            "different patches",
            otherwise="mean of all heads",
            words={},
        ),
    ),
    "direction": options_of(MapChoice)["direction"],
    "kind": _VIEW["kind"],
    "scale": _VIEW["scale"],
}


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
        self.block.setToolTip(_BLOCK_TIP)
        layout = form_layout(self)
        layout.addRow("Block", self.block)
        self.form = Form(_OPTIONS, layout)
        need_focus_for_wheel(self.block)
        self.setEnabled(False)
        self.block.valueChanged.connect(self._on_block)
        self.form.changed.connect(self._on_form)

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
        self.form["map"].enabled = shown.frame is not None
        if shown.frame is not None:
            # Without a frame nothing changes: usually the next one follows soon.
            self._show_view(shown.view, shown.frame)

    def _show_view(self, view: MapView, frame: PreparedFrame) -> None:
        blocks, heads = frame.method.n_blocks, frame.method.n_heads
        self.form.set_choices("head", {i: f"head {i + 1}" for i in range(heads)})
        self.block.show_value(view.block + 1, blocks)
        self._enable_maps(frame)
        self.form.show_values(
            {
                "map": view.evidence or view.choice.source,
                "head": view.choice.head,
                "direction": view.choice.direction,
                "kind": view.kind,
                "scale": view.scale,
            }
        )
        is_attention = view.evidence is None
        can_choose_head = is_attention and view.choice.source == "attention"
        self.form["head"].enabled = can_choose_head
        self.form["direction"].enabled = is_attention

    def _enable_maps(self, frame: PreparedFrame) -> None:
        combo = self.form["map"].native
        known = evidence_of(frame.method)
        for index in range(combo.count()):
            can_be = frame.method.has_attention or combo.itemData(index) in known
            combo.model().item(index).setEnabled(can_be)

    def _on_block(self, value: int) -> None:
        # Moving the slider switches back to the attention maps.
        self.changed.emit({"block": value - 1, "evidence": None})

    def _on_form(self, name: str) -> None:
        values, choice = self.form.values(), self._shown.view.choice
        if name in ("kind", "scale"):
            self.changed.emit({name: values[name]})
        elif name != "map":
            self.changed.emit({"choice": replace(choice, **{name: values[name]})})
        elif values["map"] in EVIDENCE:
            self.changed.emit({"evidence": values["map"]})
        else:
            choice = MapChoice(values["map"], direction=choice.direction)
            self.changed.emit({"choice": choice, "evidence": None})
