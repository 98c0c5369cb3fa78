"""`FieldRows`: the rows of the traction dock, with the chosen field in them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from napari.components import ViewerModel

from napari_vit_tfm.config import (
    NoiseConfig,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.displacement.preparation import PreparedFrames
from napari_vit_tfm.errors import FieldError, TFMError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models.registry import min_side_of
from napari_vit_tfm.napari.errors import in_one_line, report
from napari_vit_tfm.napari.layers.metadata import Description
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
    as_displacement,
)
from napari_vit_tfm.napari.layers.registry import description_of
from napari_vit_tfm.napari.layers.results import (
    describe_field,
    set_field_spacing,
)
from napari_vit_tfm.napari.layers.turning import set_y_direction
from napari_vit_tfm.napari.opening import ask_and_open
from napari_vit_tfm.napari.traction.results import Settings
from napari_vit_tfm.napari.traction.rows import TractionRows
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import check_size


class FieldRows(TractionRows):
    """Shows what is known about the chosen field, and writes what the user enters.

    Unit, spacing and gel are kept in the metadata of the layers.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer whose layers are used.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._outcome = ""
        self._typed_gel = Gel()

    def refresh(self) -> None:
        """Update buttons and message."""
        raise NotImplementedError

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

    # What is in the rows

    def _settings(self) -> Settings:
        """Gel, method and preparation in the forms."""
        return Settings(self._substrate().gel, self._config(), self._preparation())

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


def _pixel_size(
    stack: DisplacementStack | None, description: Description | None
) -> float | None:
    """The pixel size: given, or from the spacing and the positions in the file."""
    if stack is not None:
        return stack.pixel_size_um
    return None if description is None else description.pixel_size_um
