"""Columns that mark vectors as masked, invalid or interpolated, in several programs.

Each function returns which vectors are missing, an array of bool of shape ``(N,)``, and
what a user must know about it, one sentence each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.gridding import FloatArray

Marked = tuple[npt.NDArray[np.bool_], tuple[str, ...]]

PIV_SECOND_PEAK, PIV_INTERPOLATED, PIV_INVALID = 21, 999, -1
OPENPIV_INVALID, OPENPIV_INTERPOLATED = 1, 2
PIVLAB_MASKED, PIVLAB_INTERPOLATED = 0, 2


def imagej_piv(flags: FloatArray) -> Marked:
    """Flags of ImageJ's iterative PIV: invalid is missing, interpolated is kept."""
    return flags == PIV_INVALID, _kept(flags == PIV_INTERPOLATED)


def pivlab(types: FloatArray) -> Marked:
    """Vector types of PIVlab: masked is missing, interpolated is kept."""
    return types == PIVLAB_MASKED, _kept(types == PIVLAB_INTERPOLATED)


def status(values: FloatArray) -> Marked:
    """Status in Tecplot files of JPIV and others: not positive is missing."""
    return values <= 0, ()


def openpiv(
    vectors: FloatArray, flags: FloatArray | None, mask: FloatArray | None
) -> Marked:
    """Flags and mask of OpenPIV.

    Parameters
    ----------
    vectors : array of shape (N, 2)
        The vectors.
    flags : array of shape (N,), optional
        0 valid, 1 invalid, 2 interpolated. None in files of older versions.
    mask : array of shape (N,), optional
        1 is masked. Without flags, it may also be a vector that was replaced: only
        vectors that are exactly zero are then missing.
    """
    missing = np.zeros(len(vectors), bool)
    notes: tuple[str, ...] = ()
    if flags is not None:
        missing |= flags == OPENPIV_INVALID
        notes = _kept(flags == OPENPIV_INTERPOLATED)
    if mask is not None:
        is_marked = mask != 0
        if flags is None:
            is_zero = (vectors == 0).all(axis=1)
            replaced = is_marked & ~is_zero & np.isfinite(vectors).all(axis=1)
            if replaced.any():
                notes = (
                    "vectors that are marked in the mask but not zero are kept, since "
                    f"they may have been replaced: {np.count_nonzero(replaced)}",
                )
            is_marked &= is_zero
        missing |= is_marked
    return missing, notes


def _kept(interpolated: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    number = np.count_nonzero(interpolated)
    if not number:
        return ()
    return (f"vectors that are marked as interpolated are kept: {number}",)
