"""The dock that measures the quantities of cells."""

from __future__ import annotations

import operator
import weakref
from functools import partial
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Labels, Layer

from napari_vit_tfm.errors import FieldError, TFMError
from napari_vit_tfm.napari.errors import in_one_line, report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.metadata import Description
from napari_vit_tfm.napari.layers.placing import frame_at, world_at
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
    files_behind,
    find_tractions,
    source_files,
)
from napari_vit_tfm.napari.layers.registry import description_of
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.napari.quantities.features import write_features
from napari_vit_tfm.napari.quantities.kept import Kept, Running
from napari_vit_tfm.napari.quantities.measured import Measured, factors, names_of
from napari_vit_tfm.napari.quantities.measuring import (
    Outcome,
    Request,
    Step,
    measure_request,
)
from napari_vit_tfm.napari.quantities.other_chooser import field_id_of
from napari_vit_tfm.napari.quantities.overlays import Overlays
from napari_vit_tfm.napari.quantities.rows import QuantitiesRows
from napari_vit_tfm.napari.widgets.cancel_button_progress import CancelButtonProgress
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save
from napari_vit_tfm.quantities import (
    write_table,
)
from napari_vit_tfm.quantities.tables import check_table

_INTRODUCTION = "Measures energies, forces and moments of the cells in each frame."
_NO_COMMON_UNITS = (
    "The layers have no common units, so the cells are where the viewer shows them: "
    "check with “Show regions and rings” that they lie on the tractions."
)
_FRACTIONS_OF_YOUNG = (
    "The error of Young's modulus does not change numbers in fractions of it."
)
_NO_CONTROL_HERE = "No control of the plotted quantity in the shown frame."

_STALE = "Measured with other settings, or before a change: measure again."


class QuantitiesDock(QuantitiesRows):
    """Measures tractions in cells, and shows a table and a plot over time.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose layers are used.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self._job = LatestJob[Request, Step, Outcome](
            self,
            partial(measure_request, MethodCache()),
            on_step=self._on_step,
            on_result=self._on_result,
            on_error=self._on_error,
            on_finished=self._on_finished,
            open_bar=self._open_bar,
        )
        self._kept: dict[str, Kept] = {}
        self._running: Running | None = None
        self._shown: Measured | None = None
        self._overlays = Overlays(napari_viewer.layers)
        self._outcome = ""
        self._connect_widgets()
        self.refresh()

    def _connect_widgets(self) -> None:
        self.fields.chosen.connect(self._on_field_chosen)
        self.fields.changed.connect(self.refresh)
        self.region.changed.connect(self._on_settings)
        self.other.currentIndexChanged.connect(self._on_settings)
        self.beside.changed.connect(self._on_settings)
        self.dilation.changed.connect(self._on_settings)
        self.errors.changed.connect(self._on_error_option)
        self.is_corrected.toggled.connect(self._on_settings)
        self.same_cells.toggled.connect(self._on_settings)
        self.show_regions.toggled.connect(self._draw_regions)
        self.quantity.currentIndexChanged.connect(self._plot)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.plot.frame_chosen.connect(self.go_to_frame)
        self.tabs.cells.line_opened.connect(self._on_row_opened)
        self.tabs.adhesions.line_chosen.connect(self.mark_adhesion)
        self.measure_button.clicked.connect(self._on_job_button)
        self.copy_button.clicked.connect(self._on_copy_clicked)
        self.save_button.clicked.connect(self._on_save_clicked)

    def bind(self) -> None:
        """Watch the viewer's layers and its frame."""
        super().bind()
        self.region.bind()
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self._viewer.dims.events.current_step.connect(self._on_frame)
        self._on_active_layer()
        self._on_field_chosen()
        if self._overlays.regions is None:
            self._draw_regions()

    def unbind(self) -> None:
        """Stop watching, and remove what is drawn. A measurement is not stopped."""
        self._viewer.dims.events.current_step.disconnect(self._on_frame)
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.region.unbind()
        super().unbind()
        self.other.list_for((), None)
        self.beside.list_for((), None)
        self._overlays.erase_regions()
        self._overlays.erase_outline()

    @property
    def job(self) -> LatestJob[Request, Step, Outcome]:
        """The job that measures."""
        return self._job

    @property
    def measured(self) -> Measured | None:
        """The measurement that is shown."""
        return self._shown

    # What is shown

    def refresh(self) -> None:
        """Show the measurement of the chosen field, and update buttons and message."""
        self.other.list_for(self._viewer.layers, self.fields.field())
        self.beside.list_for(self._viewer.layers, self.fields.field())
        has_others = self.beside.count() > 0
        self.beside.setVisible(has_others)
        label = self.form.labelForField(self.beside)
        assert label is not None
        label.setVisible(has_others)
        stack, problem = self._read(self.fields.field())
        kept = self._kept_of_field()
        running = self._job.pending is not None
        self.measure_button.setText("Cancel" if running else "Measure")
        self.measure_button.setEnabled(running or stack is not None)
        region = self.region.value()
        self.same_cells.setVisible(not isinstance(region, str) and region.ndim == 3)
        self.errors.show_row("n_runs", self._has_control)
        self._show(None if kept is None else kept.measured)
        for button in (self.copy_button, self.save_button):
            button.setEnabled(self._shown is not None)
        if not running:
            self.message.setText(problem or self._sentences(kept))

    def _sentences(self, kept: Kept | None) -> str:
        if kept is None:
            return self._outcome or _INTRODUCTION
        stacks = [self._read(one)[0] for one in self._measured_fields()]
        measured_stacks = [reference() for reference in kept.tractions]
        is_current = (
            kept.settings == self._settings()
            and len(stacks) == len(measured_stacks)
            and all(map(operator.is_, stacks, measured_stacks))
        )
        stale = "" if is_current else _STALE
        measured = kept.measured
        about = [measured.comparison, self._gel_in_words(measured), *measured.notes()]
        return "\n".join(filter(None, [self._outcome, stale, *about]))

    def _gel_in_words(self, measured: Measured) -> str:
        gel = self._gel()
        if gel is None:
            return ""
        if measured.scale.traction != "Pa":
            return _FRACTIONS_OF_YOUNG
        return (
            "Error of Young's modulus, which all cells and frames have in common: one "
            f"factor, {factors(gel)}. It is in no interval."
        )

    def _show(self, measured: Measured | None) -> None:
        if measured is not self._shown:
            self._shown = measured
            self.plotted.list_quantities(measured)
            self._show_tables()
            for widget in (self.quantity, self.kind, self.plot, self.tabs):
                widget.setVisible(measured is not None)
            self._plot()
            self._draw_regions()
            self._overlays.erase_outline()
        self._on_frame()

    def _plot(self) -> None:
        self.plotted.draw(self._shown, self._gel())
        self._show_control()

    def _show_tables(self) -> None:
        self.tabs.show_measured(self._shown, self._gel())

    def _show_control(self) -> None:
        """Show the control of the plotted quantity in the shown frame."""
        quantity, measured, frame = self.plotted.chosen(), self._shown, self._frame()
        if quantity is None or measured is None:
            return
        if frame is None:
            self.tabs.show_control([_NO_CONTROL_HERE])
            return
        column = quantity.column(measured.scale)
        found = measured.control_in_words(column, frame)
        self.tabs.show_control(found or [_NO_CONTROL_HERE])

    def _draw_regions(self) -> None:
        """Show the regions of the measurement as a layer, or remove it."""
        self._overlays.erase_regions()
        field, measured = self.fields.field(), self._shown
        if field is None or measured is None or not self.show_regions.isChecked():
            return
        self._overlays.show_regions(measured, field)
        self._write_features()

    def _on_active_layer(self) -> None:
        if not self._overlays.is_adding:
            super()._on_active_layer()

    def mark_adhesion(self, line: int) -> None:
        """Outline an adhesion on the canvas, and go to its frame.

        Parameters
        ----------
        line : int
            Its line in the table of adhesions, as measured.
        """
        assert self._shown is not None
        measured, adhesion = self._shown.listed_adhesions()[line]
        field = self._field_of(measured.field_id)
        if field is None:
            # They were removed since they were measured.
            return
        self._overlays.show_outline(adhesion, field)
        self._go_to(field.first, adhesion.frame)

    def _field_of(self, field_id: str) -> FieldLayers | None:
        """Tractions by their identity; None if they were removed."""
        found = find_tractions(self._viewer.layers)
        return next((one for one in found if field_id_of(one) == field_id), None)

    # The shown frame

    def _frame(self) -> int | None:
        """The frame of the chosen field that the viewer shows."""
        field, measured = self.fields.field(), self._shown
        if field is None or measured is None:
            return None
        dims = self._viewer.dims
        return frame_at(field.first, dims.point, measured.n_frames, dims.units)

    def _on_frame(self) -> None:
        self.plot.mark_frame(self._frame())
        self._show_control()
        self._write_features()

    def _write_features(self) -> None:
        """Write the numbers of the shown frame to the features of Labels layers."""
        frame, kept = self._frame(), self._kept_of_field()
        if frame is None or kept is None:
            return
        chosen = None if kept.labels is None else kept.labels()
        for layer in (chosen, self._overlays.regions):
            if layer is not None and layer in self._viewer.layers:
                write_features(layer, kept.measured, frame)

    def go_to_frame(self, frame: int) -> None:
        """Move the viewer's slider to a frame of the chosen field."""
        field = self.fields.field()
        if field is not None:
            self._go_to(field.first, frame)

    def _go_to(self, layer: Layer, frame: int) -> None:
        dims = self._viewer.dims
        if layer.ndim == 3:
            place, _, _ = world_at(layer, (frame, 0, 0), dims.units)
            dims.set_point(dims.ndim - 3, place)

    def _on_row_opened(self, line: int) -> None:
        assert self._shown is not None
        measured, row = self._shown.listed_rows()[line]
        field = self._field_of(measured.field_id)
        if field is not None:
            self._go_to(field.first, row.frame)

    # User input

    def _on_field_chosen(self) -> None:
        stack, _ = self._read(self.fields.field())
        outline = None if stack is None else stack.outline
        self.region.show_for(has_outline=outline is not None)
        self._outcome = ""
        self.refresh()

    def _on_settings(self) -> None:
        self._outcome = ""
        self.refresh()

    def _on_error_option(self, name: str) -> None:
        if name == "young_error":
            # It changes nothing that is measured.
            self._show_tables()
            self._plot()
        self._on_settings()

    def _on_kind(self) -> None:
        self.plotted.list_quantities(self._shown)
        self._plot()

    def _on_layer_removed(self) -> None:
        present = {description.field_id for description in self._descriptions()}
        self._kept = {key: one for key, one in self._kept.items() if key in present}
        regions = self._overlays.regions
        if regions is not None and regions not in self._viewer.layers:
            self.show_regions.setChecked(False)
        self.refresh()

    def _descriptions(self) -> list[Description]:
        found = (description_of(layer) for layer in self._viewer.layers)
        return [one for one in found if one is not None]

    # Measuring

    def start_job(self) -> None:
        """Measure the chosen tractions with the settings of the dock."""
        field, other = self.fields.field(), self.other.field()
        if self._job.pending is not None or field is None:
            return
        try:
            request = self._request()
        except FieldError as error:
            self._outcome = in_one_line(error)
            self.refresh()
            return
        region = self.region.value()
        labels = weakref.ref(region) if isinstance(region, Labels) else None
        has_layer = not isinstance(region, str)
        is_doubtful = has_layer and self._viewer.dims.units is None
        self._outcome = _NO_COMMON_UNITS if is_doubtful else ""
        self._running = Running(field, other, self._settings(), labels)
        self.message.setText("Measuring…")
        self._job.submit(request)
        self.refresh()

    def cancel_job(self) -> None:
        """Cancel the measurement."""
        self._job.cancel()
        self._outcome = "Cancelled."
        self.refresh()

    def _on_step(self, _request: Request, step: Step) -> None:
        self.message.setText(step.words)
        self._job.advance(step.done)

    def _open_bar(self, request: Request) -> CancelButtonProgress:
        """Open a progress bar, with a cancel button, in napari's activity dock."""
        return CancelButtonProgress(
            total=request.n_steps,
            desc="measuring quantities",
            cancel_callback=self.cancel_job,
        )

    def _on_result(self, request: Request, outcome: Outcome) -> None:
        running, measured = self._running, outcome.measured
        assert running is not None
        if running.field.first not in self._viewer.layers:
            self._outcome = "Discarded, because the tractions were removed."
            return
        tractions = tuple(weakref.ref(one.traction) for one in request.sources)
        kept = Kept(measured, running.settings, tractions, running.labels)
        self._kept[field_id_of(running.field)] = kept
        if outcome.difference is not None:
            names = names_of([one.origin for one in measured.tractions[:2]])
            assert running.other is not None
            fields = (running.field, running.other)
            self._overlays.show_difference(outcome.difference, fields, names)

    def _on_error(self, _request: Request, error: Exception) -> None:
        self._outcome = report(error, activity="the measurement")

    def _on_finished(self) -> None:
        if self._job.pending is None:
            self._running = None
        self.refresh()

    def _kept_of_field(self) -> Kept | None:
        field = self.fields.field()
        return None if field is None else self._kept.get(field_id_of(field))

    # Copying and saving

    def _on_copy_clicked(self) -> None:
        self.tabs.shown_table.copy()

    def _on_save_clicked(self) -> None:
        suggestion = str(self.suggested_path())
        kinds = {"Table": (".csv",)}
        what = self.tabs.shown_name
        path = ask_where_to_save(self, f"Save {what}", suggestion, kinds)
        if path is not None:
            self.save(path)

    def suggested_path(self) -> Path:
        """A table beside the displacements, with the name of the field."""
        files = source_files(self._viewer.layers)
        folder = Path(files[0]).parent if files else Path()
        field = self.fields.field()
        title = "" if field is None else field.title
        what = self.tabs.shown_name
        return folder / (f"{title}_{what}.csv" if title else f"{what}.csv")

    def save(self, path: str | Path) -> None:
        """Save the table whose tab is shown; the message has the path or the error.

        Parameters
        ----------
        path : path
            A CSV file.
        """
        if self._shown is None:
            return
        try:
            check_table(path, inputs=files_behind(self._viewer.layers))
            write_table(path, self.tabs.shown_table.table)
        except (TFMError, OSError) as error:
            self._outcome = report(error, activity="saving")
        else:
            self._outcome = f"Saved {path}"
        self.refresh()
