"""The dock that turns displacements into tractions."""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils import cancelable_progress
from napari.utils.events import Event
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_vit_tfm import io
from napari_vit_tfm.config import DEVICES, REFERENCE_POISSON, ReconstructionConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.errors import in_one_line, report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.runs import describe, show_tractions, tractions_of
from napari_vit_tfm.napari.layers.tags import displacement_stack, layer_stack
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.napari.traction.run import Loaded, Result, Run, reconstruct_run
from napari_vit_tfm.napari.widgets.dock import Dock
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save
from napari_vit_tfm.napari.widgets.inputs import (
    MethodOptions,
    NumberSpin,
    PositiveSpin,
)
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import Batch
from napari_vit_tfm.units import DISPLACEMENT_UNITS, unit_label

_PA_PER_KPA = 1000.0

_DEVICE_WORDS = {
    "auto": "automatic",
    "cpu": "CPU",
    "cuda": "GPU (CUDA)",
    "mps": "GPU (Apple)",
}


_CANCELLED = "Cancelled: the layers are as they were."


class TractionDock(Dock):
    """Computes tractions from displacements.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose layers it works on.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, message_lines=3)
        self._job = LatestJob[Run, Loaded | Batch, Result](
            self,
            partial(reconstruct_run, MethodCache()),
            on_step=self._on_step,
            on_answer=self._on_result,
            on_error=self._on_error,
            on_finished=self._on_finished,
            open_bar=_open_bar,
            on_bar_cancelled=self.cancel_job,
        )
        self._source: Layer | None = None
        self._outcome = ""
        self._typed_gel = Gel()
        self._build()
        self._lay_out()
        self._connect_widgets()
        self.refresh()

    def _build(self) -> None:
        self.unit = QComboBox()
        self.unit.setPlaceholderText("choose…")
        for key, unit in DISPLACEMENT_UNITS.items():
            self.unit.addItem(unit.words, key)
        self.unit.setCurrentIndex(-1)
        self.spacing = PositiveSpin(
            "µm", "not known", "Distance between neighbouring displacement vectors."
        )
        self.pixel_size = PositiveSpin(
            "µm", "not known", "Size of a camera pixel in the specimen."
        )
        self.young = PositiveSpin(
            "kPa",
            "not known: gives t/E",
            "Stiffness of the gel. Tractions are proportional to it.",
        )
        self.poisson = NumberSpin(0.5)
        self.poisson.setSingleStep(0.01)
        self.poisson.setValue(REFERENCE_POISSON)
        self.thickness = PositiveSpin(
            "µm",
            "infinite",
            "Thickness of the gel on its rigid base. It matters where it is less "
            "than the distance over which the cell's displacements reach.",
        )
        self.options = MethodOptions()
        self.options.show_for(self.model.model())
        self.device = QComboBox()
        for device in DEVICES:
            self.device.addItem(_DEVICE_WORDS[device], device)
        self.device.setCurrentIndex(DEVICES.index(ReconstructionConfig().device))
        self.device_in_use = QLabel()
        self.run_button = QPushButton()
        self.save_button = QPushButton("Save tractions…")

    def _lay_out(self) -> None:
        device = QHBoxLayout()
        device.addWidget(self.device)
        device.addWidget(self.device_in_use)
        self._form = QFormLayout()
        self._form.setFieldGrowthPolicy(
            QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow
        )
        self._form.addRow("Displacement", self.fields)
        self._form.addRow("Its unit", self.unit)
        self._form.addRow("Pixel size", self.pixel_size)
        self._form.addRow("Vector spacing", self.spacing)
        self._form.addRow("Young's modulus", self.young)
        self._form.addRow("Poisson ratio", self.poisson)
        self._form.addRow("Gel thickness", self.thickness)
        self._form.addRow("Model", self.model)
        self._form.addRow(self.options)
        self._form.addRow("Device", device)
        layout = QVBoxLayout(self)
        layout.addLayout(self._form)
        layout.addWidget(self.run_button)
        layout.addWidget(self.message)
        layout.addWidget(self.save_button)
        layout.addStretch()

    def _connect_widgets(self) -> None:
        self.fields.chosen.connect(self._on_field_chosen)
        self.unit.currentIndexChanged.connect(self._on_unit_chosen)
        self.spacing.valueChanged.connect(self._on_spacing_typed)
        self.pixel_size.valueChanged.connect(self._on_pixel_size_typed)
        self.model.chosen.connect(self._on_model_chosen)
        self.young.valueChanged.connect(self._on_young_typed)
        self.poisson.valueChanged.connect(self._on_poisson_typed)
        self.thickness.valueChanged.connect(self._on_thickness_typed)
        self.run_button.clicked.connect(self._on_job_button)
        self.save_button.clicked.connect(self._on_save_clicked)

    def bind(self) -> None:
        """Watch the viewer's layers."""
        super().bind()
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self.refresh()

    def unbind(self) -> None:
        """Stop watching the viewer's layers; a run goes on."""
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        super().unbind()

    @property
    def job(self) -> LatestJob[Run, Loaded | Batch, Result]:
        """The run that is going on."""
        return self._job

    def refresh(self) -> None:
        """Bring buttons and message up to date."""
        running = self.is_busy
        problem = self._problem()
        self.run_button.setText("Cancel" if running else "Run")
        can_cancel = self._job.awaited is not None
        self.run_button.setEnabled(can_cancel if running else problem is None)
        self.save_button.setEnabled(self._traction() is not None)
        key = self.unit.currentData()
        needs = () if key is None else DISPLACEMENT_UNITS[key].needs
        self._show_row(self.pixel_size, "pixel_size_um" in needs)
        if not running:
            self.message.setText(problem or self._outcome)

    def _problem(self) -> str | None:
        """Why nothing can be computed now."""
        layer = self.fields.layer()
        stack = None if layer is None else displacement_stack(layer)
        if stack is None:
            return (
                "Drop a displacement file on napari, or take one from "
                "File > Open Sample."
            )
        if stack.unit is None:
            return "The file does not say the unit of its displacements: choose it."
        try:
            stack.grid_steps_per_unit()
            Substrate(self._gel()).response(spacing_um=stack.spacing_um)
        except FieldError as error:
            return in_one_line(error)
        return None

    def _show_row(self, field: QWidget, shown: bool) -> None:
        field.setVisible(shown)
        label = self._form.labelForField(field)
        if label is not None:
            label.setVisible(shown)

    # The field and what its numbers mean

    def _on_field_chosen(self) -> None:
        layer = self.fields.layer()
        stack = None if layer is None else displacement_stack(layer)
        if stack is not None:
            with (
                QSignalBlocker(self.unit),
                QSignalBlocker(self.spacing),
                QSignalBlocker(self.pixel_size),
            ):
                known = stack.unit is not None
                self.unit.setCurrentIndex(
                    self.unit.findData(stack.unit) if known else -1
                )
                self.spacing.setValue(stack.spacing_um or 0)
                self.pixel_size.setValue(stack.pixel_size_um or 0)
            self._fill_in_gel(stack)
        self._outcome = ""
        self.refresh()

    def _fill_in_gel(self, stack: DisplacementStack) -> None:
        """The gel that the field's file names, else what was typed.

        What another field's file said about its gel says nothing about this
        one's.
        """
        gel = stack.gel.filled_from(self._typed_gel)
        poisson = REFERENCE_POISSON if gel.poisson is None else gel.poisson
        thickness_um = gel.thickness_um or math.inf
        with (
            QSignalBlocker(self.young),
            QSignalBlocker(self.poisson),
            QSignalBlocker(self.thickness),
        ):
            self.young.setValue((gel.young_pa or 0) / _PA_PER_KPA)
            self.poisson.setValue(poisson)
            self.thickness.setValue(thickness_um if math.isfinite(thickness_um) else 0)

    def _on_young_typed(self) -> None:
        young_pa = self._gel().young_pa
        self._typed_gel = dataclasses.replace(self._typed_gel, young_pa=young_pa)

    def _on_poisson_typed(self) -> None:
        poisson = self._gel().poisson
        self._typed_gel = dataclasses.replace(self._typed_gel, poisson=poisson)

    def _on_thickness_typed(self) -> None:
        thickness_um = self._gel().thickness_um
        self._typed_gel = dataclasses.replace(
            self._typed_gel, thickness_um=thickness_um
        )
        # A layer needs the spacing, which may be missing.
        self.refresh()

    def _on_model_chosen(self) -> None:
        self.options.show_for(self.model.model())

    # Only what was changed is said: the others show rounded numbers.

    def _on_unit_chosen(self) -> None:
        self._describe(unit=self.unit.currentData())

    def _on_spacing_typed(self) -> None:
        self._describe(spacing_um=self.spacing.value() or None)

    def _on_pixel_size_typed(self) -> None:
        self._describe(pixel_size_um=self.pixel_size.value() or None)

    def _describe(self, **changes: Any) -> None:
        layer = self.fields.layer()
        if layer is not None:
            describe(self._viewer.layers, layer, **changes)
        self.refresh()

    # Running

    def start_job(self) -> None:
        """Start a run with what the dock says; Qt's event loop delivers its result."""
        layer = self.fields.layer()
        stack = None if layer is None else displacement_stack(layer)
        if stack is None or self.is_busy:
            return
        self._source = layer
        self._outcome = ""
        self.message.setText("Loading the model…")
        self._job.ask(Run(stack, Substrate(self._gel()), self._config()))
        self.refresh()

    def cancel_job(self, outcome: str = _CANCELLED) -> None:
        """Cancel the run.

        Parameters
        ----------
        outcome : str
            The message when it has stopped.
        """
        self._job.cancel()
        self._outcome = outcome
        self.message.setText("Stopping after this batch…")
        self.refresh()

    def _gel(self) -> Gel:
        """The gel that the dock shows."""
        return Gel(
            young_pa=self.young.value() * _PA_PER_KPA or None,
            poisson=self.poisson.value(),
            thickness_um=self.thickness.value() or math.inf,
        )

    def _config(self) -> ReconstructionConfig:
        return ReconstructionConfig(
            model=self.model.model(),
            heads=self.model.heads(),
            options=self.options.values(),
            device=self.device.currentData(),
        )

    def _on_layer_removed(self, event: Event) -> None:
        if event.value is self._source and self._job.awaited is not None:
            self.cancel_job("Cancelled: the displacement layer was removed.")
        self.refresh()

    def _on_step(self, run: Run, step: Loaded | Batch) -> None:
        done = 0
        if isinstance(step, Loaded):
            self.device_in_use.setText(f"in use: {step.device}")
        else:
            done = step.stop
        self.message.setText(f"{done} of {run.stack.n_frames} frames are done.")
        self._job.advance(done)

    def _on_result(self, _run: Run, result: Result) -> None:
        assert self._source is not None
        if self._source not in self._viewer.layers:
            self._outcome = "Dropped: the displacement layer was removed."
            return
        show_tractions(self._viewer.layers, result.traction, self._source)
        self._outcome = _summary(result)

    def _on_error(self, _run: Run, error: Exception) -> None:
        self._outcome = report(error, activity="the run")

    def _on_finished(self) -> None:
        self._source = None
        self.refresh()

    # Saving

    def _traction(self) -> TractionStack | None:
        """The tractions that were computed from the chosen field."""
        layer = self.fields.layer()
        shown = () if layer is None else tractions_of(self._viewer.layers, layer)
        for traction_layer in shown:
            if traction_layer is not None:
                stack = layer_stack(traction_layer)
                assert isinstance(stack, TractionStack)
                return stack
        return None

    def _on_save_clicked(self) -> None:
        kinds = {known.name: known.endings for known in io.written_formats()}
        path = ask_where_to_save(self, "Save tractions", "traction.h5", kinds)
        if path is not None:
            self.save(str(path))

    def save(self, path: str) -> None:
        """Save the tractions of the chosen field; the message says how it went.

        Parameters
        ----------
        path : str
            The file, with the ending of a format that is written.
        """
        stack = self._traction()
        if stack is None:
            return
        try:
            io.write_traction(path, stack)
        except (FieldError, OSError) as error:
            self._outcome = report(error, activity="saving")
        else:
            self._outcome = f"Saved {path}"
        self.refresh()


def _open_bar(run: Run) -> Any:
    """A bar in napari's activity dock, with a button that cancels the run."""
    return cancelable_progress(total=run.stack.n_frames, desc="computing tractions")


def _summary(result: Result) -> str:
    stack = result.traction
    frames = "1 frame" if stack.n_frames == 1 else f"{stack.n_frames} frames"
    rate = stack.n_frames / result.seconds
    largest = float(stack.magnitude().max())
    number = f"{largest:,.0f}" if largest >= 100 else f"{largest:.3g}"
    lines = [
        f"{frames} in {result.seconds:.1f} s, {rate:.2g} a second. "
        f"Largest traction: {number} {unit_label(stack.unit)}.",
        *result.notices,
    ]
    return "\n".join(lines)
