"""The dock that computes tractions from displacements."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.utils.events import Event
from napari.utils.notifications import show_warning
from qtpy.QtGui import QAction, QGuiApplication
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QPushButton,
)
from superqt import QCollapsible

from napari_vit_tfm import io
from napari_vit_tfm.config import (
    DisplayConfig,
    NoiseConfig,
    PreparationConfig,
    ReadingConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.displacement.preparation import PreparedFrames
from napari_vit_tfm.errors import FieldError, TFMError
from napari_vit_tfm.fields import DisplacementStack, FloatArray
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models.registry import min_side_of
from napari_vit_tfm.napari.computing import COMPUTING_TO_LOOK_AT
from napari_vit_tfm.napari.errors import in_one_line, report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.companions import (
    STYLES,
    can_show,
    show_companion,
)
from napari_vit_tfm.napari.layers.metadata import Description
from napari_vit_tfm.napari.layers.placing import WorldUnits, frame_at
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
    as_displacement,
    files_behind,
    source_files,
)
from napari_vit_tfm.napari.layers.registry import description_of
from napari_vit_tfm.napari.layers.results import (
    ResultLayers,
    describe_field,
    differences,
    result_of,
    results_of,
    set_field_spacing,
    show_tractions,
    tractions_of,
)
from napari_vit_tfm.napari.layers.turning import set_y_direction
from napari_vit_tfm.napari.layers.values import values_at
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.napari.opening import ask_and_open
from napari_vit_tfm.napari.traction.canvas_line import CanvasLine
from napari_vit_tfm.napari.traction.examination import FieldNotes
from napari_vit_tfm.napari.traction.fading import Fader
from napari_vit_tfm.napari.traction.noise import NoiseRows
from napari_vit_tfm.napari.traction.run import Loaded, Result, Run, reconstruct_run
from napari_vit_tfm.napari.widgets.cancel_button_progress import (
    CancelButtonProgress,
)
from napari_vit_tfm.napari.widgets.dock import ModelDock
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save
from napari_vit_tfm.napari.widgets.forms import Form, form_section
from napari_vit_tfm.napari.widgets.text_label import TextLabel
from napari_vit_tfm.options import options_of, words_of
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import Batch, check_size
from napari_vit_tfm.scripts import as_command, as_python
from napari_vit_tfm.trust.gauge import familiarity_in, unfamiliar_in_words
from napari_vit_tfm.trust.verdict import residual_in_words
from napari_vit_tfm.units import DISPLACEMENT_UNITS, unit_label

_CANCELLED = "Cancelled. The layers are unchanged."
_NOT_FINITE = (
    "The tractions are not finite, so there are no new layers. Check the "
    "displacements, their unit and the gel."
)

_WAYS = {"Python": as_python, "command line": as_command}
"""Ways to write a reconstruction as text, by their names in the menu."""

_WARNING_STYLE = (
    "QLabel { background: #5c3b00; color: #ffe0a3; border-left: 4px solid #ffb000; "
    "padding: 3px; }"
)

_Y = {"y": options_of(ReadingConfig)["y"]}


class TractionDock(ModelDock):
    """Computes tractions from displacements.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose layers are used.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, message_lines=2)
        self._job = LatestJob[Run, Loaded | Batch, Result](
            self,
            partial(reconstruct_run, MethodCache()),
            on_step=self._on_step,
            on_result=self._on_result,
            on_error=self._on_error,
            on_finished=self._on_finished,
            open_bar=self._open_bar,
        )
        self._source: FieldLayers | None = None
        self._device = ""
        self._outcome = ""
        self._typed_gel = Gel()
        self._started = 0.0
        self._judged: tuple[FloatArray | None, str] = (None, "")
        self._fader = Fader(napari_viewer.layers, self)
        self._canvas_line = CanvasLine(napari_viewer)
        self._build()
        self._lay_out()
        self._connect_widgets()
        self.refresh()

    def _build(self) -> None:
        self.open_button = QPushButton("Open…")
        self.open_button.setToolTip(
            "Open a file, or several files as one time-lapse, with this plugin."
        )
        self.notes = FieldNotes()
        self.run_button = QPushButton()
        self.run_button.setToolTip("Compute the tractions of all frames.")
        self.progress = QProgressBar()
        self.progress.hide()
        self.update_last = QCheckBox("Update the last result")
        self.update_last.setChecked(DisplayConfig().update_last_result)
        self.update_last.setToolTip(
            "Replace the tractions in the layers of the last result of the field. "
            "Otherwise, every run adds new layers."
        )
        self.save_button = QPushButton("Save tractions…")
        self.save_button.setToolTip("Save the result that is named below.")
        self.copy_button = QPushButton("Copy as")
        self.copy_button.setToolTip(
            "Copy a script or a command that computes the result that is named below "
            "from its file."
        )
        menu = QMenu(self.copy_button)
        self.copy_python, self.copy_command = map(menu.addAction, _WAYS)
        self.copy_button.setMenu(menu)
        self.save_note = TextLabel(1)
        self.warning_note = TextLabel(1)
        self.warning_note.setStyleSheet(_WARNING_STYLE)
        self.warning_note.setToolTip(
            "The error of the network is known only for fields like those of its "
            "training. Compare with bayesian-fttc."
        )
        self.residual_note = TextLabel(3)
        self.residual_note.setToolTip(
            "A large share alone is no merit: a method that puts tractions into the "
            "noise explains more of it."
        )
        self.show_button = QPushButton("Show")
        self.show_button.setToolTip(
            "Show what was computed with the tractions, such as the displacement that "
            "they do not explain."
        )
        shown = QMenu(self.show_button)
        shown.setToolTipsVisible(True)
        self.show_actions: dict[str, QAction] = {}
        for name, style in STYLES.items():
            action = shown.addAction(style.words.capitalize())
            assert action is not None
            action.setToolTip(style.tip)
            self.show_actions[name] = action
        self.show_button.setMenu(shown)
        self.fade_uncertain = QCheckBox("Fade uncertain")
        self.fade_uncertain.setChecked(DisplayConfig().fade_uncertain)
        self.fade_uncertain.setToolTip(
            "Let tractions fade below two standard deviations, and nearly "
            "hide them below one. The data do not change."
        )

    def _lay_out(self) -> None:
        source = QHBoxLayout()
        source.addWidget(self.fields, 1)
        source.addWidget(self.open_button)
        self.form.addRow("Displacement", source)
        self.calibration = Form(DisplacementStack, self.form)
        self.y_axis = Form(_Y, self.form)
        self.gel = Form(Gel, self.form)
        self.model_rows.add()
        self.preparation, prepared = form_section(
            "Preparation", PreparationConfig, "What is done to the displacements first."
        )
        self.computing, computed = form_section(
            "Computing",
            COMPUTING_TO_LOOK_AT,
            "Views, device, batch size and noise of the computation.",
        )
        self.noise = NoiseRows(self._viewer.layers)
        assert isinstance(computed, QCollapsible)
        computed.addWidget(self.noise)
        self.rows.addLayout(self.form)
        self.rows.addWidget(self.notes)
        for row in (prepared, computed, self.update_last):
            self.rows.addWidget(row)
        self.rows.addStretch()
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.save_button)
        buttons.addWidget(self.copy_button)
        buttons.addWidget(self.show_button)
        self.footer.addLayout(buttons)
        for row in (
            self.fade_uncertain,
            self.progress,
            self.warning_note,
            self.message,
            self.save_note,
            self.residual_note,
        ):
            self.footer.addWidget(row)

    def _connect_widgets(self) -> None:
        self.fields.chosen.connect(self._on_field_chosen)
        self.fields.changed.connect(self._on_field_changed)
        self.model.chosen.connect(self.refresh)
        self.open_button.clicked.connect(self._on_open_clicked)
        self.calibration.changed.connect(self._on_calibration_typed)
        self.y_axis.changed.connect(self._on_y_chosen)
        self.preparation.changed.connect(self._on_method_typed)
        self.gel.changed.connect(self._on_gel_typed)
        self.method.changed.connect(self._on_method_typed)
        self.run_button.clicked.connect(self._on_job_button)
        self.save_button.clicked.connect(self._on_save_clicked)
        for way, action in zip(
            _WAYS, (self.copy_python, self.copy_command), strict=True
        ):
            assert action is not None
            action.triggered.connect(partial(self._on_copy_clicked, way))
        self.fade_uncertain.toggled.connect(self._fader.switch)
        for name, action in self.show_actions.items():
            action.triggered.connect(partial(self._on_show_clicked, name))

    def bind(self) -> None:
        """Watch the viewer's layers."""
        super().bind()
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self._viewer.layers.selection.events.active.connect(self.refresh)
        self._viewer.dims.events.current_step.connect(self._warn_on_canvas)
        self.noise.bind()
        self.status.bind()
        self._on_active_layer()
        self.refresh()

    def unbind(self) -> None:
        """Stop watching the viewer's layers. A run is not stopped."""
        self.status.unbind()
        self.noise.unbind()
        self._fader.stop()
        self._canvas_line.show("")
        self.notes.show_field(None, Gel(), ())
        self._viewer.dims.events.current_step.disconnect(self._warn_on_canvas)
        self._viewer.layers.selection.events.active.disconnect(self.refresh)
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        super().unbind()

    @property
    def job(self) -> LatestJob[Run, Loaded | Batch, Result]:
        """The job of the current run."""
        return self._job

    def refresh(self) -> None:
        """Update buttons and message."""
        running = self._job.pending is not None
        stack, problem = self._read()
        if stack is not None:
            problem = self._problem(stack)
        self.run_button.setText("Cancel" if running else "Run")
        self.run_button.setEnabled(running or not problem)
        self.progress.setVisible(running)
        result = self._result()
        self.save_button.setEnabled(result is not None)
        known = None if result is None else result.provenance
        self.copy_button.setEnabled(known is not None and bool(known.files))
        self.save_note.setText("" if result is None else self._save_note(result, stack))
        self.save_note.setVisible(result is not None)
        self._show_trust(self._tractions())
        unit = self.calibration["unit"].value
        needs = () if unit is None else DISPLACEMENT_UNITS[unit].needs
        self.calibration.show_row("pixel_size_um", "pixel_size_um" in needs)
        field = self.fields.field()
        self.y_axis.show_row("y", field is not None and not field.adopted_parts)
        self._show_notes(stack)
        if not running:
            self.message.setText(problem or self._outcome)

    def _read(
        self, *, compare_data: bool = False
    ) -> tuple[DisplacementStack | None, str]:
        """The chosen field, or None and the reason why it cannot be used."""
        field = self.fields.field()
        if field is None and not self.fields.is_bound:
            return None, ""
        if field is None:
            return None, (
                "Open a displacement file, or a sample with File > Open Sample, or add "
                "a Vectors layer."
            )
        try:
            return as_displacement(field, compare_data=compare_data), ""
        except FieldError as error:
            return None, in_one_line(error)

    def _show_notes(self, stack: DisplacementStack | None) -> None:
        # A hidden dock keeps no field.
        doubts = [*self.calibration.doubts(), *self.gel.doubts()]
        shown = stack if self.fields.is_bound else None
        self.notes.show_field(shown, Gel(**self.gel.values()), doubts)

    def _show_trust(self, result: ResultLayers | None) -> None:
        """Offer what was computed with a result, and say how far to trust it."""
        companions = {} if result is None else result.companions
        for name, action in self.show_actions.items():
            action.setVisible(can_show(name, companions))
        self.show_button.setVisible(any(can_show(one, companions) for one in STYLES))
        self.fade_uncertain.setVisible("halfwidth_68" in companions)
        warning = "" if result is None else unfamiliarity(result)
        self.warning_note.setText(f"Warning: {warning}")
        self.warning_note.setVisible(bool(warning))
        words = "" if result is None else self._residual_words(result)
        self.residual_note.setText(_as_sentence(words))
        self.residual_note.setVisible(bool(words))
        if self.fields.is_bound:
            self._fader.start()
            self._warn_on_canvas()

    def _warn_on_canvas(self) -> None:
        """Say beside the picture if the shown frame is unlike those of the training."""
        result, text = self._tractions(), ""
        if result is not None:
            text = warning_at(result, self._viewer.dims.point, self._viewer.dims.units)
        self._canvas_line.show(text)

    def _residual_words(self, result: ResultLayers) -> str:
        """What is said about the residual of a result; computed once."""
        residual = result.companions.get("residual")
        if residual is None:
            return ""
        known, words = self._judged
        if known is not residual:
            try:
                words = residual_in_words(result.stack())
            except FieldError:
                words = ""
            self._judged = residual, words
        return words

    def status_text(self) -> str:
        """Displacement and tractions under the mouse, in all visible layers."""
        field = self.fields.field()
        if field is None or not self._viewer.mouse_over_canvas:
            return ""
        dims, position = self._viewer.dims, self._viewer.cursor.position
        return values_at(self._viewer.layers, field, position, dims.units)

    def _problem(self, stack: DisplacementStack) -> str:
        """The reason why nothing can be computed from a field; empty if it can."""
        if stack.unit is None:
            field = self.fields.field()
            origin = "layer" if field and field.adopted_parts else "file"
            return (
                f"The {origin} does not have the unit of the displacements: choose it."
            )
        try:
            model = self.model.value()
            prepared = PreparedFrames(stack, self._preparation()).stream()
            check_size(prepared, min_side_of(model), model=Path(model).stem)
            prepared.grid_steps_per_unit()
            self._substrate().response(spacing_um=prepared.spacing_um)
        except TFMError as error:
            return in_one_line(error)
        return ""

    # The field, its calibration and its gel

    def _on_field_chosen(self) -> None:
        stack, _ = self._read()
        self._show_lengths(stack)
        if stack is not None:
            self._fill_in_gel(stack)
        self._outcome = ""
        self.refresh()

    def _on_field_changed(self) -> None:
        stack, _ = self._read()
        self._show_lengths(stack)
        self.refresh()

    def _show_lengths(self, stack: DisplacementStack | None) -> None:
        """Show unit, spacing and pixel size of the chosen field."""
        field = self.fields.field()
        description = None if field is None else description_of(field.first)
        self.calibration.show_values(
            {
                "unit": description.unit if description else None,
                "spacing_um": stack.spacing_um if stack else None,
                "pixel_size_um": _pixel_size(stack, description),
            }
        )
        self.y_axis.show_values({"y": description.y if description else None})

    def _fill_in_gel(self, stack: DisplacementStack) -> None:
        """Show the gel of the field; unknown values are those that the user typed.

        Values from the file of another field are not kept.
        """
        gel = stack.gel.filled_from(self._typed_gel)
        if not gel.is_layer:
            gel = dataclasses.replace(gel, thickness_um=None)
        self.gel.show_values(dataclasses.asdict(gel))

    def _on_gel_typed(self, name: str) -> None:
        typed = {name: self.gel[name].value}
        self._typed_gel = dataclasses.replace(self._typed_gel, **typed)
        self._describe(typed)

    def _on_method_typed(self, _name: str) -> None:
        self.refresh()

    def _on_y_chosen(self, _name: str) -> None:
        field = self.fields.field()
        if field is not None:
            try:
                set_y_direction(self._viewer.layers, field, self.y_axis["y"].value)
            except FieldError as error:
                self._outcome = report(error, activity="turning the field over")
        self._on_field_changed()

    def _on_open_clicked(self) -> None:
        try:
            with self.view.fits_larger_fields():
                ask_and_open(self._viewer, self)
        except (TFMError, OSError) as error:
            self.message.setText(report(error, activity="opening"))

    def _on_calibration_typed(self, name: str) -> None:
        self._describe({name: self.calibration[name].value})

    def _describe(self, changes: dict[str, Any]) -> None:
        """Write changed values to the layers of the field."""
        field = self.fields.field()
        if field is not None:
            layers = self._viewer.layers
            try:
                with self.view.keeps_fit():
                    if "spacing_um" in changes:
                        set_field_spacing(layers, field, changes["spacing_um"])
                    else:
                        describe_field(layers, field, **changes)
            except FieldError:
                # The message says why, and the form shows what is still true.
                self._show_lengths(self._read()[0])
        self.refresh()

    # Running

    def start_job(self) -> None:
        """Start a run with the settings of the dock."""
        if self._job.pending is not None:
            return
        field = self.fields.field()
        # napari does not report edits in place, so the data are compared now.
        stack, _ = self._read(compare_data=True)
        if stack is None:
            self.refresh()
            return
        assert field is not None
        try:
            noise = self._noise(field, stack)
            config = dataclasses.replace(self._config(), noise=noise)
        except TFMError as error:
            self._outcome = report(error, activity="reading the noise")
            self.refresh()
            return
        self._source = field
        self._outcome = ""
        self.message.setText("Loading the model…")
        self.progress.setRange(0, 0)
        self._job.submit(
            Run(
                stack,
                self._substrate(),
                config,
                self._preparation(),
                self.computing["batch_size"].value,
            )
        )
        self.refresh()

    def cancel_job(self, outcome: str = _CANCELLED) -> None:
        """Cancel the run. The computation of a batch is left to end in its thread.

        Parameters
        ----------
        outcome : str
            The message.
        """
        self._job.cancel()
        self._outcome = outcome
        self.refresh()

    def _substrate(self) -> Substrate:
        """The gel in the form."""
        return Substrate(Gel(**self.gel.values()))

    def _config(self) -> ReconstructionConfig:
        """Method and options, without the noise."""
        computing = self.computing.values()
        del computing["batch_size"]
        return self.model_rows.config(**computing)

    def _noise(self, field: FieldLayers, stack: DisplacementStack) -> NoiseConfig:
        return self.noise.config(
            field.first,
            stack,
            bin_size=self._preparation().bin_size,
            world_units=self._viewer.dims.units,
        )

    def _preparation(self) -> PreparationConfig:
        return PreparationConfig(**self.preparation.values())

    def _on_layer_removed(self, event: Event) -> None:
        source = self._source
        layers = (
            () if source is None else (source.first, *source.adopted_parts.values())
        )
        if event.value in layers and self._job.pending is not None:
            self.cancel_job("Cancelled, because the displacement layer was removed.")
        self.refresh()

    def _open_bar(self, run: Run) -> CancelButtonProgress:
        """Open a progress bar, with a cancel button, in napari's activity dock."""
        return CancelButtonProgress(
            total=run.stack.n_frames,
            desc="computing tractions",
            cancel_callback=self.cancel_job,
        )

    def _on_step(self, run: Run, step: Loaded | Batch) -> None:
        done, total = 0, run.stack.n_frames
        if isinstance(step, Loaded):
            self._device, self._started = step.device, time.monotonic()
        else:
            done = step.stop
        left = _time_left(time.monotonic() - self._started, done, total)
        self.message.setText(
            f"{done} of {total} frames done {_device_text(self._device)}{left}."
        )
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        self._job.advance(done)

    def _on_result(self, run: Run, result: Result) -> None:
        assert self._source is not None
        if self._source.first not in self._viewer.layers:
            self._outcome = "Discarded, because the displacement layer was removed."
            return
        magnitude = result.traction.magnitude()
        if np.isinf(magnitude).any() or np.isnan(magnitude).all():
            self._outcome = _NOT_FINITE
            return
        selected, chosen = set(self._viewer.layers.selection), self.fields.layer()
        warning = unfamiliar_in_words(
            dict(enumerate(familiarity_in(result.traction.records))),
            result.traction.model,
        )
        if warning:
            show_warning(_as_sentence(warning))
        show_tractions(
            self._viewer.layers,
            result.traction,
            self._source,
            source=run.stack,
            config=run.config,
            update_last=self.update_last.isChecked(),
        )
        # Longer names make the list of layers wider, and the canvas narrower.
        self.view.fit_soon()
        if chosen is not None and chosen not in self._source.layers:
            # The user looks at another field now.
            self._viewer.layers.selection = selected
            self.fields.choose(chosen)
        # The sentences about residual and gauge have lines of their own.
        told = [*self.notes.notes(), residual_in_words(result.traction), warning]
        self._outcome = _summary(result, [x for x in result.notices if x not in told])

    def _on_error(self, _run: Run, error: Exception) -> None:
        self._outcome = report(error, activity="the run")

    def _on_finished(self) -> None:
        if self._job.pending is None:
            self._source = None
        self.refresh()

    # Saving

    def _result(self) -> ResultLayers | None:
        """The result to save: the selected one, or the last one of the chosen field."""
        layers = self._viewer.layers
        selected = result_of(layers, layers.selection.active)
        if selected is not None:
            return selected
        field = self.fields.field()
        results = [] if field is None else results_of(layers, field)
        return results[-1] if results else None

    def _save_note(self, result: ResultLayers, stack: DisplacementStack | None) -> str:
        """The name of a result, and how its settings differ from those of the dock."""
        name, field = str(result.layers[0].name), self.fields.field()
        description = None if field is None else description_of(field.first)
        if stack is None or description is None:
            return name
        computed = result.description
        if computed.source_id not in (None, description.field_id):
            return f"{name} (of another field)"
        gel, config = self._substrate().gel, self._config()
        found = differences(computed, stack, gel, config, self._preparation())
        return f"{name}: {'; '.join(found)}; run again" if found else name

    def _on_save_clicked(self) -> None:
        kinds = {exporter.name: exporter.suffixes for exporter in io.exporters()}
        suggestion = str(self.suggested_path())
        path = ask_where_to_save(self, "Save tractions", suggestion, kinds)
        if path is not None:
            self.save(str(path))

    def suggested_path(self) -> Path:
        """A file for the tractions beside the displacements, with their name."""
        result = self._result()
        title = "" if result is None else result.description.title
        files, field = [], self.fields.field()
        if field is not None:
            files = source_files(field.layers)
        folder = Path(files[0]).parent if files else Path()
        return folder / (f"{title}_traction.h5" if title else "traction.h5")

    def save(self, path: str) -> None:
        """Save the selected result, or the last one of the chosen field.

        The message then has the path or the error.

        Parameters
        ----------
        path : str
            The file, with the extension of a format that can be written.
        """
        result = self._result()
        if result is None:
            return
        try:
            read = [*files_behind(self._viewer.layers), self._config().model]
            io.check_output(path, inputs=read)
            io.write_traction(path, result.stack())
        except (TFMError, OSError) as error:
            self._outcome = report(error, activity="saving")
        else:
            self._outcome = f"Saved {path}{_left_out(path, result)}"
        # The note must not miss an edit in place of the displacements.
        self._read(compare_data=True)
        self.refresh()

    # Showing

    def _tractions(self) -> ResultLayers | None:
        """The selected tractions, of a run or from a file, or those to save."""
        layers = self._viewer.layers
        return tractions_of(layers, layers.selection.active) or self._result()

    def _on_show_clicked(self, name: str, _checked: bool = False) -> None:
        result = self._tractions()
        if result is None:
            return
        try:
            stack = result.stack()
        except FieldError as error:
            self._outcome = report(error, activity="showing")
        else:
            show_companion(self._viewer.layers, stack, name, result.layers[0])
            self._viewer.layers.selection.active = result.layers[0]
            self.view.fit_soon()
        self.refresh()

    # Copying

    def _on_copy_clicked(self, way: str, _checked: bool = False) -> None:
        result = self._result()
        known = None if result is None else result.provenance
        if result is None or known is None:
            return
        try:
            text = _WAYS[way](known)
        except TFMError as error:
            self._outcome = report(error, activity="copying")
        else:
            clipboard = QGuiApplication.clipboard()
            assert clipboard is not None
            clipboard.setText(text)
            self._outcome = f"Copied as {way}: {result.layers[0].name}"
        self.refresh()


def _left_out(path: str, result: ResultLayers) -> str:
    """What a file of tractions does not have, in words."""
    suffix = Path(path).suffix.lower()
    (exporter,) = (one for one in io.exporters() if suffix in one.suffixes)
    if not result.companions or exporter.has_companions:
        return ""
    return " (without residual and uncertainty, for which the format has no place)"


def _pixel_size(
    stack: DisplacementStack | None, description: Description | None
) -> float | None:
    """The pixel size: given, or from the spacing and the positions in the file."""
    if stack is not None:
        return stack.pixel_size_um
    return None if description is None else description.pixel_size_um


def unfamiliarity(result: ResultLayers) -> str:
    """Which frames of tractions are unlike those of the training; empty if none."""
    judged = dict(enumerate(familiarity_in(result.records)))
    return unfamiliar_in_words(judged, result.description.model)


def warning_at(
    result: ResultLayers, point: Sequence[float], world_units: WorldUnits
) -> str:
    """A warning about the frame of visible tractions that a viewer shows.

    Parameters
    ----------
    result : ResultLayers
        The tractions.
    point : sequence of float
        World coordinates.
    world_units : tuple of pint.Unit, optional
        As for `placing.node_at`.

    Returns
    -------
    str
        A sentence; empty if there is nothing to warn of.
    """
    judged = familiarity_in(result.records)
    if not judged or not any(layer.visible for layer in result.layers):
        return ""
    frame = frame_at(result.layers[0], point, len(judged), world_units)
    if frame is None or not judged[frame].is_unfamiliar:
        return ""
    return (
        f"Unlike the fields that {result.description.model} was trained on: "
        f"{judged[frame].in_words}. The tractions may be wrong."
    )


def _as_sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _time_left(seconds: float, done: int, total: int) -> str:
    """Such as ", about 20 s left"; empty before the first frame."""
    if not 0 < done < total:
        return ""
    left = seconds / done * (total - done)
    text = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min"
    return f", about {text} left"


def _device_text(device: str) -> str:
    """Text for the device of a run, such as "on the CPU"."""
    return f"on the {words_of(ReconstructionConfig, 'device')[device]}"


def _summary(result: Result, notices: Sequence[str]) -> str:
    stack = result.traction
    frames = "1 frame" if stack.n_frames == 1 else f"{stack.n_frames} frames"
    rate = stack.n_frames / result.seconds
    largest = stack.longest()
    number = f"{largest:,.0f}" if largest >= 100 else f"{largest:.3g}"
    lines = [
        f"{frames} in {result.seconds:.1f} s {_device_text(result.device)}, "
        f"{rate:.2g} per second. "
        f"Largest traction: {number} {unit_label(stack.unit)}.",
        *notices,
    ]
    return "\n".join(lines)
