"""Measurement of quantities in a thread, without Qt and layers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.displacement.preparation import prepare
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.quantities import (
    Cell,
    Measurement,
    Row,
    Scale,
    cells_of,
    columns_of,
    dilation_in_steps,
    notes_of,
    row_of,
    scale_of,
)
from napari_vit_tfm.quantities.measure import in_pascal


@dataclass(frozen=True, eq=False)
class Source:
    """Tractions to measure.

    Parameters
    ----------
    name : str
        Name of the method, or of the quantity.
    traction : TractionStack
        The tractions.
    displacement : DisplacementStack, optional
        The measured displacements that they were computed from, before their
        preparation.
    preparation : PreparationConfig
        Preparation of the displacements.
    """

    name: str
    traction: TractionStack
    displacement: DisplacementStack | None = None
    preparation: PreparationConfig = field(default_factory=PreparationConfig)

    def prepared(self) -> DisplacementStack | None:
        """The displacements as they were given to the method."""
        if self.displacement is None:
            return None
        prepared = prepare(self.displacement, self.preparation)
        assert isinstance(prepared, DisplacementStack)
        return prepared


@dataclass(frozen=True, eq=False)
class Request:
    """A request to measure tractions.

    Parameters
    ----------
    source : Source
        The tractions.
    cells : array of int, shape (H, W) or (T, H, W), optional
        Number of the cell at each vector. None takes the whole field as one cell.
    dilation_um : float, optional
        Width of the surroundings of a cell; see `quantities.dilation_in_steps`.
    """

    source: Source
    cells: npt.NDArray[np.integer] | None = None
    dilation_um: float | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """Quantities of all frames.

    Parameters
    ----------
    rows : list of Row
        One for every frame and cell.
    columns : list of str
        Columns of the quantities.
    scale : Scale
        Their units.
    regions : array of int, shape (T, H, W)
        The number of the cell in its region, this number plus `ring_offset` in its
        ring, and 0 elsewhere.
    ring_offset : int
        A number larger than that of any cell.
    """

    rows: list[Row]
    columns: list[str]
    scale: Scale
    regions: npt.NDArray[np.int32]
    ring_offset: int

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.regions)

    @property
    def cells(self) -> list[int]:
        """Numbers of the cells."""
        return sorted({row.cell for row in self.rows})

    def notes(self) -> list[str]:
        """What limits the meaning of the rows, one sentence each."""
        return notes_of(self.rows)


def measure_request(
    request: Request, _is_cancelled: Callable[[], bool]
) -> Generator[int, None, Measured]:
    """Measure tractions, frame by frame.

    Parameters
    ----------
    request : Request
        The request.

    Yields
    ------
    int
        Number of frames that are done. Here, it is stopped if it is cancelled.

    Returns
    -------
    Measured
        The quantities.

    Raises
    ------
    FieldError
        As for `napari_vit_tfm.quantities.measure`.
    """
    source, numbers = request.source, request.cells
    traction = source.traction
    dilation = dilation_in_steps(request.dilation_um, traction.spacing_um)
    how = Measurement(numbers, dilation, source.prepared())
    regions = np.zeros(traction.data.shape[:3], dtype=np.int32)
    ring_offset = 2 if numbers is None else int(numbers.max()) + 1
    rows: list[Row] = []
    for frame, cells in enumerate(cells_of(traction, how)):
        rows += map(row_of, cells)
        _draw(regions[frame], cells, ring_offset)
        yield frame + 1
    scale = scale_of(in_pascal(traction))
    return Measured(rows, columns_of(traction), scale, regions, ring_offset)


def _draw(image: npt.NDArray[np.int32], cells: list[Cell], ring_offset: int) -> None:
    # Regions over rings: the ring of a cell may reach into the region of another one.
    for cell in cells:
        image[cell.ring] = cell.number + ring_offset
    for cell in cells:
        image[cell.region] = cell.number
