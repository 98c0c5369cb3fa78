"""The dock that inspects the network's attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napari.components import ViewerModel
from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QHBoxLayout, QPushButton
from superqt import QToggleSwitch

from napari_vit_tfm import io
from napari_vit_tfm.attention import captions
from napari_vit_tfm.attention.frame import PreparedFrame
from napari_vit_tfm.attention.patch import EVIDENCE_WORDS, PatchFindings
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.displacement.preparation import options_in_use
from napari_vit_tfm.errors import TFMError
from napari_vit_tfm.napari.attention.controls import AttentionControls
from napari_vit_tfm.napari.attention.export import copy_figure, save
from napari_vit_tfm.napari.attention.inspector import Inspector
from napari_vit_tfm.napari.attention.limits import LimitsSection
from napari_vit_tfm.napari.attention.mouse_and_keys import ARROWS, Keys
from napari_vit_tfm.napari.attention.panel import AttentionPanel
from napari_vit_tfm.napari.attention.requests import EvidenceRequest
from napari_vit_tfm.napari.attention.shown import NOTHING, Shown, all_maps
from napari_vit_tfm.napari.errors import report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.reading import files_behind
from napari_vit_tfm.napari.widgets.dock import ModelDock
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save

_INTRODUCTION = (
    "Shows which patches of the displacement field the network attends to for the "
    "tractions of one patch, and tests whether these patches matter."
)
_NO_FIELD = "There is no displacement field."
_INFLUENCE_HINT = "The influence on its tractions can still be computed."
_PREPARED = "The displacements are prepared as for the last result. "
_CLICK_HINT = "Click a patch, or move to it with the arrow keys."
_PLANE_HINT = (
    "Attention is shown in the 2D view of rows and columns only. Switch off 3D view, "
    "transposed axes and grid mode."
)
_TEST_TEXT, _CANCEL_TEXT = "Test this map", "Cancel the test"
_TEST_TIP = (
    "Computes the influence, the physical reference, the rank correlation of both with "
    "the map of each block, and the change of the traction when patches are hidden. If "
    "knock-out is chosen as the map, also how the traction changes when the attention "
    "of the patch is replaced."
)

_DELAY_MS = 30
"""Delay before panel and status bar are updated, so that the map is drawn first."""


class AttentionDock(ModelDock):
    """Inspect the network's attention for the tractions of a clicked patch.

    User input is passed to the inspector, which calls `_show` with what is shown.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose layers are inspected.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, message_lines=7)
        self._shown = NOTHING
        self._toggle_key = Keys(napari_viewer, {"A": self.toggle})
        self._inspecting_keys = Keys(
            napari_viewer,
            {
                "Escape": self._switch_off,
                **{key: self._move_action(key) for key in ARROWS},
            },
        )
        self._update_timer = QTimer(self)
        self._update_timer.setSingleShot(True)
        self._update_timer.setInterval(_DELAY_MS)
        self._build()
        self._lay_out()
        self._connect_widgets()
        self.inspector = Inspector(napari_viewer, owner=self, on_change=self._show)

    def _build(self) -> None:
        self.switch = QToggleSwitch("Inspect attention (A)")
        self.switch.setToolTip("Press A to switch on or off, Esc to switch off.")
        self.controls = AttentionControls()
        self.test = QPushButton(_TEST_TEXT)
        self.test.setToolTip(_TEST_TIP)
        self.save = QPushButton("Save\N{HORIZONTAL ELLIPSIS}")
        self.save.setToolTip("Save a figure (PNG), or its data (NPZ, HDF5).")
        self.copy = QPushButton("Copy figure")
        self.copy.setToolTip("Copy the figure to the clipboard.")
        self.panel = AttentionPanel(self)
        self.panel.hide()
        self.limits = LimitsSection(self._viewer.layers)
        self.message.setText(_INTRODUCTION)
        for button in (self.test, self.save, self.copy):
            button.setEnabled(False)

    def _lay_out(self) -> None:
        self.form.addRow("Displacement", self.fields)
        self.model_rows.add()
        self.rows.addWidget(self.switch)
        self.rows.addLayout(self.form)
        self.rows.addWidget(self.controls)
        self.rows.addWidget(self.message)
        self.rows.addWidget(self.limits)
        self.rows.addStretch()
        buttons = QHBoxLayout()
        for button in (self.test, self.save, self.copy):
            buttons.addWidget(button)
        self.footer.addLayout(buttons)

    def status_text(self) -> str:
        """Name of the patch under the mouse."""
        return self._shown.status()

    def _connect_widgets(self) -> None:
        self.switch.toggled.connect(self._on_switched)
        self.fields.chosen.connect(self._on_choice)
        self.model.chosen.connect(self._on_choice)
        self.method.changed.connect(self._on_method_typed)
        self.controls.changed.connect(self._on_controls)
        self.panel.gallery.clicked.connect(self._on_tile)
        self.test.clicked.connect(self._on_job_button)
        self.save.clicked.connect(self._on_save)
        self.copy.clicked.connect(self._on_copy)
        self._update_timer.timeout.connect(self._update_panel)

    def bind(self) -> None:
        """Watch the viewer's layers, and resume inspecting if the switch is on."""
        self._toggle_key.bind()
        super().bind()
        if self.switch.isChecked():
            self._start()

    def unbind(self) -> None:
        """Stop inspecting and watching; the switch keeps its state."""
        self.inspector.stop()
        super().unbind()
        self._toggle_key.unbind()

    def _on_active_layer(self) -> None:
        # An inspection stays at its field.
        if not self.switch.isChecked():
            super()._on_active_layer()

    # User input

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
            self.inspector.stop()

    def _on_choice(self) -> None:
        # The inspector itself handles removals: several layers may be removed at once.
        if self.switch.isChecked():
            if not self.inspector.source_is_removed:
                self._start()
        elif self._shown.problem == _NO_FIELD:
            # The problem no longer applies.
            self.inspector.stop()

    def _on_method_typed(self, _name: str) -> None:
        self._on_choice()

    def _start(self) -> None:
        if not self.fields.is_bound:
            # `bind` starts the inspection when the dock is shown.
            return
        source = self.fields.layer()
        if source is None:
            self.inspector.stop(_NO_FIELD)
            return
        config = ReconstructionConfig(
            model=self.model.value(),
            heads=self.method.heads(),
            options=self.method.given_values(),
        )
        if not self.inspector.is_inspecting(source, config):
            self.inspector.start(source, config)

    def _on_controls(self, changes: dict[str, object]) -> None:
        self.inspector.look_at(**changes)

    def _on_tile(self, number: int) -> None:
        findings = self._shown.findings
        maps = [] if findings is None else list(all_maps(findings).values())
        if number >= len(maps):
            # The gallery has not been updated yet.
            return
        chosen = maps[number]
        self.inspector.look_at(block=chosen.view.block, evidence=chosen.view.evidence)
        if chosen.shown is None and self.job.pending is None:
            self.start_job()

    @property
    def job(self) -> LatestJob[EvidenceRequest, str, PatchFindings]:
        """The job that tests a map."""
        return self.inspector.test_job

    @property
    def is_busy(self) -> bool:
        """Whether a computation is running, even if it has been cancelled."""
        return self.inspector.is_busy or self.limits.job.is_busy

    def start_job(self) -> None:
        """Test the map shown."""
        self.inspector.test()

    def cancel_job(self) -> None:
        """Cancel the test."""
        self.inspector.cancel_test()

    def _on_save(self) -> None:
        data = {
            exporter.name: exporter.suffixes
            for exporter in io.exporters(any_array=True)
        }
        kinds = {"Figure": (".png",), **data}
        path = ask_where_to_save(
            self, "Save the results for the patch", "attention.png", kinds
        )
        if path is not None:
            self.save_as(path)

    def save_as(self, path: Path) -> None:
        """Save the figure or its data, depending on the file extension."""
        if self._shown.findings is None:
            return
        try:
            model = self._shown.findings.frame.config.model
            inputs = [*files_behind(self._viewer.layers), model]
            save(path, self._shown.findings, inputs=inputs)
        except (TFMError, OSError) as error:
            report(error, activity="saving")

    def _on_copy(self) -> None:
        if self._shown.findings is not None:
            copy_figure(self._shown.findings)

    # What is shown

    def _show(self, shown: Shown) -> None:
        """Update what differs from what is shown now."""
        before, self._shown = self._shown, shown
        if shown.is_on and not before.is_on:
            self._inspecting_keys.bind()
            self.status.bind()
            self.panel.open(self._viewer)
        elif before.is_on and not shown.is_on:
            self._inspecting_keys.unbind()
            self.status.unbind()
            self.panel.close_dock()
        if shown.problem:
            # The inspector has stopped on its own.
            with QSignalBlocker(self.switch):
                self.switch.setChecked(False)
        if shown.is_on and not shown.is_drawn:
            # Remove the name of a patch that is no longer visible.
            self.status.refresh()
        if replace(shown, hovered=before.hovered) == before:
            return
        self.controls.show_map(shown)
        self.limits.show_field(shown)
        self.message.setText(_message(shown))
        self.test.setText(_TEST_TEXT if shown.test is None else _CANCEL_TEXT)
        self.test.setToolTip(
            _TEST_TIP if shown.test is None else _cancelled(shown.test)
        )
        self.test.setEnabled(shown.can_test or shown.test is not None)
        for button in (self.save, self.copy):
            button.setEnabled(shown.picture is not None)
        # An active timer is not restarted: many changes would delay it forever.
        if not self._update_timer.isActive():
            self._update_timer.start()

    def _update_panel(self) -> None:
        if self._shown.is_on:
            self.status.refresh()
        self.panel.show_maps(self._shown)


def _message(shown: Shown) -> str:
    """Description of what is shown, or of what the user has to do."""
    frame, findings = shown.frame, shown.findings
    if not shown.is_on:
        return shown.problem or _INTRODUCTION
    if not shown.shows_plane:
        return _PLANE_HINT
    if shown.failure:
        return shown.failure
    if frame is None:
        assert shown.request is not None
        return f"Computing the attention of frame {shown.request.index}…"
    prefix = _about_frame(frame)
    if findings is None:
        return f"{prefix}{_CLICK_HINT}"
    patch = captions.patch_words(frame.grid, findings.patch)
    if shown.is_tested_now:
        return f"{prefix}{patch}: {shown.test_step}…"
    if findings.shown is None:
        assert findings.view.evidence is not None
        name = EVIDENCE_WORDS[findings.view.evidence]
        return f"{prefix}Press “{_TEST_TEXT}” to compute the {name} of {patch}."
    text = captions.caption(findings)
    if shown.other_model:
        text += f" {captions.other_tractions(shown.other_model, frame.model)}"
    return text


def _about_frame(frame: PreparedFrame) -> str:
    """What applies to all patches of a frame, as the start of a message."""
    prefix = ""
    if not frame.method.has_attention:
        prefix = f"{captions.no_attention(frame.model)} {_INFLUENCE_HINT} "
    if options_in_use(frame.preparation):
        prefix += _PREPARED
    return prefix


def _cancelled(test: EvidenceRequest) -> str:
    """What the button cancels. The text is too long for the button."""
    findings = test.findings
    patch = captions.patch_words(findings.frame.grid, findings.patch)
    return f"Cancels the test of {patch}."
