"""The dock that computes tractions from displacements."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.utils.events import Event
from napari.utils.notifications import show_warning

from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldError, TFMError
from napari_vit_tfm.fields import DisplacementStack, FloatArray
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.errors import report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.companions import (
    STYLES,
    can_show,
    show_companion,
)
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
)
from napari_vit_tfm.napari.layers.results import (
    ResultLayers,
    show_tractions,
)
from napari_vit_tfm.napari.layers.values import values_at
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.napari.traction.canvas_line import CanvasLine
from napari_vit_tfm.napari.traction.fading import Fader
from napari_vit_tfm.napari.traction.field_rows import FieldRows
from napari_vit_tfm.napari.traction.results import WAYS, Results, copy_as
from napari_vit_tfm.napari.traction.run import Loaded, Result, Run, reconstruct_run
from napari_vit_tfm.napari.traction.words import (
    as_sentence,
    device_text,
    summary,
    time_left,
    unfamiliarity,
    warning_at,
)
from napari_vit_tfm.napari.widgets.cancel_button_progress import (
    CancelButtonProgress,
)
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save
from napari_vit_tfm.reconstruction import Batch
from napari_vit_tfm.trust.gauge import UNLIKE, familiarity_in, unfamiliar_in_words
from napari_vit_tfm.trust.verdict import residual_in_words
from napari_vit_tfm.units import DISPLACEMENT_UNITS

_CANCELLED = "Cancelled. The layers are unchanged."
_NOT_FINITE = (
    "The tractions are not finite, so there are no new layers. Check the "
    "displacements, their unit and the gel."
)


class TractionDock(FieldRows):
    """Computes tractions from displacements.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose layers are used.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
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
        self._started = 0.0
        self._judged: tuple[FloatArray | None, str] = (None, "")
        self._results = Results(napari_viewer.layers, self.fields)
        self._fader = Fader(napari_viewer.layers, self)
        self._canvas_line = CanvasLine(napari_viewer)
        self._connect_widgets()
        self.refresh()

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
            WAYS, (self.copy_python, self.copy_command), strict=True
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
        result = self._results.to_save()
        self.save_button.setEnabled(result is not None)
        known = None if result is None else result.provenance
        self.copy_button.setEnabled(known is not None and bool(known.files))
        note = self._results.note
        named = "" if result is None else note(result, stack, self._settings)
        self.save_note.setText(named)
        self.save_note.setVisible(result is not None)
        self._show_trust(self._results.to_show())
        unit = self.calibration["unit"].value
        needs = () if unit is None else DISPLACEMENT_UNITS[unit].needs
        self.calibration.show_row("pixel_size_um", "pixel_size_um" in needs)
        field = self.fields.field()
        self.y_axis.show_row("y", field is not None and not field.adopted_parts)
        self._show_notes(stack)
        if not running:
            self.message.setText(problem or self._outcome)

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
        self.residual_note.setText(as_sentence(words))
        self.residual_note.setVisible(bool(words))
        if self.fields.is_bound:
            self._fader.start()
            self._warn_on_canvas()

    def _warn_on_canvas(self) -> None:
        """Say beside the picture if the shown frame is unlike those of the training."""
        result, text = self._results.to_show(), ""
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

    def _on_method_typed(self, _name: str) -> None:
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
        left = time_left(time.monotonic() - self._started, done, total)
        self.message.setText(
            f"{done} of {total} frames done {device_text(self._device)}{left}."
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
            show_warning(as_sentence(warning))
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
        told = [*self.notes.notes(), residual_in_words(result.traction)]
        notices = [
            notice
            for notice in result.notices
            if notice not in told and UNLIKE not in notice
        ]
        self._outcome = summary(result, notices)

    def _on_error(self, _run: Run, error: Exception) -> None:
        self._outcome = report(error, activity="the run")

    def _on_finished(self) -> None:
        if self._job.pending is None:
            self._source = None
        self.refresh()

    # Results

    def _on_save_clicked(self) -> None:
        kinds = {exporter.name: exporter.suffixes for exporter in io.exporters()}
        suggestion = str(self.suggested_path())
        path = ask_where_to_save(self, "Save tractions", suggestion, kinds)
        if path is not None:
            self.save(str(path))

    def suggested_path(self) -> Path:
        """A file for the tractions beside the displacements, with their name."""
        return self._results.suggested_path()

    def save(self, path: str) -> None:
        """Save the selected result, or the last one of the chosen field.

        The message then has the path or the error.

        Parameters
        ----------
        path : str
            The file, with the extension of a format that can be written.
        """
        result = self._results.to_save()
        if result is None:
            return
        try:
            model = self._config().model
            self._outcome = self._results.save(path, result, model=model)
        except (TFMError, OSError) as error:
            self._outcome = report(error, activity="saving")
        # The note must not miss an edit in place of the displacements.
        self._read(compare_data=True)
        self.refresh()

    def _on_show_clicked(self, name: str, _checked: bool = False) -> None:
        result = self._results.to_show()
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

    def _on_copy_clicked(self, way: str, _checked: bool = False) -> None:
        result = self._results.to_save()
        if result is None or result.provenance is None:
            return
        try:
            self._outcome = copy_as(way, result)
        except TFMError as error:
            self._outcome = report(error, activity="copying")
        self.refresh()
