"""Marks: values such as -9999 that programs write where they have no vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.displacement.holes import Mask

_FEWEST = 3
"""Fewest vectors with the same value that are marks."""

_FAR = 5.0
"""Smallest mark, relative to the other values, and to the step of rounded ones."""

_LONE_SHARE = 0.01
"""Share of the vectors, the longest of those whose value occurs less often, that do not
count as other values: they may be wrong themselves."""


@dataclass(frozen=True, eq=False)
class Marks:
    """Marks of one frame.

    Parameters
    ----------
    mask : array of bool, shape (H, W)
        Where a component has the value of a mark.
    value : float, optional
        The most frequent one; None if there are none.
    in_both : bool
        Whether both components of all these vectors are marks.
    """

    mask: Mask
    value: float | None
    in_both: bool

    @property
    def count(self) -> int:
        """Number of vectors with marks."""
        return int(np.count_nonzero(self.mask))


def find_marks(field: npt.NDArray[np.floating]) -> Marks:
    """Find values that are repeated and far larger than all others.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors in any unit; NaN are holes.

    Returns
    -------
    Marks

    Notes
    -----
    Wrong measured values are not equal. A value is a mark if at least three vectors
    have exactly this value in a component, and if it is more than five times as large
    as the others. Zeros are not looked for here (`zero_regions`).

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.displacement.marks import find_marks
    >>> field = np.random.default_rng(0).normal(size=(32, 32, 2))
    >>> field[4:6, 9:11] = -9999
    >>> marks = find_marks(field)
    >>> marks.count, marks.value, marks.in_both
    (4, -9999.0, True)
    """
    values = [_marks_of(component) for component in np.moveaxis(field, -1, 0)]
    x, y = (np.isin(field[..., axis], list(found)) for axis, found in enumerate(values))
    mask: Mask = x | y
    most = max(values, key=lambda found: max(found.values(), default=0))
    return Marks(
        mask,
        max(most, key=lambda value: most[value]) if most else None,
        bool((x & y)[mask].all()),
    )


def _marks_of(component: npt.NDArray[np.floating]) -> dict[float, int]:
    """Marks of one component, and how often they occur."""
    known = component[np.isfinite(component)]
    values, counts = np.unique(known, return_counts=True)
    size = np.abs(values)
    outwards = np.argsort(size)
    values, counts, size = values[outwards], counts[outwards], size[outwards]
    is_lone = counts < _FEWEST
    n_longer = np.cumsum((counts * is_lone)[::-1])[::-1]
    ordinary = size[~is_lone | (n_longer > _LONE_SHARE * known.size)]
    gaps = np.diff(size)
    step = gaps[gaps > 0].min(initial=np.inf)
    jumps = ordinary[1:] > _FAR * np.maximum(ordinary[:-1], step)
    # The smallest values may differ by any factor.
    jumps[: len(ordinary) // 2 - 1] = False
    if not jumps.any():
        return {}
    is_mark = ~is_lone & (size >= ordinary[1:][jumps][0])
    return {
        float(value): int(count)
        for value, count in zip(values[is_mark], counts[is_mark], strict=True)
    }
