"""Comparison of two reconstructions of the same field."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.quantities.measure import in_pascal, scale_of


@dataclass(frozen=True, eq=False)
class Comparison:
    """How two stacks of tractions differ.

    Parameters
    ----------
    difference : TractionStack
        The first minus the second, in Pa if Young's modulus is known.
    frame, row, column : int
        Where the vectors differ most.
    largest : float
        Magnitude of this difference.
    magnitudes : tuple of float
        Magnitudes of both tractions there.
    relative : float
        Root mean square of the difference over that of both tractions, at all vectors
        that both know. 0 if they are equal, 2 if they are opposite.
    """

    difference: TractionStack
    frame: int
    row: int
    column: int
    largest: float
    magnitudes: tuple[float, float]
    relative: float


def compare(one: TractionStack, other: TractionStack) -> Comparison:
    """Compare two reconstructions of the same field, vector by vector.

    Parameters
    ----------
    one, other : TractionStack
        Tractions with the same frames, grid, spacing and unit.

    Returns
    -------
    Comparison
        Their difference, and where it is largest.

    Raises
    ------
    FieldError
        If they do not fit together, or have no vector that both know.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import TractionStack
    >>> from napari_vit_tfm.quantities import compare
    >>> one = np.zeros((1, 8, 8, 2))
    >>> one[0, 2, 5] = 30.0, 40.0
    >>> stacks = (TractionStack(data, unit="Pa") for data in (one, one / 2))
    >>> found = compare(*stacks)
    >>> found.frame, found.row, found.column, found.largest, found.magnitudes
    (0, 2, 5, 25.0, (50.0, 25.0))
    """
    one, other = in_pascal(one), in_pascal(other)
    _check(one, other)
    difference = replace(one, data=one.data - other.data)
    length = difference.magnitude().astype(np.float64)
    known = np.isfinite(length)
    if not known.any():
        raise FieldError("no vector is known in both tractions")
    place = np.unravel_index(np.nanargmax(length), length.shape)
    frame, row, column = map(int, place)
    lengths = one.magnitude(), other.magnitude()
    power = sum(
        float(np.square(part[known], dtype=np.float64).sum()) for part in lengths
    )
    squared = float(np.square(length[known]).sum())
    return Comparison(
        difference,
        frame,
        row,
        column,
        float(length[place]),
        (float(lengths[0][place]), float(lengths[1][place])),
        float(np.sqrt(squared / (power / 2))) if power else 0.0,
    )


def _check(one: TractionStack, other: TractionStack) -> None:
    if one.data.shape != other.data.shape:
        raise FieldError(
            f"the tractions have {_shape(one)} and {_shape(other)} vectors: only "
            "tractions on the same grid can be compared"
        )
    if scale_of(one) != scale_of(other) or one.spacing_um != other.spacing_um:
        raise FieldError(
            f"the tractions are in {_units(one)} and in {_units(other)}: only "
            "tractions with the same units and the same spacing can be compared"
        )


def _shape(stack: TractionStack) -> str:
    height, width = stack.grid_shape
    return f"{stack.n_frames} frames of {height} x {width}"


def _units(stack: TractionStack) -> str:
    traction = "Pa" if stack.unit == "Pa" else "fractions of Young's modulus"
    spacing = stack.spacing_um
    length = "grid steps" if spacing is None else f"steps of {spacing:g} um"
    return f"{traction} and {length}"
