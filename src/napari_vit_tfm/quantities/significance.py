"""The control without force of every quantity of a cell: noise floors and p-values."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from napari_vit_tfm.config import ControlConfig
from napari_vit_tfm.errors import Cancelled
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.quantities.cell import Cell, FloatArray, Mask
from napari_vit_tfm.quantities.control import (
    Reconstruct,
    force_free_fields,
    in_parts,
)
from napari_vit_tfm.quantities.measure import Measurement, cells_of
from napari_vit_tfm.quantities.registry import (
    QUANTITIES,
    Quantity,
    quantity_and_unit,
)

MOST_TWINS = 20
"""Largest number of empty places to which a region is moved."""


@dataclass(frozen=True)
class ControlRow:
    """A quantity of a cell, and what it would be without a force of the cell.

    Parameters
    ----------
    frame, cell : int
        Number of the frame, from 0, and of the cell.
    column : str
        Column of the quantity, with its unit.
    value : float
        Its measured value.
    floor : float
        Mean without a force of the cell: the noise floor.
    floor_95 : float
        95% of the values without force are not larger; for quantities with a sign, as
        magnitudes.
    p : float
        Probability of a value at least as extreme without force; see `p_value`.
    n_runs : int
        Number of reconstructions without force.
    n_twins : int
        Number of places without cell to which the region was moved.
    twin_mean, twin_max : float
        Mean of the quantity there, and its largest magnitude; NaN without a place.
    """

    frame: int
    cell: int
    column: str
    value: float
    floor: float
    floor_95: float
    p: float
    n_runs: int
    n_twins: int
    twin_mean: float
    twin_max: float

    def in_words(self) -> str:
        """The row as a sentence without a full stop.

        Examples
        --------
        >>> from napari_vit_tfm.quantities import ControlRow
        >>> row = ControlRow(
        ...     frame=3, cell=1, column="total_force_nN", value=35.12, floor=4.13,
        ...     floor_95=6.02, p=1 / 201, n_runs=200, n_twins=0, twin_mean=0.0,
        ...     twin_max=0.0,
        ... )
        >>> value, without, p = row.in_words().split(", ")
        >>> print(value, without, sep=", ")
        cell 1: total force 35.1 nN, without a force 4.13 nN (95% below 6.02)
        >>> p
        'p = 0.005'
        """
        quantity, unit = quantity_and_unit(self.column)
        value, floor, floor_95 = (
            f"{x:.3g}" for x in (self.value, self.floor, self.floor_95)
        )
        what = "95%" if quantity.error == "ratio" else "95% of magnitudes"
        return (
            f"cell {self.cell}: {quantity.words} {value}{unit}, without a force "
            f"{floor}{unit} ({what} below {floor_95}), p = {self.p:.2g}"
        )


def occupied_by(cells: Sequence[Cell]) -> Mask:
    """Regions and rings of all cells of a frame, shape ``(H, W)``."""
    found: Mask = np.any([cell.region | cell.ring for cell in cells], axis=0)
    return found


def control_rows(
    cell: Cell,
    traction: TractionStack,
    displacement: DisplacementStack,
    *,
    frame: int,
    occupied: Mask,
    reconstruct: Reconstruct,
    n_runs: int = ControlConfig.n_runs,
    seed: int = 0,
    is_cancelled: Callable[[], bool] | None = None,
) -> Generator[int, None, list[ControlRow]]:
    """Compare the quantities of a cell with those that noise alone makes.

    The displacement that all tractions but those of the cell cause, with new noise as
    strong as that of the measured displacement, is reconstructed many times, and the
    quantities are measured in the region of the cell. They are also measured in places
    of the same frame without cell. It is a generator, so that it can be stopped.

    Parameters
    ----------
    cell : Cell
        The cell.
    traction : TractionStack
        Tractions ``(T, H, W, 2)`` to which it belongs.
    displacement : DisplacementStack
        The measured displacements.
    frame : int, keyword-only
        Frame of the cell in `traction` and `displacement`.
    occupied : array of bool, shape (H, W), keyword-only
        Regions and rings of all cells of the frame, where no twin is placed.
    reconstruct : callable, keyword-only
        Computes tractions as those in `traction` were computed.
    n_runs, seed : int, keyword-only
        Number of reconstructions, seed of the noise. The noise also depends on the
        numbers of frame and cell.
    is_cancelled : callable, keyword-only, optional
        Called before every few reconstructions. If it returns True, it stops.

    Yields
    ------
    int
        Number of finished reconstructions, after every few of them.

    Returns
    -------
    list of ControlRow
        In the order of the quantities, without those that follow from the mask alone.

    Raises
    ------
    Cancelled
        If `is_cancelled` returned True.
    """
    fields = force_free_fields(
        traction,
        displacement,
        frame=frame,
        emptied=cell.region,
        n=n_runs,
        seed=(seed, cell.frame, cell.number),
    )
    quantities = [
        quantity
        for quantity in QUANTITIES.values()
        if not quantity.is_geometric and quantity.error not in ("angle", "none")
    ]
    null: list[list[float]] = []
    parts = in_parts(fields, reconstruct)
    while len(null) < n_runs:
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        part, found = next(parts)
        for (whole,) in cells_of(found, Measurement(measured=part)):
            empty = _in_region_of(cell, whole)
            null.append([quantity.value(empty) for quantity in quantities])
        yield len(null)
    twins = [
        [quantity.value(twin) for quantity in quantities]
        for twin in twins_of(cell, occupied)
    ]
    return [
        _row(cell, quantity, np.array(without), [twin[i] for twin in twins])
        for i, (quantity, without) in enumerate(
            zip(quantities, zip(*null, strict=True), strict=True)
        )
    ]


def p_value(quantity: Quantity, value: float, null: FloatArray) -> float:
    """Probability of a value at least as extreme where there is no force.

    Parameters
    ----------
    quantity : Quantity
        The quantity. Positive ones are compared by size, those with a sign and shares
        by their distance from the mean, on both sides.
    value : float
        The measured value.
    null : array of shape (n,)
        Values without force. Those that are NaN count as extreme.

    Returns
    -------
    float
        ``(1 + count) / (1 + n)``; NaN for a value that is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.quantities import QUANTITIES
    >>> from napari_vit_tfm.quantities.significance import p_value
    >>> null = np.arange(-9.0, 10.0)
    >>> p_value(QUANTITIES["total_force"], 8.5, null)
    0.1
    >>> p_value(QUANTITIES["net_force_x"], -8.5, null)
    0.2
    """
    if np.isnan(value):
        return np.nan
    if quantity.error != "ratio":
        # The mean of all values, so that the measured one is treated as the others.
        middle = np.nanmean([*null, value])
        value, null = abs(value - middle), np.abs(null - middle)
    count = int(np.count_nonzero(~(null < value)))
    return (1 + count) / (1 + null.size)


def twins_of(cell: Cell, occupied: Mask) -> Iterator[Cell]:
    """The same region in places without cell, where there is room.

    Parameters
    ----------
    cell : Cell
        The cell.
    occupied : array of bool, shape (H, W)
        Where no twin may be, with the place of the cell itself.

    Yields
    ------
    Cell
        Twins that do not overlap, at most `MOST_TWINS`.
    """
    if cell.is_field:
        return
    pattern = cell.region | cell.ring
    rows, columns = np.nonzero(pattern)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    taken = (occupied | pattern | ~cell.known).astype(np.float64)
    overlap = scipy.signal.fftconvolve(
        taken, pattern[box][::-1, ::-1].astype(np.float64), "valid"
    )
    free = overlap < 0.5
    height, width = pattern[box].shape
    for _ in range(MOST_TWINS):
        places = np.argwhere(free)
        if not places.size:
            return
        row, column = places[0]
        free[
            max(0, row - height + 1) : row + height,
            max(0, column - width + 1) : column + width,
        ] = False
        place = slice(row, row + height), slice(column, column + width)
        core, region = (_moved(mask, box, place) for mask in (cell.core, cell.region))
        ring = _moved(cell.ring, box, place)
        yield replace(cell, core=core, region=region, ring=ring)


def _moved(mask: Mask, box: tuple[slice, ...], place: tuple[slice, ...]) -> Mask:
    moved = np.zeros_like(mask)
    moved[place] = mask[box]
    return moved


def _in_region_of(cell: Cell, whole: Cell) -> Cell:
    """The region of a cell in the tractions of another field, with the same holes."""
    return replace(
        whole,
        traction=np.where(cell.known[..., None], whole.traction, np.nan),
        core=cell.core,
        region=cell.region,
        ring=cell.ring,
        is_field=cell.is_field,
        idle=cell.idle,
    )


def _row(
    cell: Cell, quantity: Quantity, null: FloatArray, twins: list[float]
) -> ControlRow:
    value = quantity.value(cell)
    known = null[np.isfinite(null)]
    extreme = known if quantity.error == "ratio" else np.abs(known)
    has_twins = bool(np.isfinite(twins).any())
    return ControlRow(
        cell.frame,
        cell.number,
        quantity.column(cell.scale),
        value,
        float(known.mean()) if known.size else np.nan,
        float(np.percentile(extreme, 95)) if known.size else np.nan,
        p_value(quantity, value, null) if known.size else np.nan,
        null.size,
        len(twins),
        float(np.nanmean(twins)) if has_twins else np.nan,
        float(np.nanmax(np.abs(twins))) if has_twins else np.nan,
    )
