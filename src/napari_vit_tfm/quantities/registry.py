"""The registered quantities. A quantity is a function of a cell, with name and unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from napari_vit_tfm.quantities.cell import Cell
from napari_vit_tfm.quantities.units import SCALES, Dimension, Scale

Function = Callable[[Cell], float]

ErrorKind = Literal["ratio", "force", "moment", "energy", "share", "angle", "none"]
"""How the error of a quantity is expressed.

``ratio``: as the logarithm of a ratio, for positive quantities. ``force``, ``moment``,
``energy``: as a share of the total force, of the total force times the radius of
gyration, and of the strain energy, for quantities with a sign. ``share``: as a
difference, between 0 and 1. ``angle``: as a difference of axes, in degrees. ``none``:
it says how good the tractions are, and has no error itself.
"""


@dataclass(frozen=True)
class Quantity:
    """A number that describes the tractions of a cell.

    Parameters
    ----------
    name : str
        Name of its column, without the unit.
    words : str
        Name in plots and menus.
    dimension : str
        Kind of the quantity, from which its unit follows.
    formula : str
        How it is computed.
    source : str
        Where it is defined; empty if it needs no source.
    error : str
        How its error is expressed; see `ErrorKind`.
    compute : callable
        Function of a `Cell`, in its units of tractions and lengths. NaN where the
        quantity cannot be computed.
    is_geometric : bool
        Whether it depends on the cell alone, and so is known where tractions are not.
    """

    name: str
    words: str
    dimension: Dimension
    formula: str
    source: str
    error: ErrorKind
    compute: Function
    is_geometric: bool = False

    def column(self, scale: Scale) -> str:
        """Name of the column, with the unit, such as ``total_force_nN``."""
        unit, _ = scale.unit(self.dimension)
        return f"{self.name}_{unit}" if unit else self.name

    def value(self, cell: Cell) -> float:
        """The quantity of a cell, in the unit of its column; computed once.

        NaN without tractions, unless it is geometric.
        """
        if self.name not in cell.computed:
            is_known = self.is_geometric or bool(cell.nodes.any())
            factor = cell.scale.unit(self.dimension)[1]
            cell.computed[self.name] = (
                self.compute(cell) * factor if is_known else math.nan
            )
        return cell.computed[self.name]


_QUANTITIES: dict[str, Quantity] = {}

QUANTITIES: Mapping[str, Quantity] = MappingProxyType(_QUANTITIES)
"""All quantities by name, in the order of the columns."""


def quantity_and_unit(column: str) -> tuple[Quantity, str]:
    """The quantity of a column, and its unit with a space before it, or nothing.

    Examples
    --------
    >>> from napari_vit_tfm.quantities.registry import quantity_and_unit
    >>> quantity, unit = quantity_and_unit("net_moment_nN_um")
    >>> quantity.words, unit
    ('net contractile moment', ' nN um')
    """
    for scale in SCALES:
        for one in QUANTITIES.values():
            if one.column(scale) == column:
                unit, _ = scale.unit(one.dimension)
                return one, f" {unit.replace('_', ' ')}" if unit else ""
    raise KeyError(column)


def quantity(
    words: str,
    dimension: Dimension,
    *,
    formula: str,
    source: str = "",
    error: ErrorKind = "ratio",
    is_geometric: bool = False,
) -> Callable[[Function], Function]:
    """Register a function as a quantity, under the name of the function.

    Parameters
    ----------
    words, dimension, formula, source, error, is_geometric
        As for `Quantity`.
    """

    def register(function: Function) -> Function:
        name = function.__name__
        _QUANTITIES[name] = Quantity(
            name, words, dimension, formula, source, error, function, is_geometric
        )
        return function

    return register
