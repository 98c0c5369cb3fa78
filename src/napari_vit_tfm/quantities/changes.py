"""Changes of quantities from one frame to another, with their own errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from napari_vit_tfm.quantities.cell import Cell, FloatArray
from napari_vit_tfm.quantities.errors import error_of, features_of, size_of, with_error
from napari_vit_tfm.quantities.intervals import Interval, known_errors
from napari_vit_tfm.quantities.registry import QUANTITIES, Quantity


@dataclass(frozen=True)
class Change:
    """Change of a quantity from one frame to another.

    Parameters
    ----------
    value : float
        Measured change.
    is_ratio : bool
        Whether it is the later value over the earlier one. Else it is the later minus
        the earlier one, in the unit of the quantity.
    interval : Interval
        Where the true change is. Errors that both frames have in common, such as that
        of Young's modulus, are not in it.
    """

    value: float
    is_ratio: bool
    interval: Interval


@dataclass(frozen=True)
class CellChanges:
    """Changes of the quantities of a cell from one frame to the next.

    Parameters
    ----------
    frame, cell : int
        Number of the later frame, and of the cell.
    changes : mapping of str to Change
        By column; see `changes_of`.
    """

    frame: int
    cell: int
    changes: Mapping[str, Change]


def changes_of(before: Cell, after: Cell) -> Mapping[str, Change]:
    """Changes of the quantities of a cell from one frame to another.

    Parameters
    ----------
    before, after : Cell
        The cell in two frames.

    Returns
    -------
    mapping of str to Change
        By column; empty if the errors are not known. Positive quantities have ratios,
        all others differences. Their errors are those of changes on known tractions,
        which are smaller than those of the quantities: most of the error of the network
        is the same in both frames.

    Examples
    --------
    >>> from napari_vit_tfm import ReconstructionConfig, reconstruct
    >>> from napari_vit_tfm.quantities import Measurement, cells_of, changes_of
    >>> from napari_vit_tfm.synthesis import contracting_cell
    >>> fields = contracting_cell(n_frames=4, seed=1, shape=(48, 48))
    >>> displacement, truth = fields.on_gel(young_pa=5000.0, spacing_um=0.8)
    >>> config = ReconstructionConfig(model="bayesian-fttc", device="cpu")
    >>> traction = reconstruct(displacement, config=config)
    >>> found = list(cells_of(traction, Measurement(measured=displacement)))
    >>> change = changes_of(found[1][0], found[2][0])["total_force_nN"]
    >>> change.is_ratio, change.interval.low95 < change.interval.high95
    (True, True)
    """
    features = features_of_change(before, after)
    if before.method is None or before.method != after.method or features is None:
        return MappingProxyType({})
    errors = known_errors()[before.method]
    of = "field change" if before.is_field else "cell change"
    found: dict[str, Change] = {}
    for quantity in QUANTITIES.values():
        expected = errors.errors(of, quantity.name, features)
        value = _change(quantity, quantity.value(before), quantity.value(after))
        if expected is None or not np.isfinite(value):
            continue
        size = size_of_change(quantity, before, after)
        ends = with_error(quantity, value, size, expected, least_share=-1.0)
        found[quantity.column(after.scale)] = Change(
            value, quantity.error == "ratio", Interval.of_ends(ends)
        )
    return found


def features_of_change(before: Cell, after: Cell) -> FloatArray | None:
    """What is known about the errors of changes, shape ``(K + 2,)``.

    The mean features of both frames (see `features_of`), how much the tractions differ,
    and how much the total force does. None if the conditions are not known.
    """
    both = features_of(before), features_of(after)
    if both[0] is None or both[1] is None:
        return None
    nodes = before.nodes & after.nodes
    one, other = before.traction[nodes], after.traction[nodes]
    power = np.square(one).sum() + np.square(other).sum()
    differ = np.sqrt(np.square(one - other).sum() / power) if power > 0 else 1.0
    forces = [QUANTITIES["total_force"].compute(cell) for cell in (before, after)]
    fold = abs(np.log(forces[1] / forces[0]))
    return np.array([*(both[0] + both[1]) / 2, np.log10(differ + 1e-3) + 1, fold])


def size_of_change(quantity: Quantity, before: Cell, after: Cell) -> float:
    """Size by which the error of a change is divided: the mean of both `size_of`."""
    return (size_of(quantity, before) + size_of(quantity, after)) / 2


def _change(quantity: Quantity, before: float, after: float) -> float:
    if quantity.error == "ratio":
        return after / before if before > 0 and after > 0 else np.nan
    one, other = np.array([before]), np.array([after])
    return float(error_of(quantity, other, one, np.ones(1))[0])
