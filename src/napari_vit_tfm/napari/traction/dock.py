"""The dock that turns displacements into tractions."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from typing import Any

from napari.components import ViewerModel
from napari.qt.threading import create_worker
from napari.utils import cancelable_progress
from napari.utils.events import Event
from napari.utils.notifications import show_error
from qtpy.QtGui import QHideEvent, QShowEvent
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
from napari_vit_tfm.napari.errors import in_one_line, is_expected
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
    as_displacement,
)
from napari_vit_tfm.napari.layers.registry import description_of
from napari_vit_tfm.napari.layers.results import (
    ResultLayers,
    describe_field,
    differences,
    method_words,
    result_of,
    results_of,
    set_field_spacing,
    show_tractions,
)
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.napari.traction.run import (
    Result,
    Run,
    Update,
    reconstruct_in_batches,
)
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save
from napari_vit_tfm.napari.widgets.forms import (
    Form,
    form_layout,
    need_focus_for_wheel,
)
from napari_vit_tfm.napari.widgets.inputs import (
    FieldChooser,
    MethodForm,
    ModelChooser,
    text_label,
)
from napari_vit_tfm.options import Choice, options_of
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.units import DISPLACEMENT_UNITS, unit_label

logger = logging.getLogger(__name__)

_COMPUTING = {
    name: option
    for name, option in options_of(ReconstructionConfig).items()
    if name != "heads"
}
"""Options of a run in its own section; the number of heads belongs to the model."""


class TractionDock(QWidget):
    """Displacements in, tractions out.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose layers it works on.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._methods = MethodCache()
        self._token = 0
        self._worker: Any = None
        self._progress: Any = None
        self._run: Run | None = None
        self._source: FieldLayers | None = None
        self._outcome = ""
        self._typed_gel = Gel()
        self._build()
        self._lay_out()
        self._connect_widgets()
        self.refresh()

    def _build(self) -> None:
        self.fields = FieldChooser(self._viewer.layers)
        self.fields.setToolTip("The displacements to compute tractions from.")
        self.model = ModelChooser()
        self.model.setToolTip("The network or the method that computes the tractions.")
        self.run_button = QPushButton()
        self.run_button.setToolTip("Compute the tractions of all frames.")
        self.message = text_label(3)
        self.update_last = QCheckBox("Update the last result")
        self.update_last.setChecked(DisplayConfig().update_last_result)
        self.update_last.setToolTip(
            "The next run replaces the tractions in the layers of the field's last "
            "result. Without it, every run gets layers of its own."
        )
        self.save_button = QPushButton("Save tractions…")
        self.save_button.setToolTip("Save the result that is named below to a file.")
        self.save_note = text_label(2)

    def _lay_out(self) -> None:
        form = form_layout()
        form.addRow("Displacement", self.fields)
        self.calibration = Form(options_of(DisplacementStack), form)
        self.gel = Form(options_of(Gel), form)
        form.addRow("Model", self.model)
        self.method = MethodForm(form)
        self.method.show_for(self.model.model())
        computing = QWidget()
        self.computing = Form(_COMPUTING, form_layout(computing))
        advanced = QCollapsible("Computing", expandedIcon="▼", collapsedIcon="▶")
        advanced.setDuration(0)
        advanced.addWidget(computing)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(advanced)
        layout.addWidget(self.update_last)
        layout.addWidget(self.run_button)
        layout.addWidget(self.message)
        layout.addWidget(self.save_button)
        layout.addWidget(self.save_note)
        layout.addStretch()
        need_focus_for_wheel(self.fields)
        need_focus_for_wheel(self.model)

    def _connect_widgets(self) -> None:
        self.fields.chosen.connect(self._on_field_chosen)
        self.fields.changed.connect(self._on_field_changed)
        self.model.chosen.connect(self._on_model_chosen)
        self.calibration.changed.connect(self._on_calibration_typed)
        self.gel.changed.connect(self._on_gel_typed)
        self.method.changed.connect(self._on_method_typed)
        self.run_button.clicked.connect(self._on_run_clicked)
        self.save_button.clicked.connect(self._on_save_clicked)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Watch the layers while the dock is seen."""
        super().showEvent(event)
        self.bind()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Leave the layers alone while the dock is not seen; a run goes on."""
        super().hideEvent(event)
        self.unbind()

    def bind(self) -> None:
        """Watch the viewer's layers."""
        self.fields.bind()
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self._viewer.layers.selection.events.active.connect(self.refresh)
        self.refresh()

    def unbind(self) -> None:
        """Stop watching the viewer's layers."""
        self._viewer.layers.selection.events.active.disconnect(self.refresh)
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.fields.unbind()

    @property
    def is_busy(self) -> bool:
        """Whether a run is going on, one that is being cancelled included."""
        return self._worker is not None

    @property
    def _is_cancelled(self) -> bool:
        """Whether the run that is going on is one whose results are stale."""
        return self._run is not None and self._run.token != self._token

    def refresh(self) -> None:
        """Bring buttons and message up to date."""
        running = self.is_busy
        problem = self._problem()
        self.run_button.setText("Cancel" if running else "Run")
        self.run_button.setEnabled(
            not self._is_cancelled if running else problem is None
        )
        result = self._result()
        self.save_button.setEnabled(result is not None)
        self.save_note.setText("" if result is None else self._note_on(result))
        unit = self.calibration["unit"].value
        needs = () if unit is None else DISPLACEMENT_UNITS[unit].needs
        self.calibration.show_row("pixel_size_um", "pixel_size_um" in needs)
        if not running:
            self.message.setText(problem or self._outcome)

    def _problem(self) -> str | None:
        """Why nothing can be computed now."""
        field = self.fields.field()
        if field is None:
            return (
                "Drop a displacement file on napari, take one from "
                "File > Open Sample, or add a Vectors layer."
            )
        try:
            stack = as_displacement(field)
            if stack.unit is None:
                origin = "layer" if field.parts else "file"
                return (
                    f"The {origin} does not say the unit of its displacements: "
                    "choose it."
                )
            stack.grid_steps_per_unit()
            self._substrate().response(spacing_um=stack.spacing_um)
        except TFMError as error:
            return in_one_line(error)
        return None

    # The field and what its numbers mean

    def _on_field_chosen(self) -> None:
        stack = self._stack()
        self._show_lengths()
        if stack is not None:
            self._fill_in_gel(stack)
        self._outcome = ""
        self.refresh()

    def _on_field_changed(self) -> None:
        self._show_lengths()
        self.refresh()

    def _stack(self) -> DisplacementStack | None:
        """The chosen field; None if there is none that can be used."""
        field = self.fields.field()
        if field is None:
            return None
        try:
            return as_displacement(field)
        except FieldError:
            # The message says why.
            return None

    def _show_lengths(self) -> None:
        """Show unit, spacing and pixel size of the field's layers."""
        field, stack = self.fields.field(), self._stack()
        description = None if field is None else description_of(field.lead)
        self.calibration.show_values(
            {
                "unit": description.unit if description else None,
                "spacing_um": stack.spacing_um if stack else None,
                "pixel_size_um": description.pixel_size_um if description else None,
            }
        )

    def _fill_in_gel(self, stack: DisplacementStack) -> None:
        """Show the gel that the field's file names, else what was typed.

        What another field's file says about its gel is not about this field.
        """
        gel = stack.gel.filled_from(self._typed_gel)
        if not gel.is_layer:
            gel = dataclasses.replace(gel, thickness_um=None)
        self.gel.show_values(dataclasses.asdict(gel))

    def _on_gel_typed(self, name: str) -> None:
        typed = {name: self.gel[name].value}
        self._typed_gel = dataclasses.replace(self._typed_gel, **typed)
        # Results may be of another gel now, and a layer needs the spacing.
        self.refresh()

    def _on_model_chosen(self) -> None:
        self.method.show_for(self.model.model())
        self.refresh()

    def _on_method_typed(self, _name: str) -> None:
        self.refresh()

    def _on_calibration_typed(self, name: str) -> None:
        """Write what was changed to the field's layers."""
        field, value = self.fields.field(), self.calibration[name].value
        if field is not None:
            with contextlib.suppress(FieldError):
                if name == "spacing_um":
                    set_field_spacing(self._viewer.layers, field, value)
                else:
                    describe_field(field, **{name: value})
        self.refresh()

    # Running

    def _on_run_clicked(self) -> None:
        if not self.is_busy:
            self.run()
        else:
            self._cancel("Cancelled: the layers are as they were.")

    def run(self) -> None:
        """Start a run with what the dock says; Qt's event loop delivers its result."""
        field, stack = self.fields.field(), self._stack()
        if self.is_busy:
            return
        if stack is None:
            # napari does not tell of edits in place: the reason may be new.
            self.refresh()
            return
        self._token += 1
        self._source = field
        self._outcome = ""
        self._run = Run(self._token, stack, self._substrate(), self._config())
        self._worker = create_worker(
            reconstruct_in_batches,
            self._run,
            self._methods,
            _start_thread=False,
            _ignore_errors=True,
        )
        self._worker.yielded.connect(self._on_yielded)
        self._worker.returned.connect(self._on_returned)
        self._worker.errored.connect(self._on_errored)
        self._worker.finished.connect(self._on_finished)
        # A dock that is destroyed in mid-run takes its run along.
        self.destroyed.connect(self._worker.quit)
        self.message.setText("Loading the model…")
        self.refresh()
        # napari's progress bars let Qt handle events whenever they change, so
        # this comes when the dock knows that it is busy.
        self._progress = cancelable_progress(
            total=stack.n_frames, desc="computing tractions"
        )
        self._worker.start()

    def _substrate(self) -> Substrate:
        """The gel that the dock shows."""
        return Substrate(Gel(**self.gel.values()))

    def _config(self) -> ReconstructionConfig:
        return ReconstructionConfig(
            model=self.model.model(),
            heads=self.model.heads(),
            options=self.method.given(),
            **self.computing.values(),
        )

    def _cancel(self, outcome: str) -> None:
        # Whatever the worker still has to say is stale from now on.
        self._token += 1
        self._outcome = outcome
        self._worker.quit()
        self.message.setText("Stopping after this batch…")
        self.refresh()

    def _on_layer_removed(self, event: Event) -> None:
        source = self._source
        is_source = source is not None and event.value in source.parts.values()
        if source is not None and event.value == source.lead:
            is_source = True
        if is_source and not self._is_cancelled:
            self._cancel("Cancelled: the displacement layer was removed.")
        self.refresh()

    def _on_yielded(self, update: Update) -> None:
        if update.token != self._token:
            return
        if self._progress.is_canceled:
            self._cancel("Cancelled: the layers are as they were.")
            return
        progress = self._progress
        self.message.setText(
            f"{update.done} of {progress.total} frames are done, {_on(update.device)}."
        )
        # Last, since the end of the run may be handled in here.
        progress.update(update.done - progress.n)

    def _on_returned(self, result: Result) -> None:
        if result.token != self._token:
            return
        assert self._source is not None
        assert self._run is not None
        if self._source.lead not in self._viewer.layers:
            self._outcome = "Dropped: the displacement layer was removed."
            return
        show_tractions(
            self._viewer.layers,
            result.traction,
            self._source,
            source=self._run.stack,
            method=method_words(self._run.config),
            update_last=self.update_last.isChecked(),
        )
        self._outcome = _summary(result)

    def _on_errored(self, error: Exception) -> None:
        if self._is_cancelled:
            return
        if not is_expected(error):
            logger.error("the run failed", exc_info=error)
        self._outcome = in_one_line(error)
        show_error(self._outcome)

    def _on_finished(self) -> None:
        self.destroyed.disconnect(self._worker.quit)
        self._worker = self._run = self._source = None
        self._progress.close()
        self._progress = None
        self.refresh()

    # Saving

    def _result(self) -> ResultLayers | None:
        """The result that *Save* saves: the selected one, else the field's last."""
        layers = self._viewer.layers
        selected = result_of(layers, layers.selection.active)
        if selected is not None:
            return selected
        field = self.fields.field()
        results = [] if field is None else results_of(layers, field)
        return results[-1] if results else None

    def _note_on(self, result: ResultLayers) -> str:
        """The name of a result, and how it differs from what the dock shows."""
        name, stack = str(result.layers[0].name), self._stack()
        field = self.fields.field()
        description = None if field is None else description_of(field.lead)
        if stack is None or description is None:
            return name
        computed = result.description
        if computed.source_id not in (None, description.field_id):
            return f"{name}: of another field"
        found = differences(
            computed, stack, self._substrate().gel, method_words(self._config())
        )
        return f"{name}: {'; '.join(found)}: run again" if found else name

    def _on_save_clicked(self) -> None:
        kinds = {known.name: known.suffixes for known in io.exporters()}
        path = ask_where_to_save(self, "Save tractions", "traction.h5", kinds)
        if path is not None:
            self.save(str(path))

    def save(self, path: str) -> None:
        """Save the selected result, else the field's last one.

        The message says how it went.

        Parameters
        ----------
        path : str
            The file, with the ending of a format that is written.
        """
        result = self._result()
        if result is None:
            return
        try:
            io.write_traction(path, result.stack())
        except (TFMError, OSError) as error:
            self._outcome = in_one_line(error)
            show_error(self._outcome)
        else:
            self._outcome = f"Saved {path}"
        self.refresh()


def _on(device: str) -> str:
    """Where a run is computed, such as "on the CPU"."""
    about = _COMPUTING["device"].about
    assert isinstance(about, Choice)
    return f"on the {about.words[device]}"


def _summary(result: Result) -> str:
    stack = result.traction
    frames = "1 frame" if stack.n_frames == 1 else f"{stack.n_frames} frames"
    rate = stack.n_frames / result.seconds
    largest = float(stack.magnitude().max())
    number = f"{largest:,.0f}" if largest >= 100 else f"{largest:.3g}"
    lines = [
        f"{frames} in {result.seconds:.1f} s {_on(result.device)}, {rate:.2g} a "
        f"second. "
        f"Largest traction: {number} {unit_label(stack.unit)}.",
        *result.notices,
    ]
    return "\n".join(lines)
