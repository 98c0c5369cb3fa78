"""`Recorder`: quantities of a stack that comes in batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napari_vit_tfm.config import QuantitiesConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.quantities.adhesions import (
    Adhesion,
    adhesion_columns,
    adhesions_of,
)
from napari_vit_tfm.quantities.control import force_free_magnitude
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
from napari_vit_tfm.quantities.tables import write_adhesions, write_quantities

Reconstruct = Callable[[DisplacementStack], TractionStack]


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
    with_adhesions : bool, keyword-only
        Whether the adhesions are listed, too.

    Attributes
    ----------
    rows : list of Row
        The quantities so far.
    columns : list of str
        Their columns.
    adhesions : list of (int, int, Adhesion)
        The adhesions so far, with the numbers of their frame and cell.

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
        self._n_done = 0
        self.rows: list[Row] = []
        self.columns: list[str] = []
        self.adhesions: list[tuple[int, int, Adhesion]] = []
        self._adhesion_columns: list[str] = []

    def add(
        self,
        traction: TractionStack,
        *,
        displacement: DisplacementStack | None = None,
        reconstruct: Reconstruct | None = None,
    ) -> None:
        """Measure the next frames.

        Parameters
        ----------
        traction : TractionStack
            Their tractions.
        displacement : DisplacementStack, keyword-only, optional
            Their measured displacements.
        reconstruct : callable, keyword-only, optional
            Computes tractions as these were computed, for the controls.

        Raises
        ------
        FieldError
            If mask or displacements do not belong to the tractions, or an outline or
            the spacing is required and missing.
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
        for cells in cells_of(traction, how):
            for one in cells:
                cell = replace(one, frame=one.frame + first)
                self.rows.append(row_of(cell))
                if self._with_adhesions:
                    self.adhesions += [
                        (cell.frame, cell.number, found) for found in adhesions_of(cell)
                    ]
        self.columns = columns_of(traction)
        self._adhesion_columns = adhesion_columns(scale_of(traction))
        self._n_done += traction.n_frames

    def notes(self) -> list[str]:
        """What limits the meaning of the rows, one sentence each."""
        return notes_of(self.rows)

    def write(self, path: Path) -> None:
        """Write the table of quantities; see `write_quantities`."""
        write_quantities(path, self.columns, self.rows)

    def write_adhesions(self, path: Path) -> None:
        """Write the table of adhesions; see `write_adhesions`."""
        write_adhesions(path, self._adhesion_columns, self.adhesions)

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
