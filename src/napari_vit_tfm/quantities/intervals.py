"""Intervals of quantities, from errors on known tractions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
import scipy

from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.provenance import KEY as PROVENANCE
from napari_vit_tfm.quantities.cell import Cell, FloatArray
from napari_vit_tfm.quantities.errors import features_of, size_of, with_error
from napari_vit_tfm.quantities.registry import QUANTITIES, Quantity

DATA = "intervals.json"
"""The errors on known tractions, written by ``benchmarks/quantity_intervals.py``."""

PROBABILITIES = (0.025, 0.16, 0.84, 0.975)
"""Probabilities that the truth is below the ends of the intervals."""


@dataclass(frozen=True)
class Interval:
    """Where the true value of a quantity is, with probabilities of 68% and 95%.

    Parameters
    ----------
    low68, high68, low95, high95 : float
        Ends, in the unit of the quantity. The interval need not be symmetric about the
        measured value, or contain it, since known mean errors are taken into account.
    """

    low68: float
    high68: float
    low95: float
    high95: float

    @classmethod
    def of_ends(cls, ends: FloatArray) -> Interval:
        """The interval with the ends at `PROBABILITIES`, ``(4,)``."""
        low95, low68, high68, high95 = map(float, ends)
        return cls(low68, high68, low95, high95)


ENDS = ("low68", "high68", "low95", "high95")
"""Ends of an interval, in the order of their columns."""


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Distribution of the error of a quantity, given the features of a cell.

    Parameters
    ----------
    shift, scale : arrays of shape (K + 1,)
        Mean error, and logarithm of the scale of its deviation: a constant, and one
        number per feature.
    quantiles : array of shape (4,)
        Quantiles of the deviation over its scale; see `PROBABILITIES`.
    """

    shift: FloatArray
    scale: FloatArray
    quantiles: FloatArray

    def errors(self, features: FloatArray) -> FloatArray:
        """The errors with these probabilities, ``(4,)``."""
        x = np.concatenate([[1.0], features])
        return np.asarray(self.shift @ x + np.exp(self.scale @ x) * self.quantiles)


@dataclass(frozen=True, eq=False)
class MethodErrors:
    """Errors of one method.

    Parameters
    ----------
    sha256 : str
        SHA-256 of its weights; empty without weights.
    limits : mapping of str to arrays of shape (2, K)
        Smallest and largest features for which they are known: of a ``field``, of a
        ``cell``, and of their changes, ``field change`` and ``cell change``.
    models : mapping of str to mappings of str to ErrorModel
        Errors by quantity, for the same four.
    """

    sha256: str
    limits: Mapping[str, FloatArray]
    models: Mapping[str, Mapping[str, ErrorModel]]

    def errors(self, of: str, name: str, features: FloatArray) -> FloatArray | None:
        """Errors of a quantity; None if they are not known."""
        model = self.models[of].get(name)
        if model is None:
            return None
        return model.errors(np.clip(features, *self.limits[of]))


@lru_cache(maxsize=1)
def known_errors() -> Mapping[str, MethodErrors]:
    """Errors of the methods that were measured, by name of the method."""
    content = (files("napari_vit_tfm.quantities") / DATA).read_text(encoding="utf-8")
    return {
        name: MethodErrors(
            method["sha256"],
            {of: np.array(limits) for of, limits in method["limits"].items()},
            {
                of: {
                    quantity: ErrorModel(*map(np.array, model))
                    for quantity, model in models.items()
                }
                for of, models in method["models"].items()
            },
        )
        for name, method in json.loads(content).items()
    }


def calibrated_method(traction: TractionStack) -> str | None:
    """Name of the method of tractions, if its errors are known.

    Parameters
    ----------
    traction : TractionStack
        The tractions.

    Returns
    -------
    str, optional
        None for other networks than the bundled one, for the mean over several views,
        and for options of a method that were set.
    """
    known = known_errors().get(traction.model)
    if known is None or known.sha256 != traction.model_sha256:
        return None
    provenance = traction.metadata.get(PROVENANCE)
    if provenance is not None and provenance.parameters["reconstruction"]["options"]:
        return None
    return traction.model


def intervals_of(cell: Cell, values: Mapping[str, float]) -> Mapping[str, Interval]:
    """Intervals of the quantities of a cell.

    Parameters
    ----------
    cell : Cell
        The cell, with `Cell.method` and `Cell.conditions`.
    values : mapping of str to float
        Its quantities by column.

    Returns
    -------
    mapping of str to Interval
        By column; empty if method or conditions are not known. Those of
        ``total_force_corrected`` are those of ``total_force``, since both have the same
        true value.

    Notes
    -----
    The error of a quantity, such as the logarithm of the ratio of truth and
    measurement, has a mean and a scale that depend on noise, unexplained displacement,
    and size, density and place of the tractions. Both are fitted on fields with known
    tractions, and the ends of the intervals are quantiles on fields of other kinds.
    The error of Young's modulus is not in the intervals.
    """
    features = None if cell.method is None else features_of(cell)
    if cell.method is None or features is None:
        return MappingProxyType({})
    found: dict[str, Interval] = {}
    for quantity in QUANTITIES.values():
        measured = _truth_of(quantity)
        value = values[measured.column(cell.scale)]
        errors = known_errors()[cell.method].errors(
            "field" if cell.is_field else "cell", measured.name, features
        )
        if errors is None or not np.isfinite(value):
            continue
        ends = with_error(measured, value, size_of(measured, cell), errors)
        found[quantity.column(cell.scale)] = Interval.of_ends(ends)
    return found


def gel_factors(young_error: float) -> Interval:
    """Factors that the error of Young's modulus may add to absolute numbers.

    Parameters
    ----------
    young_error : float
        Relative standard deviation of Young's modulus.

    Returns
    -------
    Interval
        True over measured value of forces, moments, energies and tractions in units
        with Pa, if nothing else is wrong: the modulus is taken to be log-normal. It is
        one factor for everything on the same gel, so it never enters a comparison of
        frames or cells.

    Examples
    --------
    >>> from napari_vit_tfm.quantities import gel_factors
    >>> found = gel_factors(0.1)
    >>> round(found.low68, 3), round(found.high68, 3), round(found.high95, 3)
    (0.906, 1.104, 1.216)
    """
    scale = np.sqrt(np.log1p(young_error**2))
    return Interval.of_ends(np.exp(scale * scipy.special.ndtri(PROBABILITIES)))


def _truth_of(quantity: Quantity) -> Quantity:
    """The quantity whose true value is that of another one."""
    is_corrected = quantity.name == "total_force_corrected"
    return QUANTITIES["total_force"] if is_corrected else quantity
