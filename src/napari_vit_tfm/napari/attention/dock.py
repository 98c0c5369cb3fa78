"""The dock that inspects the network's attention."""

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

from napari_vit_tfm import io
from napari_vit_tfm.attention import captions
from napari_vit_tfm.attention.patch import EVIDENCE_WORDS, PatchFindings
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import FieldError, TFMError
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

_INTRODUCTION = (
    "Shows which patches of the displacement field the network attends to for the "
    "tractions of one patch, and tests whether these patches matter."
)
_NO_FIELD = "There is no displacement field."
_CALIBRATION_HINT = (
    "Set unit, pixel size and vector spacing in the Traction dock "
    "(Plugins > napari-vit-tfm > Traction)."
)
_INFLUENCE_HINT = "The influence on its tractions can still be computed."
_CLICK_HINT = "Click a patch, or move to it with the arrow keys."
_PLANE_HINT = (
    "Attention is shown in the 2D view of rows and columns only. Switch off 3D view, "
    "transposed axes and grid mode."
)
_TEST_TEXT = "Test this map"

_PANEL_DELAY_MS = 30
"""Delay before gallery and plots are updated, so that the map is drawn first."""


class AttentionDock(QWidget):
    """Inspect the network's attention for the tractions of a clicked patch.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose layers are inspected.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._methods = MethodCache()
        self.inspector = Inspector(
            napari_viewer,
            ask=self._request_frame,
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
            on_word=self._on_test_step,
        )
        self._test_step = ""
        self._toggle_key = Keys(napari_viewer, {"A": self.toggle})
        self._inspecting_keys = Keys(
            napari_viewer,
            {
                "Escape": self._switch_off,
                **{key: self._move_action(key) for key in ARROWS},
            },
        )
        self._panel_timer = QTimer(self)
        self._panel_timer.setSingleShot(True)
        self._panel_timer.setInterval(_PANEL_DELAY_MS)
        self._build()
        self._lay_out()
        self._connect_widgets()
        self.refresh()

    def _build(self) -> None:
        self.switch = QToggleSwitch("Inspect attention (A)")
        self.switch.setToolTip("Press A to switch on or off, Esc to switch off.")
        self.fields = FieldChooser(self._viewer.layers)
        self.model = ModelChooser()
        self.controls = AttentionControls()
        self.text = text_label(7)
        self.test = QPushButton(_TEST_TEXT)
        self.test.setToolTip(
            "Computes the influence, the physical reference, the rank correlation of "
            "both with the map of each block, and the change of the traction when "
            "patches are hidden."
        )
        self.save = QPushButton("Save\N{HORIZONTAL ELLIPSIS}")
        self.save.setToolTip("Save a figure (PNG), or its data (NPZ, HDF5).")
        self.copy = QPushButton("Copy figure")
        self.copy.setToolTip("Copy the figure to the clipboard.")
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
        export_buttons = QHBoxLayout()
        export_buttons.addWidget(self.save)
        export_buttons.addWidget(self.copy)
        layout.addLayout(export_buttons)
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
        self._panel_timer.timeout.connect(self._refresh_panel)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Watch the layers while the dock is visible."""
        super().showEvent(event)
        self.bind()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Remove layers, keys and callbacks while the dock is hidden."""
        super().hideEvent(event)
        self.unbind()

    def bind(self) -> None:
        """Watch the viewer's layers, and resume inspecting if the switch is on."""
        self._toggle_key.bind()
        self.fields.bind()
        if self.switch.isChecked():
            self._start()

    def unbind(self) -> None:
        """Stop inspecting and watching; the switch keeps its state."""
        self._stop()
        self.fields.unbind()
        self._toggle_key.unbind()

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed."""
        return self._frames.is_busy or self._tests.is_busy

    # Switching on and off

    def toggle(self) -> None:
        """Switch inspecting on or off."""
        self.switch.setChecked(not self.switch.isChecked())

    def _switch_off(self) -> None:
        self.switch.setChecked(False)

    def _move_action(self, key: str) -> Callable[[], None]:
        rows, columns = ARROWS[key]
        return lambda: self.inspector.move(rows, columns)

    def _on_switched(self, on: bool) -> None:
        if on:
            self._start()
        else:
            self._stop()

    def _on_choice(self) -> None:
        # The inspector handles removals: several layers may be removed at once.
        if self.switch.isChecked():
            if not self.inspector.source_is_removed:
                self._start()
        elif self.inspector.problem == _NO_FIELD:
            # The problem no longer applies.
            self._stop()

    def _start(self) -> None:
        source = self.fields.layer()
        if source is None:
            self._stop_with(_NO_FIELD)
            return
        config = ReconstructionConfig(
            model=self.model.model(), heads=self.model.heads()
        )
        if self.inspector.is_inspecting(source, config):
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
        self._release_keys_and_panel()
        self.refresh()

    def _release_keys_and_panel(self) -> None:
        """Restore the viewer's keys and close the panel."""
        if self._inspecting_keys.are_bound:
            self._inspecting_keys.unbind()
            self.panel.close_dock()
            self.controls.block.stop()

    def _stop_with(self, problem: str) -> None:
        self._tests.cancel()
        self.inspector.stop(problem)
        self.refresh()

    def refresh(self) -> None:
        """Update controls, text, gallery and plots from the inspector."""
        inspector = self.inspector
        if inspector.problem:
            # The inspector has stopped on its own.
            self._release_keys_and_panel()
            with QSignalBlocker(self.switch):
                self.switch.setChecked(False)
        self.controls.setEnabled(inspector.is_on)
        self.controls.refresh(inspector.shown, inspector.frame)
        if inspector.failure or not inspector.sees_plane:
            self.controls.block.stop()
        self.text.setText(self._description())
        awaited = self._tests.awaited
        self.test.setText(_TEST_TEXT if awaited is None else _cancel_text(awaited))
        can_test = inspector.evidence_request() is not None
        self.test.setEnabled(can_test or awaited is not None)
        has_map = inspector.weights() is not None
        for button in (self.save, self.copy):
            button.setEnabled(has_map)
        # An active timer is not restarted: many changes would delay the panel forever.
        if not self._panel_timer.isActive():
            self._panel_timer.start()

    def _refresh_panel(self) -> None:
        if self.inspector.is_on:
            self.inspector.status.refresh()
            self.panel.refresh(self.inspector)

    def _description(self) -> str:
        """Description of what is shown, or of what the user has to do."""
        inspector = self.inspector
        frame, view = inspector.frame, inspector.shown
        if not inspector.is_on:
            return inspector.problem or _INTRODUCTION
        if not inspector.sees_plane:
            return _PLANE_HINT
        if frame is None:
            request = inspector.request
            status = _CLICK_HINT
            if request is not None:
                status = f"Computing the attention of frame {request.frame}…"
            return inspector.failure or status
        findings = inspector.findings()
        prefix = ""
        if frame.attention is None:
            prefix = f"{captions.no_attention(frame.model)} {_INFLUENCE_HINT} "
        if findings is None:
            return f"{prefix}{_CLICK_HINT}"
        patch = captions.patch_words(frame.grid, findings.patch)
        pending = self._tests.awaited
        if pending is not None and pending.is_of(inspector.request, view):
            return f"{prefix}{patch}: {self._test_step}…"
        if findings.shown is None:
            assert findings.evidence is not None
            name = EVIDENCE_WORDS[findings.evidence]
            return f"{prefix}Press “{_TEST_TEXT}” to compute the {name} of {patch}."
        text = captions.caption(findings)
        other_model = inspector.tractions_by
        if other_model:
            text += f" {captions.other_tractions(other_model, findings.model)}"
        return text

    # User actions

    def _on_controls(self, changes: dict[str, Any]) -> None:
        self.inspector.look_at(**changes)

    def _on_tile(self, number: int) -> None:
        tiles = self.inspector.tiles()
        if number >= len(tiles):
            # The gallery has not been updated yet.
            return
        findings = tiles[number].findings
        self.inspector.look_at(block=findings.block, evidence=findings.evidence)
        if findings.shown is None and self._tests.awaited is None:
            self._on_test()

    def _on_test(self) -> None:
        if self._tests.awaited is not None:
            self._tests.cancel()
        else:
            request = self.inspector.evidence_request()
            if request is not None:
                self._test_step = "starting"
                self._tests.ask(request)
        self.refresh()

    def _on_save(self) -> None:
        numbers = {known.name: known.suffixes for known in io.exporters()}
        kinds = {"Figure": (".png",), **numbers}
        path = ask_where_to_save(
            self, "Save the results for the patch", "attention.png", kinds
        )
        if path is not None:
            self.save_as(path)

    def save_as(self, path: Path) -> None:
        """Save the figure or its data, depending on the file extension."""
        findings = self.inspector.findings()
        if findings is None:
            return
        try:
            save(path, findings)
        except (TFMError, OSError) as error:
            show_error(in_one_line(error))

    def _on_copy(self) -> None:
        findings = self.inspector.findings()
        if findings is not None:
            copy_figure(findings)

    # Computing

    def _request_frame(self, request: FrameRequest) -> None:
        try:
            request.stack.grid_steps_per_unit()
        except FieldError as error:
            # Setting the unit or spacing triggers a new request.
            message = _as_sentences(error, _CALIBRATION_HINT)
            self.inspector.take_failure(request, message)
        else:
            self._frames.ask(request)

    def _on_test_step(self, _request: EvidenceRequest, step: str) -> None:
        self._test_step = step
        self.text.setText(self._description())

    def _on_frame_error(self, request: FrameRequest, error: Exception) -> None:
        if is_expected(error):
            # Keep inspecting: another frame, model or field may work.
            self.inspector.take_failure(request, _as_sentences(error))
            return
        message = _show_error(error)
        if request == self.inspector.request:
            self._stop_with(message)

    def _on_test_error(self, _request: EvidenceRequest, error: Exception) -> None:
        _show_error(error)
        self.refresh()


def _cancel_text(request: EvidenceRequest) -> str:
    assert request.view.patch is not None
    patch = captions.patch_words(request.found.grid, request.view.patch)
    return f"Cancel the test of {patch}"


def _call_later(action: Callable[[], None]) -> None:
    """Call an action from the event loop, after the current event."""
    # The lambda keeps the action alive; a bound method alone would not be.
    QTimer.singleShot(0, lambda: action())


def _as_sentences(error: Exception, hint: str = "") -> str:
    """An error's message as a sentence, followed by a hint for the user."""
    message = in_one_line(error)
    return f"{message[:1].upper()}{message[1:]}. {hint}".rstrip()


def _show_error(error: Exception) -> str:
    """Show an error to the user, log it if it is unexpected, and return its text."""
    if not is_expected(error):
        logger.error("the inspection failed", exc_info=error)
    message = in_one_line(error)
    show_error(message)
    return message
