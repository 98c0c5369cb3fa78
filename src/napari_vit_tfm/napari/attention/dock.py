"""The dock that shows what the network attends to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.utils.notifications import show_error
from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QToggleSwitch

from napari_vit_tfm.attention import captions
from napari_vit_tfm.attention.patch import EVIDENCE_WORDS, PatchFindings
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.napari.attention.controls import AttentionControls
from napari_vit_tfm.napari.attention.export import copy_figure, save
from napari_vit_tfm.napari.attention.inspector import Inspector
from napari_vit_tfm.napari.attention.mouse_and_keys import ARROWS, Keys
from napari_vit_tfm.napari.attention.panel import AttentionPanel
from napari_vit_tfm.napari.attention.requests import (
    EvidenceRequest,
    FrameRequest,
    gather_evidence,
    look_at_frame,
)
from napari_vit_tfm.napari.attention.view import Frame
from napari_vit_tfm.napari.errors import in_one_line, is_expected
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save
from napari_vit_tfm.napari.widgets.inputs import FieldChooser, ModelChooser, text_label

logger = logging.getLogger(__name__)

_OFF = (
    "Shows which patches of the displacement field the network looked at for the "
    "tractions of one patch, and tests whether these are the ones that matter."
)
_NO_FIELD = "There is no displacement field to look at."
_WHERE_TO_SAY = (
    "Unit, pixel size and vector spacing are set in the Traction dock "
    "(Plugins > napari-vit-tfm > Traction)."
)
_STILL = "What its tractions depend on can still be computed."
_CLICK = "Click a patch of the grid, or move there with the arrow keys."
_NOT_A_PLANE = (
    "Patches are looked at in the two-dimensional view of rows and columns, with "
    "the layers over each other, not in a grid."
)
_FILES = {"Figure": (".png",), "NumPy": (".npz",), "HDF5": (".h5", ".hdf5")}
_COMPUTE = "Test this map"

_DRAWN_MS = 30
"""By then the map is drawn, and there is time for what is less urgent."""


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
        self.inspector = Inspector(
            napari_viewer,
            ask=self._ask_for_frame,
            on_change=self.refresh,
            later=_call_later,
        )
        self._frames = LatestJob[FrameRequest, Frame](
            partial(look_at_frame, self._methods),
            on_answer=self.inspector.take_frame,
            on_error=self._on_frame_error,
        )
        self._tests = LatestJob[EvidenceRequest, PatchFindings](
            partial(gather_evidence, self._methods),
            on_answer=self.inspector.take_evidence,
            on_error=self._on_test_error,
            on_word=self._on_word,
        )
        self._word = ""
        self._on_key = Keys(napari_viewer, {"A": self.toggle})
        self._inspecting_keys = Keys(
            napari_viewer,
            {"Escape": self._leave, **{key: self._mover(key) for key in ARROWS}},
        )
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_DRAWN_MS)
        self._build()
        self._lay_out()
        self._connect_widgets()
        self.refresh()

    def _build(self) -> None:
        self.switch = QToggleSwitch("Inspect attention (A)")
        self.switch.setToolTip("Key A switches on and off, Esc leaves.")
        self.fields = FieldChooser(self._viewer.layers)
        self.model = ModelChooser()
        self.controls = AttentionControls()
        self.text = text_label(7)
        self.test = QPushButton(_COMPUTE)
        self.test.setToolTip(
            "Computes the influence map, the physical reference, their rank "
            "correlation with the map of each block, and how the traction changes as "
            "patches are hidden."
        )
        self.save = QPushButton("Save\N{HORIZONTAL ELLIPSIS}")
        self.save.setToolTip("A figure (PNG), or all its numbers (NPZ, HDF5).")
        self.copy = QPushButton("Copy figure")
        self.panel = AttentionPanel(self)
        self.panel.hide()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Displacement", self.fields)
        form.addRow("Model", self.model)
        layout = QVBoxLayout(self)
        layout.addWidget(self.switch)
        layout.addLayout(form)
        layout.addWidget(self.controls)
        layout.addWidget(self.text)
        layout.addWidget(self.test)
        take_along = QHBoxLayout()
        take_along.addWidget(self.save)
        take_along.addWidget(self.copy)
        layout.addLayout(take_along)
        layout.addStretch()

    def _connect_widgets(self) -> None:
        self.switch.toggled.connect(self._on_switched)
        self.fields.chosen.connect(self._on_choice)
        self.model.chosen.connect(self._on_choice)
        self.controls.changed.connect(self._on_controls)
        self.panel.gallery.clicked.connect(self._on_tile)
        self.test.clicked.connect(self._on_test)
        self.save.clicked.connect(self._on_save)
        self.copy.clicked.connect(self._on_copy)
        self._later.timeout.connect(self._refresh_rest)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Watch the layers while the dock is seen."""
        super().showEvent(event)
        self.bind()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Take layers, keys and callbacks away while the dock is not seen."""
        super().hideEvent(event)
        self.unbind()

    def bind(self) -> None:
        """Watch the viewer's layers, and go on inspecting if the switch is on."""
        self._on_key.bind()
        self.fields.bind()
        if self.switch.isChecked():
            self._start()

    def unbind(self) -> None:
        """Stop inspecting and watching; the switch stays as it is."""
        self._stop()
        self.fields.unbind()
        self._on_key.unbind()

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed."""
        return self._frames.is_busy or self._tests.is_busy

    # Inspecting: from switching on to switching off

    def toggle(self) -> None:
        """Switch on what is off, and off what is on."""
        self.switch.setChecked(not self.switch.isChecked())

    def _leave(self) -> None:
        self.switch.setChecked(False)

    def _mover(self, key: str) -> Callable[[], None]:
        rows, columns = ARROWS[key]
        return lambda: self.inspector.move(rows, columns)

    def _on_switched(self, on: bool) -> None:
        if on:
            self._start()
        else:
            self._stop()

    def _on_choice(self) -> None:
        # A removal is the inspector's to deal with: it may be one of several.
        if self.switch.isChecked():
            if not self.inspector.has_lost_its_layer:
                self._start()
        elif self.inspector.problem == _NO_FIELD:
            # No longer true.
            self._stop()

    def _start(self) -> None:
        source = self.fields.layer()
        if source is None:
            self._give_up(_NO_FIELD)
            return
        config = ReconstructionConfig(
            model=self.model.model(), heads=self.model.heads()
        )
        if self.inspector.looks_at(source, config):
            return
        self._tests.cancel()
        if not self.inspector.is_on:
            self._inspecting_keys.bind()
            self.panel.open(self._viewer)
        self.inspector.start(source, config)
        self.refresh()

    def _stop(self) -> None:
        self._tests.cancel()
        self.inspector.stop()
        self._free()
        self.refresh()

    def _free(self) -> None:
        """Give keys and window back."""
        if self._inspecting_keys.are_bound:
            self._inspecting_keys.unbind()
            self.panel.close_dock()
            self.controls.block.stop()

    def _give_up(self, why: str) -> None:
        self._tests.cancel()
        self.inspector.stop(why)
        self.refresh()

    def refresh(self) -> None:
        """Bring controls, text, gallery and plots in line with the inspector."""
        inspector = self.inspector
        if inspector.problem:
            # It has ended by itself.
            self._free()
            with QSignalBlocker(self.switch):
                self.switch.setChecked(False)
        self.controls.setEnabled(inspector.is_on)
        self.controls.refresh(inspector.shown, inspector.frame)
        if inspector.failure or not inspector.sees_plane:
            self.controls.block.stop()
        self.text.setText(self._sentence())
        awaited = self._tests.awaited
        self.test.setText(_COMPUTE if awaited is None else _cancel(awaited))
        can_test = inspector.evidence_request() is not None
        self.test.setEnabled(can_test or awaited is not None)
        is_known = inspector.weights() is not None
        for button in (self.save, self.copy):
            button.setEnabled(is_known)
        # The rest can wait until the map is drawn, but not for ever.
        if not self._later.isActive():
            self._later.start()

    def _refresh_rest(self) -> None:
        if self.inspector.is_on:
            self.inspector.status.refresh()
            self.panel.refresh(self.inspector)

    def _sentence(self) -> str:
        """What is seen, or what to do to see something."""
        inspector = self.inspector
        frame, view = inspector.frame, inspector.shown
        if not inspector.is_on:
            return inspector.problem or _OFF
        if not inspector.sees_plane:
            return _NOT_A_PLANE
        if frame is None:
            request = inspector.request
            computing = _CLICK
            if request is not None:
                computing = f"Computing the attention of frame {request.frame}…"
            return inspector.failure or computing
        findings = inspector.findings()
        none = ""
        if frame.attention is None:
            none = f"{captions.no_attention(frame.model)} {_STILL} "
        if findings is None:
            return f"{none}{_CLICK}"
        patch = captions.patch_words(frame.grid, findings.patch)
        tested = self._tests.awaited
        if tested is not None and tested.is_of(inspector.request, view):
            return f"{none}{patch}: {self._word}…"
        if findings.shown is None:
            assert findings.evidence is not None
            what = EVIDENCE_WORDS[findings.evidence]
            return f"{none}Press “{_COMPUTE}” for the {what} of {patch}."
        said = captions.caption(findings)
        others = inspector.tractions_by
        if others:
            said += f" {captions.other_tractions(others, findings.model)}"
        return said

    # What the user chooses

    def _on_controls(self, changes: dict[str, Any]) -> None:
        self.inspector.look_at(**changes)

    def _on_tile(self, number: int) -> None:
        tiles = self.inspector.tiles()
        if number >= len(tiles):
            # The gallery is a little behind.
            return
        shows = tiles[number].findings
        self.inspector.look_at(block=shows.block, evidence=shows.evidence)
        if shows.shown is None and self._tests.awaited is None:
            self._on_test()

    def _on_test(self) -> None:
        if self._tests.awaited is not None:
            self._tests.cancel()
        else:
            request = self.inspector.evidence_request()
            if request is not None:
                self._word = "starting"
                self._tests.ask(request)
        self.refresh()

    def _on_save(self) -> None:
        path = ask_where_to_save(
            self, "Save what is known about the patch", "attention.png", _FILES
        )
        if path is not None:
            self.save_as(path)

    def save_as(self, path: Path) -> None:
        """Save the figure, or its numbers, by the name's ending."""
        findings = self.inspector.findings()
        if findings is None:
            return
        try:
            save(path, findings)
        except (FieldError, OSError) as error:
            show_error(in_one_line(error))

    def _on_copy(self) -> None:
        findings = self.inspector.findings()
        if findings is not None:
            copy_figure(findings)

    # Computing

    def _ask_for_frame(self, request: FrameRequest) -> None:
        try:
            request.stack.grid_steps_per_unit()
        except FieldError as error:
            # Asked again as soon as it is said.
            why = _as_sentences(error, _WHERE_TO_SAY)
            self.inspector.take_failure(request, why)
        else:
            self._frames.ask(request)

    def _on_word(self, _request: EvidenceRequest, word: str) -> None:
        self._word = word
        self.text.setText(self._sentence())

    def _on_frame_error(self, request: FrameRequest, error: Exception) -> None:
        if is_expected(error):
            # Another frame, model or field may do.
            self.inspector.take_failure(request, _as_sentences(error))
            return
        why = _tell(error)
        if request == self.inspector.request:
            self._give_up(why)

    def _on_test_error(self, _request: EvidenceRequest, error: Exception) -> None:
        _tell(error)
        self.refresh()


def _cancel(request: EvidenceRequest) -> str:
    assert request.view.patch is not None
    patch = captions.patch_words(request.found.grid, request.view.patch)
    return f"Cancel the test of {patch}"


def _call_later(action: Callable[[], None]) -> None:
    """Call once the event loop is back."""
    # A bound method by itself would not be kept alive until then.
    QTimer.singleShot(0, lambda: action())


def _as_sentences(error: Exception, hint: str = "") -> str:
    """An error's message as prose, and what there is to do about it."""
    words = in_one_line(error)
    return f"{words[:1].upper()}{words[1:]}. {hint}".rstrip()


def _tell(error: Exception) -> str:
    """Tell the user about an error, and the log about one nobody thought of."""
    if not is_expected(error):
        logger.error("the inspection failed", exc_info=error)
    words = in_one_line(error)
    show_error(words)
    return words
