"""The dock that computes tractions from displacements."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.utils import cancelable_progress
from napari.utils.events import Event
from qtpy.QtWidgets import (
    QCheckBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_vit_tfm import io
from napari_vit_tfm.config import DisplayConfig, ReconstructionConfig
from napari_vit_tfm.errors import FieldError, TFMError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models.registry import min_side_of
from napari_vit_tfm.napari.errors import in_one_line, report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
    as_displacement,
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
)
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.napari.traction.run import Loaded, Result, Run, reconstruct_run
from napari_vit_tfm.napari.widgets.dock import Dock
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save
from napari_vit_tfm.napari.widgets.forms import (
    Form,
    form_layout,
)
from napari_vit_tfm.napari.widgets.inputs import (
    text_label,
)
from napari_vit_tfm.options import options_of, words_of
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import Batch, check_size
from napari_vit_tfm.units import DISPLACEMENT_UNITS, unit_label

_CANCELLED = "Cancelled. The layers are unchanged."

_COMPUTING = {
    name: option
    for name, option in options_of(ReconstructionConfig).items()
    if name != "heads"
}
"""Options in the section *Computing*; the number of heads is shown with the model."""


class TractionDock(Dock):
    """Computes tractions from displacements.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose layers are used.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, message_lines=3)
        self._job = LatestJob[Run, Loaded | Batch, Result](
            self,
            partial(reconstruct_run, MethodCache()),
            on_step=self._on_step,
            on_result=self._on_result,
            on_error=self._on_error,
            on_finished=self._on_finished,
            open_bar=_open_bar,
            on_bar_cancelled=self.cancel_job,
        )
        self._source: FieldLayers | None = None
        self._device = ""
        self._outcome = ""
        self._typed_gel = Gel()
        self._build()
        self._lay_out()
        self._connect_widgets()
        self.refresh()

    def _build(self) -> None:
        self.run_button = QPushButton()
        self.run_button.setToolTip("Compute the tractions of all frames.")
        self.update_last = QCheckBox("Update the last result")
        self.update_last.setChecked(DisplayConfig().update_last_result)
        self.update_last.setToolTip(
            "Replace the tractions in the layers of the last result of the field. "
            "Otherwise, every run adds new layers."
        )
        self.save_button = QPushButton("Save tractions…")
        self.save_button.setToolTip("Save the result that is named below.")
        self.save_note = text_label(2)

    def _lay_out(self) -> None:
        self.form.addRow("Displacement", self.fields)
        self.calibration = Form(DisplacementStack, self.form)
        self.gel = Form(Gel, self.form)
        self.add_model_rows()
        computing = QWidget()
        self.computing = Form(_COMPUTING, form_layout(computing))
        advanced = QCollapsible("Computing", expandedIcon="▼", collapsedIcon="▶")
        advanced.setDuration(0)
        advanced.setToolTip("Views, device and batch size of the computation.")
        advanced.addWidget(computing)
        layout = QVBoxLayout(self)
        layout.addLayout(self.form)
        layout.addWidget(advanced)
        layout.addWidget(self.update_last)
        layout.addWidget(self.run_button)
        layout.addWidget(self.message)
        layout.addWidget(self.save_button)
        layout.addWidget(self.save_note)
        layout.addStretch()

    def _connect_widgets(self) -> None:
        self.fields.chosen.connect(self._on_field_chosen)
        self.fields.changed.connect(self._on_field_changed)
        self.model.chosen.connect(self.refresh)
        self.calibration.changed.connect(self._on_calibration_typed)
        self.gel.changed.connect(self._on_gel_typed)
        self.method.changed.connect(self._on_method_typed)
        self.run_button.clicked.connect(self._on_job_button)
        self.save_button.clicked.connect(self._on_save_clicked)

    def bind(self) -> None:
        """Watch the viewer's layers."""
        super().bind()
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self._viewer.layers.selection.events.active.connect(self.refresh)
        self.refresh()

    def unbind(self) -> None:
        """Stop watching the viewer's layers. A run is not stopped."""
        self._viewer.layers.selection.events.active.disconnect(self.refresh)
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        super().unbind()

    @property
    def job(self) -> LatestJob[Run, Loaded | Batch, Result]:
        """The job of the current run."""
        return self._job

    def refresh(self) -> None:
        """Update buttons and message."""
        running = self.is_busy
        stack, problem = self._read()
        if stack is not None:
            problem = self._problem(stack)
        self.run_button.setText("Cancel" if running else "Run")
        can_cancel = self._job.pending is not None
        self.run_button.setEnabled(can_cancel if running else not problem)
        result = self._result()
        self.save_button.setEnabled(result is not None)
        self.save_note.setText("" if result is None else self._save_note(result, stack))
        unit = self.calibration["unit"].value
        needs = () if unit is None else DISPLACEMENT_UNITS[unit].needs
        self.calibration.show_row("pixel_size_um", "pixel_size_um" in needs)
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
                "Drop a displacement file on napari, open a sample with "
                "File > Open Sample, or add a Vectors layer."
            )
        try:
            return as_displacement(field, compare_data=compare_data), ""
        except FieldError as error:
            return None, in_one_line(error)

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
            check_size(stack, min_side_of(model), model=Path(model).stem)
            stack.grid_steps_per_unit()
            self._substrate().response(spacing_um=stack.spacing_um)
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
                "pixel_size_um": description.pixel_size_um if description else None,
            }
        )

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

    def _on_calibration_typed(self, name: str) -> None:
        self._describe({name: self.calibration[name].value})

    def _describe(self, changes: dict[str, Any]) -> None:
        """Write changed values to the layers of the field."""
        field = self.fields.field()
        if field is not None:
            try:
                if "spacing_um" in changes:
                    set_field_spacing(self._viewer.layers, field, changes["spacing_um"])
                else:
                    describe_field(self._viewer.layers, field, **changes)
            except FieldError:
                # The message says why, and the form shows what is still true.
                self._show_lengths(self._read()[0])
        self.refresh()

    # Running

    def start_job(self) -> None:
        """Start a run with the settings of the dock."""
        if self.is_busy:
            return
        field = self.fields.field()
        # napari does not report edits in place, so the data are compared now.
        stack, _ = self._read(compare_data=True)
        if stack is None:
            self.refresh()
            return
        self._source = field
        self._outcome = ""
        self.message.setText("Loading the model…")
        self._job.submit(Run(stack, self._substrate(), self._config()))
        self.refresh()

    def cancel_job(self, outcome: str = _CANCELLED) -> None:
        """Cancel the run.

        Parameters
        ----------
        outcome : str
            The message after the run has stopped.
        """
        self._job.cancel()
        self._outcome = outcome
        self.message.setText("Stopping after this batch…")
        self.refresh()

    def _substrate(self) -> Substrate:
        """The gel in the form."""
        return Substrate(Gel(**self.gel.values()))

    def _config(self) -> ReconstructionConfig:
        return ReconstructionConfig(
            model=self.model.value(),
            heads=self.method.heads(),
            options=self.method.given_values(),
            **self.computing.values(),
        )

    def _on_layer_removed(self, event: Event) -> None:
        source = self._source
        layers = (
            () if source is None else (source.first, *source.adopted_parts.values())
        )
        if event.value in layers and self._job.pending is not None:
            self.cancel_job("Cancelled, because the displacement layer was removed.")
        self.refresh()

    def _on_step(self, run: Run, step: Loaded | Batch) -> None:
        done = 0
        if isinstance(step, Loaded):
            self._device = step.device
        else:
            done = step.stop
        self.message.setText(
            f"{done} of {run.stack.n_frames} frames done, {_device_text(self._device)}."
        )
        self._job.advance(done)

    def _on_result(self, run: Run, result: Result) -> None:
        assert self._source is not None
        if self._source.first not in self._viewer.layers:
            self._outcome = "Discarded, because the displacement layer was removed."
            return
        show_tractions(
            self._viewer.layers,
            result.traction,
            self._source,
            source=run.stack,
            config=run.config,
            update_last=self.update_last.isChecked(),
        )
        self._outcome = _summary(result)

    def _on_error(self, _run: Run, error: Exception) -> None:
        self._outcome = report(error, activity="the run")

    def _on_finished(self) -> None:
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
        found = differences(computed, stack, gel, config)
        return f"{name}: {'; '.join(found)}; run again" if found else name

    def _on_save_clicked(self) -> None:
        kinds = {exporter.name: exporter.suffixes for exporter in io.exporters()}
        path = ask_where_to_save(self, "Save tractions", "traction.h5", kinds)
        if path is not None:
            self.save(str(path))

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
            io.check_output(path, inputs=source_files(self._viewer.layers))
            io.write_traction(path, result.stack())
        except (TFMError, OSError) as error:
            self._outcome = report(error, activity="saving")
        else:
            self._outcome = f"Saved {path}"
        # The note must not miss an edit in place of the displacements.
        self._read(compare_data=True)
        self.refresh()


def _open_bar(run: Run) -> Any:
    """Open a progress bar, with a cancel button, in napari's activity dock."""
    return cancelable_progress(total=run.stack.n_frames, desc="computing tractions")


def _device_text(device: str) -> str:
    """Text for the device of a run, such as "on the CPU"."""
    return f"on the {words_of(ReconstructionConfig, 'device')[device]}"


def _summary(result: Result) -> str:
    stack = result.traction
    frames = "1 frame" if stack.n_frames == 1 else f"{stack.n_frames} frames"
    rate = stack.n_frames / result.seconds
    largest = stack.longest()
    number = f"{largest:,.0f}" if largest >= 100 else f"{largest:.3g}"
    lines = [
        f"{frames} in {result.seconds:.1f} s {_device_text(result.device)}, "
        f"{rate:.2g} per second. "
        f"Largest traction: {number} {unit_label(stack.unit)}.",
        *result.notices,
    ]
    return "\n".join(lines)
