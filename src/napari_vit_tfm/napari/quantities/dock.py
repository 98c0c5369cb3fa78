"""The dock that measures the quantities of cells."""

from __future__ import annotations

import dataclasses
import math
import operator
import weakref
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QPushButton,
)

from napari_vit_tfm.config import ControlConfig, QuantitiesConfig
from napari_vit_tfm.errors import FieldError, TFMError
from napari_vit_tfm.fields import TractionStack
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
from napari_vit_tfm.napari.quantities.cells import cells_at_vectors
from napari_vit_tfm.napari.quantities.features import write_features
from napari_vit_tfm.napari.quantities.lines import lines_of_changes, lines_of_values
from napari_vit_tfm.napari.quantities.measured import Measured, factors, names_of
from napari_vit_tfm.napari.quantities.measuring import (
    Numbers,
    Outcome,
    Request,
    Source,
    Step,
    measure_request,
)
from napari_vit_tfm.napari.quantities.other_chooser import OtherChooser, field_id_of
from napari_vit_tfm.napari.quantities.overlays import Overlays
from napari_vit_tfm.napari.quantities.plot import TimePlot
from napari_vit_tfm.napari.quantities.region_chooser import RegionChooser
from napari_vit_tfm.napari.quantities.sources import as_traction, source_of
from napari_vit_tfm.napari.quantities.tabs import ResultTabs
from napari_vit_tfm.napari.quantities.traction_list import TractionList
from napari_vit_tfm.napari.widgets.cancel_button_progress import CancelButtonProgress
from napari_vit_tfm.napari.widgets.dock import FieldDock
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save
from napari_vit_tfm.napari.widgets.forms import (
    Form,
    form_section,
    may_shrink,
    need_focus_for_wheel,
)
from napari_vit_tfm.options import Choice, Option, options_of
from napari_vit_tfm.quantities import (
    QUANTITIES,
    Interval,
    Quantity,
    gel_factors,
    write_table,
)
from napari_vit_tfm.quantities.tables import check_table

_DILATION = {"dilation_um": options_of(QuantitiesConfig)["dilation_um"]}
_ERRORS = {
    "young_error": options_of(QuantitiesConfig)["young_error"],
    "control": Option(
        "control",
        "none",
        Choice(
            label="Control without force",
            help="Reconstruct the displacement without the force of each cell many "
            "times, with new noise, and measure what is found: noise floor and p of "
            "every quantity. It needs the displacements and the method of the "
            "tractions",
            words={
                "none": "none",
                "shown": "of the shown frame",
                "all": "of all frames",
            },
        ),
    ),
    **options_of(ControlConfig),
}
_N_CONTROLS = QuantitiesConfig.n_controls

_INTRODUCTION = "Measures energies, forces and moments of the cells in each frame."
_NO_FIELD = "Compute tractions, or open a file of tractions."
_NO_COMMON_UNITS = (
    "The layers have no common units, so the cells are where the viewer shows them: "
    "check with “Show regions and rings” that they lie on the tractions."
)
_FRACTIONS_OF_YOUNG = (
    "The error of Young's modulus does not change numbers in fractions of it."
)
_NO_CONTROL_HERE = "No control of the plotted quantity in the shown frame."

_KINDS = {"values": "values", "changes": "changes"}
"""What the plot shows."""

_STALE = "Measured with other settings, or before a change: measure again."


@dataclass(frozen=True)
class Settings:
    """What a measurement depends on, to notice that it is out of date."""

    region: str
    dilation_um: float | None
    has_same_cells: bool
    is_corrected: bool
    control: str
    n_runs: int | None
    other: str
    beside: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Kept:
    """A measurement, with what it was measured from.

    Parameters
    ----------
    measured : Measured
        The quantities.
    settings : Settings
        Region, dilation, and the other tractions.
    tractions : tuple of weak references to TractionStack
        All tractions. The layers return the same stack as long as nothing changes.
    labels : weak reference to Labels, optional
        The layer with the cells, if it is a Labels layer.
    """

    measured: Measured
    settings: Settings
    tractions: tuple[weakref.ref[TractionStack], ...]
    labels: weakref.ref[Labels] | None = None


@dataclass(frozen=True, eq=False)
class Running:
    """What is being measured.

    Parameters
    ----------
    field : FieldLayers
        The tractions.
    other : FieldLayers, optional
        Those that they are compared with.
    settings, labels
        As for `Kept`.
    """

    field: FieldLayers
    other: FieldLayers | None
    settings: Settings
    labels: weakref.ref[Labels] | None


class QuantitiesDock(FieldDock):
    """Measures tractions in cells, and shows a table and a plot over time.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose layers are used.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, message_lines=2, find=find_tractions)
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
        self._build()
        self._lay_out()
        self._connect_widgets()
        self.refresh()

    def _build(self) -> None:
        self.fields.setPlaceholderText("no tractions")
        self.fields.setToolTip("The tractions to measure.")
        self.region = RegionChooser(self._viewer.layers)
        self.region.setToolTip(
            "The cells: the whole field, the outline in the file, a Labels layer with "
            "the number of each cell, or a Shapes layer with one shape for each cell."
        )
        self.other = OtherChooser()
        self.other.setToolTip(
            "Other tractions of the same field. Both are measured, and their "
            "difference is added as a layer."
        )
        self.beside = TractionList()
        self.beside.setToolTip(
            "Other tractions to measure, too: of this field by other methods, or of "
            "other fields. The same region is taken for all of them."
        )
        self.is_corrected = QCheckBox("Correct the total force for noise")
        self.is_corrected.setToolTip(
            "Reconstruct every frame again without the forces of the cells, with new "
            f"noise, {_N_CONTROLS} times, and subtract what is found from the total "
            "force. It needs the displacements and the method of the tractions."
        )
        self.same_cells = QCheckBox("Cells of the shown frame in all frames")
        self.same_cells.setToolTip(
            "Use the cells of a layer that are drawn in the shown frame in every frame."
        )
        self.show_regions = QCheckBox("Show regions and rings")
        self.show_regions.setToolTip(
            "Show where forces are summed, and the ring of the leak, as a layer."
        )
        self.quantity, self.kind = QComboBox(), QComboBox()
        self.quantity.setToolTip("The quantity in the plot.")
        self.kind.setToolTip(
            "The quantity in each frame, or its change from the frame before: the "
            "ratio of positive quantities, the difference of others."
        )
        for key, words in _KINDS.items():
            self.kind.addItem(words, key)
        may_shrink(self.quantity)
        boxes = (self.region, self.other, self.quantity, self.kind)
        for box in boxes:
            need_focus_for_wheel(box)
        self.plot, self.tabs = TimePlot(), ResultTabs()
        self.measure_button = QPushButton()
        self.measure_button.setToolTip("Measure all frames.")
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip(
            "Copy the shown table, or its selected cells, as text."
        )
        self.save_button = QPushButton("Save CSV…")
        self.save_button.setToolTip("Save the shown table.")

    def _lay_out(self) -> None:
        self.form.addRow("Tractions", self.fields)
        self.form.addRow("Region", self.region)
        self.dilation = Form(_DILATION, self.form)
        self.form.addRow("Compare with", self.other)
        self.form.addRow("Side by side", self.beside)
        self.rows.addLayout(self.form)
        self.errors, section = form_section(
            "Errors and control", _ERRORS, "How sure the quantities are."
        )
        self.rows.addWidget(section)
        self.rows.addWidget(self.same_cells)
        self.rows.addWidget(self.is_corrected)
        self.rows.addWidget(self.show_regions)
        self.rows.addWidget(self.message)
        plotted = QHBoxLayout()
        plotted.addWidget(self.quantity, 1)
        plotted.addWidget(self.kind)
        self.rows.addLayout(plotted)
        self.rows.addWidget(self.plot, 1)
        self.rows.addWidget(self.tabs, 1)
        self.rows.addStretch()
        for widget in (self.quantity, self.kind, self.plot, self.tabs):
            widget.hide()
        buttons = QHBoxLayout()
        for button in (self.measure_button, self.copy_button, self.save_button):
            buttons.addWidget(button)
        self.footer.addLayout(buttons)

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

    def _gel(self) -> Interval | None:
        """Factors of the error of Young's modulus; None if it is not known."""
        error = self.errors["young_error"].value
        return None if error is None else gel_factors(error)

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

    def _measured_fields(self) -> list[FieldLayers]:
        """The tractions to measure: chosen, compared, and others side by side."""
        chosen = (self.fields.field(), self.other.field(), *self.beside.fields())
        fields = {field_id_of(one): one for one in chosen if one is not None}
        return list(fields.values())

    def _show(self, measured: Measured | None) -> None:
        if measured is not self._shown:
            self._shown = measured
            self._list_quantities()
            self._show_tables()
            for widget in (self.quantity, self.kind, self.plot, self.tabs):
                widget.setVisible(measured is not None)
            self._plot()
            self._draw_regions()
            self._overlays.erase_outline()
        self._on_frame()

    def _show_tables(self) -> None:
        self.tabs.show_measured(self._shown, self._gel())

    def _list_quantities(self) -> None:
        """List the quantities that are known in some frame; the chosen one is kept."""
        before, measured = self.quantity.currentData(), self._shown
        self._allow_changes()
        with QSignalBlocker(self.quantity):
            self.quantity.clear()
            for name, one in QUANTITIES.items() if measured is not None else ():
                assert measured is not None
                if one.column(measured.scale) in self._known_columns(measured):
                    unit, _ = measured.scale.unit(one.dimension)
                    unit = "" if self._shows_changes else unit
                    self.quantity.addItem(_with_unit(one.words, unit), name)
            index = self.quantity.findData(before)
            self.quantity.setCurrentIndex(max(index, 0))

    def _allow_changes(self) -> None:
        """Let changes be chosen if there are any."""
        measured = self._shown
        has_changes = measured is not None and measured.has_changes
        with QSignalBlocker(self.kind):
            if not has_changes:
                self.kind.setCurrentIndex(self.kind.findData("values"))
        self.kind.setEnabled(has_changes)

    def _known_columns(self, measured: Measured) -> set[str]:
        return (
            measured.columns_with_changes()
            if self._shows_changes
            else measured.columns_with_values()
        )

    @property
    def _shows_changes(self) -> bool:
        return bool(self.kind.currentData() == "changes")

    def _quantity(self) -> Quantity | None:
        """The plotted quantity."""
        name = self.quantity.currentData()
        return None if name is None else QUANTITIES[name]

    def _plot(self) -> None:
        quantity, measured = self._quantity(), self._shown
        if quantity is None or measured is None:
            self.plot.show_lines([], "")
            return
        column, note = quantity.column(measured.scale), ""
        if self._shows_changes:
            lines = lines_of_changes(measured, column)
            is_ratio = quantity.error == "ratio"
            unit = "" if is_ratio else measured.scale.unit(quantity.dimension)[0]
            words = (
                "ratio to the frame before" if is_ratio else "minus the frame before"
            )
            label, reference = _with_unit(words, unit), float(is_ratio)
        else:
            lines, reference = lines_of_values(measured, column), None
            label, gel = self.quantity.currentText(), self._gel()
            if gel is not None and measured.scale.has_error_of_gel(quantity.dimension):
                note = f"gel: all {factors(gel).partition(' (')[0]}"
        if any(math.isfinite(end) for line in lines for end in line.ends[0]):
            note = "; ".join(filter(None, ["bands: 68% and 95%", note]))
        self.plot.show_lines(lines, label, reference=reference, note=note)
        self._show_control()

    def _show_control(self) -> None:
        """Show the control of the plotted quantity in the shown frame."""
        quantity, measured, frame = self._quantity(), self._shown, self._frame()
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
        self._list_quantities()
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

    def _read(self, field: FieldLayers | None) -> tuple[TractionStack | None, str]:
        """The tractions of a field, or None and the reason why there are none."""
        if field is None:
            return None, _NO_FIELD if self.fields.is_bound else ""
        try:
            return as_traction(field, compare_data=False), ""
        except FieldError as error:
            return None, in_one_line(error)

    def _request(self) -> Request:
        """The request for the current settings.

        Raises
        ------
        FieldError
            If layers were changed, or there is no cell.
        """
        region = self.region.value()
        config = QuantitiesConfig(
            region=None if isinstance(region, Layer) else region,
            dilation_um=self.dilation["dilation_um"].value,
            n_controls=_N_CONTROLS if self.is_corrected.isChecked() else 0,
        )
        fields = self._measured_fields()
        sources = [self._source(field) for field in fields]
        origins = [source.origin for source in sources]
        for number, (source, field) in enumerate(zip(sources, fields, strict=True)):
            if origins.count(source.origin) > 1:
                # Two runs of a method; napari gives their layers different names.
                origin = dataclasses.replace(source.origin, method=field.label)
                sources[number] = dataclasses.replace(source, origin=origin)
        return Request(
            tuple(sources),
            config,
            self.other.field() is not None,
            ControlConfig(self.errors["n_runs"].value) if self._has_control else None,
            self._control_frame(sources[0].traction),
        )

    @property
    def _has_control(self) -> bool:
        return bool(self.errors["control"].value != "none")

    def _control_frame(self, stack: TractionStack) -> int | None:
        """The only frame with a control; None if all have one, or none has.

        Raises
        ------
        FieldError
            If the shown frame is no frame of the tractions.
        """
        field = self.fields.field()
        if self.errors["control"].value != "shown" or field is None:
            return None
        dims = self._viewer.dims
        frame = frame_at(field.first, dims.point, stack.n_frames, dims.units)
        if frame is None:
            raise FieldError("the tractions have no frame where the slider is")
        return frame

    def _source(self, field: FieldLayers) -> Source:
        """One of the tractions, with its cells; an error has its name."""
        try:
            stack = as_traction(field)
            if self.region.value() == "outline" and stack.outline is None:
                raise FieldError("there is no outline in the file")
            cells = self._cells(field.first, stack)
            return source_of(self._viewer.layers, field, cells=cells)
        except FieldError as error:
            if len(self._measured_fields()) == 1:
                raise
            raise FieldError(f"{field.label}: {error}") from error

    def _settings(self) -> Settings:
        return Settings(
            self.region.key(),
            self.dilation["dilation_um"].value,
            self.same_cells.isChecked() and not isinstance(self.region.value(), str),
            self.is_corrected.isChecked(),
            self.errors["control"].value,
            self.errors["n_runs"].value if self._has_control else None,
            self.other.key(),
            tuple(map(field_id_of, self.beside.fields())),
        )

    def _kept_of_field(self) -> Kept | None:
        field = self.fields.field()
        return None if field is None else self._kept.get(field_id_of(field))

    def _cells(self, layer: Layer, stack: TractionStack) -> Numbers | None:
        """Number of the cell at each vector; None if no layer has the cells."""
        region = self.region.value()
        if isinstance(region, str):
            return None
        cells: Numbers = cells_at_vectors(
            region,
            layer,
            n_frames=stack.n_frames,
            grid_shape=stack.grid_shape,
            world_units=self._viewer.dims.units,
        )
        if cells.ndim == 2 or not self.same_cells.isChecked():
            return cells
        dims = self._viewer.dims
        frame = frame_at(layer, dims.point, stack.n_frames, dims.units)
        if frame is None or not cells[frame].any():
            raise FieldError(
                f"the layer “{region.name}” has no cell in the shown frame"
            )
        return np.asarray(cells[frame])

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


def _with_unit(words: str, unit: str) -> str:
    return f"{words} ({unit.replace('_', ' ')})" if unit else words
