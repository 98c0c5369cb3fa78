"""The dock that measures the quantities of cells."""

from __future__ import annotations

import dataclasses
import math
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QPushButton

from napari_vit_tfm.config import QuantitiesConfig
from napari_vit_tfm.errors import FieldError, TFMError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.io import check_output
from napari_vit_tfm.napari.errors import in_one_line, report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.metadata import Description, is_overlay
from napari_vit_tfm.napari.layers.placing import frame_at, world_at
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
    find_tractions,
    source_files,
)
from napari_vit_tfm.napari.layers.registry import description_of
from napari_vit_tfm.napari.quantities.cells import Numbers, cells_at_vectors
from napari_vit_tfm.napari.quantities.drawing import (
    colour_of,
    difference_layers,
    region_layer,
)
from napari_vit_tfm.napari.quantities.features import write_features
from napari_vit_tfm.napari.quantities.measuring import (
    Measured,
    Outcome,
    Request,
    measure_request,
)
from napari_vit_tfm.napari.quantities.other_chooser import OtherChooser, field_id_of
from napari_vit_tfm.napari.quantities.plot import Line, TimePlot
from napari_vit_tfm.napari.quantities.region_chooser import RegionChooser
from napari_vit_tfm.napari.quantities.sources import as_traction, source_of
from napari_vit_tfm.napari.quantities.table import QuantitiesTable
from napari_vit_tfm.napari.widgets.dock import FieldDock
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save
from napari_vit_tfm.napari.widgets.forms import (
    Form,
    may_shrink,
    need_focus_for_wheel,
)
from napari_vit_tfm.options import options_of
from napari_vit_tfm.quantities import (
    QUANTITIES,
    labels_of_outline,
    write_comparison,
    write_quantities,
)
from napari_vit_tfm.quantities.tables import check_table

_DILATION = {"dilation_um": options_of(QuantitiesConfig)["dilation_um"]}

_INTRODUCTION = "Measures energies, forces and moments of the cells in each frame."
_NO_FIELD = "Compute tractions, or open a file of tractions."
_NO_COMMON_UNITS = (
    "The layers have no common units, so the cells are where the viewer shows them: "
    "check with “Show regions and rings” that they lie on the tractions."
)
_STYLES = ("-", "--")
"""Line styles of the tractions, and of those that they are compared with."""

_STALE = "Measured with other settings, or before a change: measure again."


@dataclass(frozen=True)
class Settings:
    """What a measurement depends on, to notice that it is out of date."""

    region: str
    dilation_um: float | None
    has_same_cells: bool
    other: str


@dataclass(frozen=True, eq=False)
class Kept:
    """A measurement, with what it was measured from.

    Parameters
    ----------
    measured : Measured
        The quantities.
    settings : Settings
        Region, dilation and comparison.
    tractions : tuple of weak references to TractionStack
        The tractions, and those that they are compared with. The layers return the same
        stack as long as nothing changes.
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
        self._job = LatestJob[Request, int, Outcome](
            self,
            measure_request,
            on_step=self._on_step,
            on_result=self._on_result,
            on_error=self._on_error,
            on_finished=self._on_finished,
        )
        self._kept: dict[str, Kept] = {}
        self._running: Running | None = None
        self._shown: Measured | None = None
        self._drawn: Labels | None = None
        self._is_adding = False
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
        self.same_cells = QCheckBox("Cells of the shown frame in all frames")
        self.same_cells.setToolTip(
            "Use the cells of a layer that are drawn in the shown frame in every frame."
        )
        self.show_regions = QCheckBox("Show regions and rings")
        self.show_regions.setToolTip(
            "Show where forces are summed, and the ring of the leak, as a layer."
        )
        self.quantity = QComboBox()
        self.quantity.setToolTip("The quantity in the plot.")
        may_shrink(self.quantity)
        for control in (self.region, self.other, self.quantity):
            need_focus_for_wheel(control)
        self.plot = TimePlot()
        self.table = QuantitiesTable()
        self.measure_button = QPushButton()
        self.measure_button.setToolTip("Measure all frames.")
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the table, or its selected cells, as text.")
        self.save_button = QPushButton("Save CSV…")
        self.save_button.setToolTip("Save the table.")

    def _lay_out(self) -> None:
        self.form.addRow("Tractions", self.fields)
        self.form.addRow("Region", self.region)
        self.dilation = Form(_DILATION, self.form)
        self.form.addRow("Compare with", self.other)
        self.rows.addLayout(self.form)
        self.rows.addWidget(self.same_cells)
        self.rows.addWidget(self.show_regions)
        self.rows.addWidget(self.message)
        self.rows.addWidget(self.quantity)
        self.rows.addWidget(self.plot, 1)
        self.rows.addWidget(self.table, 1)
        self.rows.addStretch()
        for widget in (self.quantity, self.plot, self.table):
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
        self.dilation.changed.connect(self._on_settings)
        self.same_cells.toggled.connect(self._on_settings)
        self.show_regions.toggled.connect(self._draw_regions)
        self.quantity.currentIndexChanged.connect(self._plot)
        self.plot.frame_chosen.connect(self.go_to_frame)
        self.table.frame_chosen.connect(self.go_to_frame)
        self.measure_button.clicked.connect(self._on_job_button)
        self.copy_button.clicked.connect(self.table.copy)
        self.save_button.clicked.connect(self._on_save_clicked)

    def bind(self) -> None:
        """Watch the viewer's layers and its frame."""
        super().bind()
        self.region.bind()
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self._viewer.dims.events.current_step.connect(self._on_frame)
        self._on_active_layer()
        self._on_field_chosen()
        if self._drawn is None:
            self._draw_regions()

    def unbind(self) -> None:
        """Stop watching, and remove the regions. A measurement is not stopped."""
        self._viewer.dims.events.current_step.disconnect(self._on_frame)
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.region.unbind()
        super().unbind()
        self.other.list_for((), None)
        self._erase_regions()

    @property
    def job(self) -> LatestJob[Request, int, Outcome]:
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
        stack, problem = self._read(self.fields.field())
        kept = self._kept_of_field()
        running = self._job.pending is not None
        self.measure_button.setText("Cancel" if running else "Measure")
        self.measure_button.setEnabled(running or stack is not None)
        region = self.region.value()
        self.same_cells.setVisible(not isinstance(region, str) and region.ndim == 3)
        self._show(None if kept is None else kept.measured)
        for button in (self.copy_button, self.save_button):
            button.setEnabled(self._shown is not None)
        if not running:
            self.message.setText(problem or self._sentences(kept))

    def _sentences(self, kept: Kept | None) -> str:
        if kept is None:
            return self._outcome or _INTRODUCTION
        stacks = [self._read(one)[0] for one in self._compared()]
        is_current = kept.settings == self._settings() and all(
            stack is reference()
            for stack, reference in zip(stacks, kept.tractions, strict=False)
        )
        stale = "" if is_current else _STALE
        measured = kept.measured
        lines = [self._outcome, stale, measured.comparison, *measured.notes()]
        return "\n".join(filter(None, lines))

    def _compared(self) -> list[FieldLayers]:
        """The chosen tractions, and those that they are compared with."""
        both = (self.fields.field(), self.other.field())
        return [field for field in both if field is not None]

    def _show(self, measured: Measured | None) -> None:
        if measured is not self._shown:
            self._shown = measured
            self._list_quantities()
            tables = {} if measured is None else measured.tables
            columns = [] if measured is None else measured.columns
            scale = None if measured is None else measured.scale
            self.table.show_rows(tables, columns, scale)
            for widget in (self.quantity, self.plot, self.table):
                widget.setVisible(measured is not None)
            self._plot()
            self._draw_regions()
        self._on_frame()

    def _list_quantities(self) -> None:
        """List the quantities that are known in some frame; the chosen one is kept."""
        before, measured = self.quantity.currentData(), self._shown
        with QSignalBlocker(self.quantity):
            self.quantity.clear()
            for name, one in QUANTITIES.items() if measured is not None else ():
                assert measured is not None
                column = one.column(measured.scale)
                if any(math.isfinite(row.values[column]) for row in measured.rows):
                    unit, _ = measured.scale.unit(one.dimension)
                    self.quantity.addItem(_with_unit(one.words, unit), name)
            index = self.quantity.findData(before)
            self.quantity.setCurrentIndex(max(index, 0))

    def _plot(self) -> None:
        name, measured = self.quantity.currentData(), self._shown
        if name is None or measured is None:
            self.plot.show_lines([], "")
            return
        column = QUANTITIES[name].column(measured.scale)
        self.plot.show_lines(_lines(measured, column), self.quantity.currentText())

    def _draw_regions(self) -> None:
        """Show the regions of the measurement as a layer, or remove it."""
        self._erase_regions()
        field, measured = self.fields.field(), self._shown
        if field is None or measured is None or not self.show_regions.isChecked():
            return
        self._drawn = region_layer(measured, field.first)
        self._add([self._drawn])
        self._write_features()

    def _add(self, new: list[Layer]) -> None:
        """Add layers, and leave the selection and the chosen field as they are."""
        layers = self._viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        self._is_adding = True
        try:
            layers.extend(new)
            layers.selection = selected
            layers.selection.active = active
        finally:
            self._is_adding = False

    def _on_active_layer(self) -> None:
        if not self._is_adding:
            super()._on_active_layer()

    def _erase_regions(self) -> None:
        drawn, self._drawn = self._drawn, None
        if drawn is not None and drawn in self._viewer.layers:
            self._viewer.layers.remove(drawn)

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
        self._write_features()

    def _write_features(self) -> None:
        """Write the numbers of the shown frame to the features of Labels layers."""
        frame, kept = self._frame(), self._kept_of_field()
        if frame is None or kept is None:
            return
        chosen = None if kept.labels is None else kept.labels()
        for layer in (chosen, self._drawn):
            if layer is not None and layer in self._viewer.layers:
                write_features(layer, kept.measured, frame)

    def go_to_frame(self, frame: int) -> None:
        """Move the viewer's slider to a frame of the chosen field."""
        field, dims = self.fields.field(), self._viewer.dims
        if field is not None and field.first.ndim == 3:
            place, _, _ = world_at(field.first, (frame, 0, 0), dims.units)
            dims.set_point(dims.ndim - 3, place)

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

    def _on_layer_removed(self) -> None:
        present = {description.field_id for description in self._descriptions()}
        self._kept = {key: one for key, one in self._kept.items() if key in present}
        if self._drawn is not None and self._drawn not in self._viewer.layers:
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
            request = self._request(field, other)
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
        self._job.submit(request)
        self.message.setText("Measuring…")
        self.measure_button.setText("Cancel")

    def cancel_job(self) -> None:
        """Cancel the measurement."""
        self._job.cancel()
        self._outcome = "Cancelled."
        self.refresh()

    def _on_step(self, request: Request, done: int) -> None:
        total = request.source.traction.n_frames
        self.message.setText(f"{done} of {total} frames measured.")

    def _on_result(self, request: Request, outcome: Outcome) -> None:
        running, measured = self._running, outcome.measured
        assert running is not None
        if running.field.first not in self._viewer.layers:
            self._outcome = "Discarded, because the tractions were removed."
            return
        sources = (request.source, request.other)
        tractions = tuple(weakref.ref(one.traction) for one in sources if one)
        kept = Kept(measured, running.settings, tractions, running.labels)
        self._kept[field_id_of(running.field)] = kept
        if outcome.difference is not None:
            names = list(measured.tables)
            self._show_difference(outcome.difference, running, names)

    def _show_difference(
        self, difference: TractionStack, running: Running, names: list[str]
    ) -> None:
        """Add the layers of a difference, instead of those of the same name.

        Both tractions are hidden: there is room for one colour bar.
        """
        layers = self._viewer.layers
        new = difference_layers(difference, running.field.first, names)
        for old in list(layers):
            if is_overlay(old) and old.name in [one.name for one in new]:
                layers.remove(old)
        other = () if running.other is None else running.other.layers
        for layer in (*running.field.layers, *other):
            layer.visible = False
        self._add(new)

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

    def _request(self, field: FieldLayers, other: FieldLayers | None) -> Request:
        """The request for the current settings.

        Raises
        ------
        FieldError
            If layers were changed, or there is no cell.
        """
        layers = self._viewer.layers
        source = source_of(layers, field)
        compared = None if other is None else source_of(layers, other)
        if other is not None and compared is not None and compared.name == source.name:
            source = dataclasses.replace(source, name=field.label)
            compared = dataclasses.replace(compared, name=other.label)
        cells = self._cells(field.first, source.traction)
        return Request(source, compared, cells, self.dilation["dilation_um"].value)

    def _settings(self) -> Settings:
        return Settings(
            self.region.key(),
            self.dilation["dilation_um"].value,
            self.same_cells.isChecked() and not isinstance(self.region.value(), str),
            self.other.key(),
        )

    def _kept_of_field(self) -> Kept | None:
        field = self.fields.field()
        return None if field is None else self._kept.get(field_id_of(field))

    def _cells(self, layer: Layer, stack: TractionStack) -> Numbers | None:
        """Number of the cell at each vector; None for the whole field."""
        region = self.region.value()
        if region == "field":
            return None
        if isinstance(region, str):
            assert stack.outline is not None
            return labels_of_outline(stack.outline, stack.grid_shape)
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

    # Saving

    def _on_save_clicked(self) -> None:
        suggestion = str(self.suggested_path())
        kinds = {"Table": (".csv",)}
        path = ask_where_to_save(self, "Save quantities", suggestion, kinds)
        if path is not None:
            self.save(path)

    def suggested_path(self) -> Path:
        """A table beside the displacements, with the name of the field."""
        files = source_files(self._viewer.layers)
        folder = Path(files[0]).parent if files else Path()
        field = self.fields.field()
        title = "" if field is None else field.title
        return folder / (f"{title}_quantities.csv" if title else "quantities.csv")

    def save(self, path: str | Path) -> None:
        """Save the table that is shown; the message has the path or the error.

        Parameters
        ----------
        path : path
            A CSV file.
        """
        measured = self._shown
        if measured is None:
            return
        try:
            inputs = source_files(self._viewer.layers)
            check_output(check_table(path), inputs=inputs)
            if len(measured.tables) > 1:
                write_comparison(path, measured.columns, measured.tables)
            else:
                write_quantities(path, measured.columns, measured.rows)
        except (TFMError, OSError) as error:
            self._outcome = report(error, activity="saving")
        else:
            self._outcome = f"Saved {path}"
        self.refresh()


def _lines(measured: Measured, column: str) -> list[Line]:
    """Lines of all cells, with gaps in frames without the cell."""
    lines = []
    frames = tuple(range(measured.n_frames))
    for (name, rows), style in zip(measured.tables.items(), _STYLES, strict=False):
        for cell in measured.cells:
            own = {row.frame: row.values[column] for row in rows if row.cell == cell}
            values = tuple(own.get(frame, math.nan) for frame in frames)
            label = f"cell {cell}" + (f", {name}" if len(measured.tables) > 1 else "")
            lines.append(Line(label, colour_of(cell), style, frames, values))
    return lines


def _with_unit(words: str, unit: str) -> str:
    return f"{words} ({unit.replace('_', ' ')})" if unit else words
