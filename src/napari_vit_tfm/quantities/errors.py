"""Errors of quantities: how they are expressed, and what they depend on."""

from __future__ import annotations

import numpy as np
import scipy

from napari_vit_tfm.quantities.cell import Cell, FloatArray
from napari_vit_tfm.quantities.registry import QUANTITIES, Quantity
from napari_vit_tfm.quantities.windows import UNKNOWN

FEATURES = (
    "noise",
    "noise_squared",
    "noise_length",
    "noise_times_length",
    "unexplained",
    "fineness",
    "fineness_squared",
    "filling",
    "filling_squared",
    "noise_times_fineness",
    "noise_times_filling",
    "fineness_times_filling",
    "at_border",
    "outside",
    "unbalanced",
    "contraction",
    "extent",
    "field_size",
    "noise_cubed",
    "unexplained_squared",
    "noise_times_unexplained",
    "unexplained_times_fineness",
    "window",
    "window_times_fineness",
    "window_deviation",
    "window_deviation_times_fineness",
)
"""What the errors of the quantities of a cell depend on; see `features_of`."""

_BORDER_STEPS = 4
_SMOOTHING_STEPS = 1.0


def features_of(cell: Cell) -> FloatArray | None:
    """What is known from a prediction about the errors of its quantities.

    Parameters
    ----------
    cell : Cell
        The cell, with its `Cell.conditions`.

    Returns
    -------
    array of shape (K,), optional
        Numbers in the order of `FEATURES`: noise, and its correlation length;
        unexplained share of the squared displacement; share of the squared tractions
        that a Gaussian of one step takes away; share of the region that has tractions;
        share of the tractions near the border of the field, and of those outside of the
        region; unbalanced share; how far forces point inwards; size of region and
        field; squared width of the interrogation windows, and how well it is known.
        None if the conditions are not known, or there is no traction.
    """
    conditions, magnitude = cell.conditions, cell.magnitude[cell.nodes]
    total = float(magnitude.sum())
    if conditions is None or not total > 0 or not np.isfinite(conditions.noise):
        return None
    known = np.where(cell.known[..., None], cell.traction, 0.0)
    everywhere = np.hypot(*np.moveaxis(known, -1, 0))
    smooth = scipy.ndimage.gaussian_filter(
        known, (_SMOOTHING_STEPS, _SMOOTHING_STEPS, 0)
    )
    squares = np.square(known[cell.nodes]).sum()
    rough = np.square(known[cell.nodes] - smooth[cell.nodes]).sum() / squares
    border = np.ones(cell.region.shape, dtype=np.bool_)
    border[_BORDER_STEPS:-_BORDER_STEPS, _BORDER_STEPS:-_BORDER_STEPS] = False
    f_x, f_y = cell.forces
    force = float(np.hypot(f_x, f_y).sum())
    noise = np.log10(min(conditions.noise, 10.0) + 0.003) + 1.5
    length = min(conditions.noise_length, 1.5)
    unexplained = np.log10(np.clip(1 - conditions.explained, 0, 1) + 3e-4) + 2
    fineness = np.log10(rough + 1e-3) + 1.0
    windows = UNKNOWN if cell.windows is None else cell.windows.squared_width
    window, window_deviation = windows.mean - 3, windows.deviation - 3
    filling = np.log10(total**2 / (magnitude.size * np.square(magnitude).sum())) + 0.5
    return np.array(
        [
            noise,
            noise**2,
            length,
            length * noise,
            unexplained,
            fineness,
            fineness**2,
            filling,
            filling**2,
            noise * fineness,
            noise * filling,
            fineness * filling,
            everywhere[cell.nodes & border].sum() / total,
            everywhere[~cell.region].sum() / everywhere.sum(),
            np.hypot(f_x.sum(), f_y.sum()) / force,
            float(QUANTITIES["net_moment"].compute(cell)) / size_of_moment(cell),
            np.log10(magnitude.size) / 2 - 1.5,
            np.log10(cell.region.size) / 2 - 2,
            noise**3,
            unexplained**2,
            noise * unexplained,
            unexplained * fineness,
            window,
            window * fineness,
            window_deviation,
            window_deviation * fineness,
        ]
    )


def size_of_moment(cell: Cell) -> float:
    """Total force times radius of gyration of the forces about the centroid."""
    x, y = cell.positions
    force = np.hypot(*cell.forces)
    total = float(force.sum())
    radius = np.sqrt((force * (x**2 + y**2)).sum() / total) if total > 0 else 0.0
    return float(total * radius)


def size_of(quantity: Quantity, cell: Cell) -> float:
    """Size by which an error of a quantity is divided, in the unit of its column.

    Parameters
    ----------
    quantity : Quantity
        The quantity.
    cell : Cell
        The cell.
    """
    if quantity.error == "moment":
        size = size_of_moment(cell)
    elif quantity.error in ("force", "energy"):
        of = "total_force" if quantity.error == "force" else "strain_energy"
        size = abs(QUANTITIES[of].compute(cell))
    else:
        return 1.0
    return size * cell.scale.unit(quantity.dimension)[1]


def error_of(
    quantity: Quantity, truth: FloatArray, value: FloatArray, size: FloatArray
) -> FloatArray:
    """Errors ``truth - value`` of a quantity, without a unit.

    Parameters
    ----------
    quantity : Quantity
        The quantity, whose `Quantity.error` says how errors are expressed.
    truth, value, size : arrays of shape (N,)
        True and measured values, and their `size_of`.

    Returns
    -------
    array of shape (N,)
        NaN where an error cannot be expressed.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if quantity.error == "ratio":
            ratio = np.where((truth > 0) & (value > 0), truth / value, np.nan)
            return np.asarray(np.log(ratio))
        difference = truth - value
        if quantity.error == "angle":
            return np.asarray((difference + 90) % 180 - 90)
        return np.asarray(np.where(size > 0, difference / size, np.nan))


def with_error(
    quantity: Quantity,
    value: float,
    size: float,
    error: FloatArray,
    *,
    least_share: float = 0.0,
) -> FloatArray:
    """Values that differ from a measured one by given errors; inverse of `error_of`.

    Parameters
    ----------
    quantity : Quantity
        The quantity.
    value, size : float
        The measured value, and its `size_of`.
    error : array of shape (N,)
        Errors as in `error_of`.
    least_share : float, keyword-only
        Smallest value of a share: 0, or -1 for the change of one.

    Returns
    -------
    array of shape (N,)
        Shares are at most 1. Angles may be beyond 90 degrees, so that an
        interval has its lower end first, but are never more than 90 degrees away.
    """
    if quantity.error == "ratio":
        return np.asarray(value * np.exp(error)) if value > 0 else error * np.nan
    if quantity.error == "share":
        return np.asarray(np.clip(value + error, least_share, 1.0))
    if quantity.error == "angle":
        return np.asarray(value + np.clip(error, -90.0, 90.0))
    return np.asarray(value + error * size)
