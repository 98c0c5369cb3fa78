"""`QuantitiesRows`: the rows of the quantities dock, and what they ask for."""

from __future__ import annotations

import dataclasses

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QPushButton,
)

from napari_vit_tfm.config import ControlConfig, QuantitiesConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari.errors import in_one_line
from napari_vit_tfm.napari.layers.placing import frame_at
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
    find_tractions,
)
from napari_vit_tfm.napari.quantities.cells import cells_at_vectors
from napari_vit_tfm.napari.quantities.kept import Settings
from napari_vit_tfm.napari.quantities.measuring import (
    Numbers,
    Request,
    Source,
)
from napari_vit_tfm.napari.quantities.other_chooser import OtherChooser, field_id_of
from napari_vit_tfm.napari.quantities.plotted import PlottedQuantity
from napari_vit_tfm.napari.quantities.region_chooser import RegionChooser
from napari_vit_tfm.napari.quantities.sources import as_traction, source_of
from napari_vit_tfm.napari.quantities.tabs import ResultTabs
from napari_vit_tfm.napari.quantities.traction_list import TractionList
from napari_vit_tfm.napari.widgets.dock import FieldDock
from napari_vit_tfm.napari.widgets.forms import (
    Form,
    form_section,
    need_focus_for_wheel,
)
from napari_vit_tfm.options import Choice, Option, options_of
from napari_vit_tfm.quantities import (
    Interval,
    gel_factors,
)

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

_NO_FIELD = "Compute tractions, or open a file of tractions."


class QuantitiesRows(FieldDock):
    """The rows and buttons of the dock, and the request that they make.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer whose layers are used.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer, message_lines=2, find=find_tractions)
        self._build()
        self._lay_out()

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
        self.plotted, self.tabs = PlottedQuantity(), ResultTabs()
        self.quantity, self.kind = self.plotted.quantity, self.plotted.kind
        self.plot = self.plotted.plot
        for box in (self.region, self.other, self.quantity, self.kind):
            need_focus_for_wheel(box)
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

    # What is asked for

    def _measured_fields(self) -> list[FieldLayers]:
        """The tractions to measure: chosen, compared, and others side by side."""
        chosen = (self.fields.field(), self.other.field(), *self.beside.fields())
        fields = {field_id_of(one): one for one in chosen if one is not None}
        return list(fields.values())

    def _read(self, field: FieldLayers | None) -> tuple[TractionStack | None, str]:
        """The tractions of a field, or None and the reason why there are none."""
        if field is None:
            return None, _NO_FIELD if self.fields.is_bound else ""
        try:
            return as_traction(field, compare_data=False), ""
        except FieldError as error:
            return None, in_one_line(error)

    def _gel(self) -> Interval | None:
        """Factors of the error of Young's modulus; None if it is not known."""
        error = self.errors["young_error"].value
        return None if error is None else gel_factors(error)

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
