"""`Recorder`: quantities of a stack that comes in batches."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from napari_vit_tfm.config import ControlConfig, QuantitiesConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.quantities.adhesions import (
    Adhesion,
    adhesion_columns,
    adhesions_of,
)
from napari_vit_tfm.quantities.cell import Cell
from napari_vit_tfm.quantities.changes import CellChanges, changes_of
from napari_vit_tfm.quantities.control import Reconstruct, force_free_magnitude
from napari_vit_tfm.quantities.intervals import calibrated_method, gel_factors
from napari_vit_tfm.quantities.measure import (
    Measurement,
    Row,
    cells_of,
    check_cells,
    check_displacement,
    check_labels,
    columns_of,
    in_pascal,
    notes_of,
    row_of,
    scale_of,
)
from napari_vit_tfm.quantities.regions import (
    Labels,
    dilation_in_steps,
    labels_of_outline,
)
from napari_vit_tfm.quantities.significance import (
    ControlRow,
    control_rows,
    occupied_by,
)
from napari_vit_tfm.quantities.tables import (
    table_of_adhesions,
    table_of_changes,
    table_of_controls,
    table_of_rows,
    write_table,
)


class Recorder:
    """Measures the frames of a stack, batch by batch, and writes the tables.

    Parameters
    ----------
    config : QuantitiesConfig
        Regions and controls.
    n_frames : int, keyword-only
        Number of frames of the whole stack.
    labels : array of int, shape (H, W) or (T, H, W), keyword-only, optional
        Numbers of the cells.
    with_adhesions, with_changes : bool, keyword-only
        Whether the adhesions are listed, too, and the changes from frame to frame.
    control : ControlConfig, keyword-only, optional
        How the control without force is computed. None computes none.
    source : Path, keyword-only, optional
        The file that is measured, for the last column of the tables.

    Attributes
    ----------
    rows : list of Row
        The quantities so far.
    columns : list of str
        Their columns.
    adhesions : list of Adhesion
        The adhesions so far.
    adhesion_columns : list of str
        Columns of their numbers.
    changes : list of CellChanges
        The changes so far.
    controls : list of ControlRow
        The control so far.

    Raises
    ------
    FieldError
        If the labels have another number of frames, or no cell.
    """

    def __init__(
        self,
        config: QuantitiesConfig,
        *,
        n_frames: int,
        labels: Labels | None = None,
        with_adhesions: bool = False,
        with_changes: bool = False,
        control: ControlConfig | None = None,
        source: Path | None = None,
    ) -> None:
        if labels is not None and labels.ndim == 3 and len(labels) != n_frames:
            raise FieldError(
                f"the mask has {len(labels)} frames, the tractions {n_frames}"
            )
        if labels is not None:
            check_cells(labels)
        self._config = config
        self._labels = labels
        self._with_adhesions = with_adhesions
        self._with_changes = with_changes
        self._control = control
        self._source = source
        self._n_done = 0
        self.rows: list[Row] = []
        self.columns: list[str] = []
        self.adhesions: list[Adhesion] = []
        self.adhesion_columns: list[str] = []
        self.changes: list[CellChanges] = []
        self.controls: list[ControlRow] = []
        self._notes: list[str] = []
        self._reason_without = ""
        self._before: dict[int, Cell] = {}

    def add(
        self,
        traction: TractionStack,
        *,
        displacement: DisplacementStack | None = None,
        reconstruct: Reconstruct | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> list[list[Cell]]:
        """Measure the next frames.

        Parameters
        ----------
        traction : TractionStack
            Their tractions.
        displacement : DisplacementStack, keyword-only, optional
            Their measured displacements.
        reconstruct : callable, keyword-only, optional
            Computes tractions as these were computed, for the controls.
        on_progress : callable, keyword-only, optional
            Called with the numbers of finished and of all reconstructions of the
            control of a cell.
        is_cancelled : callable, keyword-only, optional
            Called during the control. If it returns True, it stops.

        Returns
        -------
        list of list of Cell
            The cells of each of these frames.

        Raises
        ------
        FieldError
            If mask or displacements do not belong to the tractions, or an outline or
            the spacing is required and missing.
        Cancelled
            If `is_cancelled` returned True.
        """
        traction = in_pascal(traction)
        first = self._n_done
        if displacement is not None:
            check_displacement(displacement, traction)
        labels = self._labels_of(traction, first)
        dilation = dilation_in_steps(self._config.dilation_um, traction.spacing_um)
        idle = None
        n_controls = self._config.n_controls
        if displacement is not None and reconstruct is not None and n_controls:
            idle = force_free_magnitude(
                traction,
                displacement,
                reconstruct=reconstruct,
                labels=labels,
                dilation_steps=dilation,
                n_controls=n_controls,
                first=first,
            )
        how = Measurement(labels, dilation, displacement, idle)
        found = [
            [replace(cell, frame=cell.frame + first) for cell in cells]
            for cells in cells_of(traction, how)
        ]
        for cells in found:
            self._add_cells(cells)
        has_control = displacement is not None and reconstruct is not None
        if self._control and displacement is not None and reconstruct is not None:
            for frame, cells in enumerate(found):
                occupied = occupied_by(cells)
                for cell in cells:
                    steps = control_rows(
                        cell,
                        traction,
                        displacement,
                        frame=frame,
                        occupied=occupied,
                        reconstruct=reconstruct,
                        n_runs=self._control.n_runs,
                        is_cancelled=is_cancelled,
                    )
                    self.controls += self._run_control(steps, on_progress)
        self._note_what_is_missing(traction, has_control=has_control)
        self.columns = columns_of(traction)
        self.adhesion_columns = [*adhesion_columns(scale_of(traction))]
        self._n_done += traction.n_frames
        return found

    def notes(self) -> list[str]:
        """What limits the meaning of the rows, one sentence each."""
        notes = [*notes_of(self.rows, n_frames=self._n_done), *self._notes]
        if self.rows and not any(row.intervals for row in self.rows):
            notes.append(self._reason_without)
        return notes

    def write(self, path: Path) -> None:
        """Write the table of quantities with their intervals as CSV."""
        error = self._config.young_error
        table = table_of_rows(
            self.columns,
            self.rows,
            with_intervals=True,
            gel=None if error is None else gel_factors(error),
        )
        write_table(path, table, source=self._source)

    def write_adhesions(self, path: Path) -> None:
        """Write the table of adhesions as CSV."""
        table = table_of_adhesions(self.adhesion_columns, self.adhesions)
        write_table(path, table, source=self._source)

    def write_changes(self, path: Path) -> None:
        """Write the table of changes as CSV."""
        write_table(path, table_of_changes(self.changes), source=self._source)

    def write_controls(self, path: Path) -> None:
        """Write the table of the control without force as CSV."""
        write_table(path, table_of_controls(self.controls), source=self._source)

    def _run_control(
        self,
        steps: Generator[int, None, list[ControlRow]],
        on_progress: Callable[[int, int], None] | None,
    ) -> list[ControlRow]:
        assert self._control is not None
        while True:
            try:
                n_done = next(steps)
            except StopIteration as end:
                rows: list[ControlRow] = end.value
                return rows
            if on_progress is not None:
                on_progress(n_done, self._control.n_runs)

    def _add_cells(self, cells: list[Cell]) -> None:
        for cell in cells:
            self.rows.append(row_of(cell))
            if self._with_adhesions:
                self.adhesions.extend(adhesions_of(cell))
            if self._with_changes and cell.number in self._before:
                changes = changes_of(self._before[cell.number], cell)
                self.changes.append(CellChanges(cell.frame, cell.number, changes))
        if self._with_changes:
            self._before = {cell.number: cell for cell in cells}

    def _note_what_is_missing(
        self, traction: TractionStack, *, has_control: bool
    ) -> None:
        """Add notes about what could not be computed, once each."""
        missing = []
        self._reason_without = _without_intervals(traction)
        if self._control is not None and not has_control:
            missing.append(
                "there is no control without force: it needs the displacements, and "
                "the method that computed the tractions"
            )
        if self._config.young_error is not None and traction.unit != "Pa":
            missing.append(
                "the error of Young's modulus does not change fractions of it: the "
                "columns of the gel are about numbers in Pa"
            )
        self._notes += [words for words in missing if words not in self._notes]

    def _labels_of(self, traction: TractionStack, first: int) -> Labels | None:
        if self._labels is not None:
            labels = self._labels
            if labels.ndim == 3:
                labels = labels[first : first + traction.n_frames]
            check_labels(labels, traction)
            return labels
        region = self._config.region
        if traction.outline is not None and region != "field":
            return labels_of_outline(traction.outline, traction.grid_shape)
        if region == "outline":
            raise FieldError("the file has no outline: give a mask, or take the field")
        return None


def _without_intervals(traction: TractionStack) -> str:
    """Why there are no intervals, in words."""
    if calibrated_method(traction) is None:
        name = traction.model or "these tractions"
        return f"there are no intervals: the errors of {name} are not known"
    return (
        "there are no intervals, since the noise is not known: it is with the "
        "displacements, or in tractions that were computed with residual or uncertainty"
    )
