"""The dock that shows what the network attends to."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from napari.qt.threading import create_worker
from napari.utils.events import Event
from napari.utils.notifications import show_error
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledSlider, QToggleSwitch

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import FloatArray, TractionStack
from napari_vit_tfm.napari.attention_layers import AttentionLayers
from napari_vit_tfm.napari.controls import FieldChooser, ModelChooser, text_label
from napari_vit_tfm.napari.layers import (
    displacement_stack,
    frame_at,
    layer_stack,
    tractions_of,
)
from napari_vit_tfm.napari.workers import (
    AttentionRequest,
    MethodCache,
    attend,
    in_one_line,
    is_expected,
)
from napari_vit_tfm.patches import OVERLAY_KINDS, OverlayKind, PatchGrid
from napari_vit_tfm.physics.substrate import Substrate

if TYPE_CHECKING:
    from napari_vit_tfm.reconstruct import FrameAttention

logger = logging.getLogger(__name__)

_CACHED_FRAMES = 4
_CLICK_TOLERANCE_PX = 4

_OFF = (
    "Shows which patches of the displacement field the network used for the "
    "tractions of one patch."
)
_KIND_WORDS: dict[OverlayKind, str] = {
    "weights": "attention",
    "displacement": "displacement \N{MULTIPLICATION SIGN} attention",
}


class AttentionDock(QWidget):
    """Click a patch, see where the network looked for its tractions.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose layers it works on.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._methods = MethodCache()
        self._cache: OrderedDict[AttentionRequest, FrameAttention] = OrderedDict()
        self._worker: Any = None
        self._computing: AttentionRequest | None = None
        self._wanted: AttentionRequest | None = None
        self._attention: FrameAttention | None = None
        self._source: Layer | None = None
        self._tractions: list[Layer] = []
        self._overlay: AttentionLayers | None = None
        self.patch: tuple[int, int] | None = None
        self._build()
        self._lay_out()
        self._connect_widgets()

    def _build(self) -> None:
        self.switch = QToggleSwitch("Inspect attention")
        self.fields = FieldChooser(self._viewer.layers)
        self.model = ModelChooser()
        self.block = QLabeledSlider(Qt.Orientation.Horizontal)
        self.block.setRange(1, 1)
        self.block.setEnabled(False)
        self.kind = QComboBox()
        for kind in OVERLAY_KINDS:
            self.kind.addItem(_KIND_WORDS[kind], kind)
        self.text = text_label(6)
        self.text.setText(_OFF)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Displacement", self.fields)
        form.addRow("Model", self.model)
        form.addRow("Block", self.block)
        form.addRow("Show", self.kind)
        layout = QVBoxLayout(self)
        layout.addWidget(self.switch)
        layout.addLayout(form)
        layout.addWidget(self.text)
        layout.addStretch()

    def _connect_widgets(self) -> None:
        self.switch.toggled.connect(self._on_switched)
        self.fields.chosen.connect(self._on_choice)
        self.model.chosen.connect(self._on_choice)
        self.block.valueChanged.connect(self._draw)
        self.kind.currentIndexChanged.connect(self._draw)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Watch the layers while the dock is seen."""
        super().showEvent(event)
        self.bind()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Take overlay and callbacks away while the dock is not seen."""
        super().hideEvent(event)
        self.unbind()

    def bind(self) -> None:
        """Watch the viewer's layers, and go on inspecting if the switch is on."""
        self.fields.bind()
        if self.switch.isChecked():
            self._start()

    def unbind(self) -> None:
        """Stop inspecting and watching; the switch stays as it is."""
        self._stop()
        self.fields.unbind()

    @property
    def is_busy(self) -> bool:
        """Whether an attention is being computed."""
        return self._worker is not None

    # Inspecting: from switching on to switching off

    def _on_switched(self, on: bool) -> None:
        if on:
            self._start()
        else:
            self._stop()
            self.text.setText(_OFF)

    def _on_choice(self) -> None:
        if self._source is not None or self.switch.isChecked():
            self._stop()
            self._start()

    def _start(self) -> None:
        source = self.fields.layer()
        if source is None:
            self._give_up("There is no displacement field to look at.")
            return
        self._source = source
        self._overlay = AttentionLayers(self._viewer.layers, source)
        self._viewer.mouse_drag_callbacks.append(self._on_mouse)
        self._viewer.dims.events.current_step.connect(self._request)
        self._viewer.layers.events.inserted.connect(self._on_tractions_changed)
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        source.events.metadata.connect(self._request)
        for event in _geometry_events(source):
            event.connect(self._on_moved)
        self._watch_tractions()
        self._request()

    def _stop(self) -> None:
        if self._source is None or self._overlay is None:
            return
        self._viewer.mouse_drag_callbacks.remove(self._on_mouse)
        self._viewer.dims.events.current_step.disconnect(self._request)
        self._viewer.layers.events.inserted.disconnect(self._on_tractions_changed)
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self._source.events.metadata.disconnect(self._request)
        for event in _geometry_events(self._source):
            event.disconnect(self._on_moved)
        self._unwatch_tractions()
        self._overlay.remove()
        self._source = self._overlay = self._attention = self._wanted = None
        self.block.setEnabled(False)

    def _give_up(self, why: str) -> None:
        self._stop()
        with QSignalBlocker(self.switch):
            self.switch.setChecked(False)
        self.text.setText(why)

    def _on_layer_removed(self, event: Event) -> None:
        if event.value is self._source:
            self._give_up("The displacement layer was removed.")
        elif self._overlay is not None and event.value in self._overlay:
            self._give_up(_OFF)
        else:
            self._on_tractions_changed()

    def _on_tractions_changed(self) -> None:
        """Ask anew, since the gel is that of the tractions that are there now."""
        self._unwatch_tractions()
        self._watch_tractions()
        self._request()

    def _watch_tractions(self) -> None:
        assert self._source is not None
        found = tractions_of(self._viewer.layers, self._source)
        self._tractions = [layer for layer in found if layer is not None]
        for layer in self._tractions:
            layer.events.metadata.connect(self._request)

    def _unwatch_tractions(self) -> None:
        for layer in self._tractions:
            layer.events.metadata.disconnect(self._request)
        self._tractions = []

    def _on_moved(self) -> None:
        assert self._overlay is not None
        self._overlay.follow()
        self._request()

    # Computing

    def _request(self) -> None:
        """Show the attention of the frame that the viewer is at, or compute it."""
        if self._source is None:
            return
        stack = displacement_stack(self._source)
        assert stack is not None
        frame = frame_at(self._source, self._viewer.dims.point)
        config = ReconstructionConfig(
            model=self.model.model(), heads=self.model.heads()
        )
        request = AttentionRequest(stack, frame, self._substrate(), config)
        # Layers that come and go announce the frame anew.
        if request == self._wanted:
            return
        self._wanted = request
        if self._wanted in self._cache:
            self._cache.move_to_end(self._wanted)
            self._show(self._cache[self._wanted])
        else:
            self.text.setText(f"Computing the attention of frame {frame}…")
            self._compute()

    def _substrate(self) -> Substrate:
        """The gel of the tractions that were computed from the field, if any."""
        for layer in self._tractions:
            stack = layer_stack(layer)
            if isinstance(stack, TractionStack) and stack.poisson is not None:
                thickness = stack.thickness or math.inf
                return Substrate(poisson=stack.poisson, thickness=thickness)
        return Substrate()

    def _compute(self) -> None:
        # One worker at a time: what is wanted by then comes next.
        if self._worker is not None:
            return
        self._computing = self._wanted
        self._worker = create_worker(
            attend,
            self._wanted,
            self._methods,
            _start_thread=False,
            _ignore_errors=True,
        )
        self._worker.returned.connect(self._on_returned)
        self._worker.errored.connect(self._on_errored)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_returned(self, answer: tuple[AttentionRequest, FrameAttention]) -> None:
        request, attention = answer
        self._cache[request] = attention
        while len(self._cache) > _CACHED_FRAMES:
            self._cache.popitem(last=False)
        if request == self._wanted:
            self._show(attention)

    def _on_errored(self, error: Exception) -> None:
        if self._computing != self._wanted:
            return
        if not is_expected(error):
            logger.error("computing the attention failed", exc_info=error)
        self._give_up(in_one_line(error))
        show_error(in_one_line(error))

    def _on_finished(self) -> None:
        self._worker = self._computing = None
        if self._wanted is not None and self._wanted not in self._cache:
            self._compute()

    # Showing

    def _show(self, attention: FrameAttention) -> None:
        assert self._overlay is not None
        self._attention = attention
        self._overlay.show_grid(attention.grid)
        blocks = len(attention.rollout)
        if self.block.maximum() != blocks:
            with QSignalBlocker(self.block):
                self.block.setRange(1, blocks)
                self.block.setValue(blocks)
        self.block.setEnabled(True)
        self._draw()

    def _draw(self) -> None:
        """Bring overlay and text in line with patch, block and kind."""
        attention, overlay = self._attention, self._overlay
        if attention is None or overlay is None:
            return
        grid = attention.grid
        if self.patch is None or not _inside(self.patch, grid):
            self.patch = None
            self.text.setText("Click a patch of the grid.")
            return
        block, kind = self.block.value() - 1, self.kind.currentData()
        overlay.show_map(
            attention.overlay(block, *self.patch, kind=kind),
            grid=grid,
            patch=self.patch,
            limits=color_limits(attention, block, self.patch, kind),
            kind=kind,
            name=_KIND_WORDS[kind],
        )
        self.text.setText(self._sentence(attention))

    def _sentence(self, attention: FrameAttention) -> str:
        """What is seen, for somebody who does not know the method."""
        assert self.patch is not None
        assert self._wanted is not None
        row, column = self.patch
        block, blocks = self.block.value(), attention.n_blocks
        weights = attention.map(block - 1, row, column)
        shares = weights / weights.sum()
        others = _others(shares, self.patch)
        seen = (
            "Bright patches are where the network looked"
            if self.kind.currentData() == "weights"
            else "Bright displacements are those the network looked at"
        )
        return (
            f"Frame {self._wanted.frame}, patch in row {row}, column {column}, after "
            f"block {block} of {blocks}. {seen} for the tractions in the outlined "
            f"patch. It keeps {shares[row, column]:.1%} of the attention; every other "
            f"patch gets {others.min():.2%} to {others.max():.2%}, where an even share "
            f"is {1 / weights.size:.2%}."
        )

    # Clicking

    def _on_mouse(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """Take a press without a drag as a click; drags go on moving the picture."""
        if event.button != 1 or len(event.dims_displayed) != 2:
            return
        pressed = tuple(event.pos)
        dragged = False
        yield
        while event.type == "mouse_move":
            dragged |= math.dist(pressed, event.pos) > _CLICK_TOLERANCE_PX
            yield
        if not dragged:
            self.click(event.position)

    def click(self, position: tuple[float, ...]) -> None:
        """Choose the patch at a position in the world; outside it is no click.

        Parameters
        ----------
        position : tuple of float
            In the viewer's coordinates.
        """
        if self._source is None or self._attention is None:
            return
        row, column = self._source.world_to_data(position)[-2:]
        patch = self._attention.grid.patch_at(x=float(column), y=float(row))
        if patch is not None:
            self.choose_patch(*patch)

    def choose_patch(self, row: int, column: int) -> None:
        """Show the attention of a patch.

        Parameters
        ----------
        row, column : int
            The patch, counted from zero. One that the grid does not have is
            no choice.
        """
        self.patch = (row, column)
        self._draw()


def color_limits(
    attention: FrameAttention, block: int, patch: tuple[int, int], kind: OverlayKind
) -> tuple[float, float]:
    """Values at the ends of the colour scale of a patch's map.

    A patch usually keeps by far the most attention itself, since the rollout
    adds the identity for every block. The scale therefore ends at the other
    patches' highest attention: on one that reaches to the patch itself they
    would all look alike. It begins at the lowest attention of all patches.

    Parameters
    ----------
    attention : FrameAttention
        The frame's attention.
    block : int
        The block, counted from zero.
    patch : tuple of int
        Row and column of the patch.
    kind : {"weights", "displacement"}
        What the map shows.
    """
    weights = attention.map(block, *patch)
    peak = weights.max()
    low = float(weights.min() / peak)
    high = float(_others(weights, patch).max() / peak)
    if kind == "displacement":
        u = attention.displacement
        low, high = 0.0, high * float(np.hypot(u[..., 0], u[..., 1]).max())
    return (low, high) if high > low else (0.0, high or 1.0)


def _others(weights: FloatArray, patch: tuple[int, int]) -> FloatArray:
    is_other = np.ones(weights.shape, dtype=bool)
    is_other[patch] = False
    return weights[is_other]


def _geometry_events(layer: Layer) -> tuple[Any, ...]:
    events = layer.events
    moves = (events.scale, events.translate, events.rotate, events.shear)
    return (*moves, events.affine, events.units)


def _inside(patch: tuple[int, int], grid: PatchGrid) -> bool:
    return 0 <= patch[0] < grid.rows and 0 <= patch[1] < grid.columns
