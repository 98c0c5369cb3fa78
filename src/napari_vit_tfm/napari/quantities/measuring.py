"""Measurement of quantities in a thread, without Qt and layers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.displacement.preparation import prepare
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.quantities import (
    Cell,
    Comparison,
    Measurement,
    Row,
    Scale,
    cells_of,
    columns_of,
    compare,
    dilation_in_steps,
    notes_of,
    row_of,
    scale_of,
)
from napari_vit_tfm.quantities.measure import in_pascal
from napari_vit_tfm.units import unit_label


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
    other : Source, optional
        Tractions to compare them with.
    cells : array of int, shape (H, W) or (T, H, W), optional
        Number of the cell at each vector. None takes the whole field as one cell.
    dilation_um : float, optional
        Width of the surroundings of a cell; see `quantities.dilation_in_steps`.
    """

    source: Source
    other: Source | None = None
    cells: npt.NDArray[np.integer] | None = None
    dilation_um: float | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """Quantities of all frames.

    Parameters
    ----------
    tables : mapping of str to list of Row
        One row for every frame and cell, by the name of the tractions. If two are
        compared, those that were chosen come first.
    columns : list of str
        Columns of the quantities.
    scale : Scale
        Their units.
    regions : array of int, shape (T, H, W)
        The number of the cell in its region, this number plus `ring_offset` in its
        ring, and 0 elsewhere.
    ring_offset : int
        A number larger than that of any cell.
    comparison : str
        Where two tractions disagree, in words; empty if none are compared.
    """

    tables: Mapping[str, list[Row]]
    columns: list[str]
    scale: Scale
    regions: npt.NDArray[np.int32]
    ring_offset: int
    comparison: str = ""

    @property
    def rows(self) -> list[Row]:
        """The rows of the tractions that were chosen."""
        return next(iter(self.tables.values()))

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
        return notes_of(self.rows, n_frames=self.n_frames)


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of a request.

    Parameters
    ----------
    measured : Measured
        The quantities.
    difference : TractionStack, optional
        The tractions minus those that they are compared with.
    """

    measured: Measured
    difference: TractionStack | None


def measure_request(
    request: Request, _is_cancelled: Callable[[], bool]
) -> Generator[int, None, Outcome]:
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
    Outcome
        The quantities, and the difference of the tractions.

    Raises
    ------
    FieldError
        As for `napari_vit_tfm.quantities.measure`, and `compare`.
    """
    source, other, numbers = request.source, request.other, request.cells
    traction = source.traction
    # First, since it notices tractions that do not fit together.
    comparison = None if other is None else compare(traction, other.traction)
    regions = np.zeros(traction.data.shape[:3], dtype=np.int32)
    ring_offset = 2 if numbers is None else int(numbers.max()) + 1
    tables: dict[str, list[Row]] = {}
    for one in (source,) if other is None else (source, other):
        rows = tables[one.name] = []
        for frame, cells in enumerate(cells_of(one.traction, _how(request, one))):
            rows += map(row_of, cells)
            _draw(regions[frame], cells, ring_offset)
            yield frame + 1
    measured = Measured(
        tables,
        columns_of(traction),
        scale_of(in_pascal(traction)),
        regions,
        ring_offset,
        "" if comparison is None else _in_words(comparison, list(tables)),
    )
    return Outcome(measured, None if comparison is None else comparison.difference)


def _how(request: Request, source: Source) -> Measurement:
    spacing_um = source.traction.spacing_um
    dilation = dilation_in_steps(request.dilation_um, spacing_um)
    return Measurement(request.cells, dilation, source.prepared())


def _in_words(found: Comparison, names: list[str]) -> str:
    """Where two tractions differ most, and by how much in all."""
    stack = found.difference
    step, unit = stack.spacing_um or 1.0, unit_label(stack.unit)
    length = "steps" if stack.spacing_um is None else "\N{MICRO SIGN}m"
    one, other = found.magnitudes
    return (
        f"{names[0]} and {names[1]} differ most in frame {found.frame} at "
        # With no-break spaces.
        f"x\N{NO-BREAK SPACE}{found.column * step:.4g}, "
        f"y\N{NO-BREAK SPACE}{found.row * step:.4g}\N{NO-BREAK SPACE}{length}: "
        f"{one:.4g} and {other:.4g} {unit}, difference {found.largest:.4g} {unit}. "
        "The root mean square of the difference is "
        f"{found.relative:.0%} of that of the tractions."
    )


def _draw(image: npt.NDArray[np.int32], cells: list[Cell], ring_offset: int) -> None:
    # Regions over rings: the ring of a cell may reach into the region of another one.
    for cell in cells:
        image[cell.ring] = cell.number + ring_offset
    for cell in cells:
        image[cell.region] = cell.number
