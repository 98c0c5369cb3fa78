"""Columns that mark vectors as masked, invalid or interpolated, in several programs.

`CONVENTIONS` has what the numbers in a column mean, by the column's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.gridding import FloatArray

BoolArray = npt.NDArray[np.bool_]
Marked = tuple[BoolArray, tuple[str, ...]]


@dataclass(frozen=True)
class Convention:
    """What the numbers in a column of marks mean.

    Parameters
    ----------
    names : tuple of str
        Names of the column, in lower case, without blanks and punctuation.
    missing : str
        Which vectors are missing, in words.
    missing_values : tuple of float
        Numbers of missing vectors; empty if all but the other numbers are.
    valid_values : tuple of float
        Numbers of valid vectors; empty if all positive numbers are, and no others.
    interpolated : float, optional
        Number of vectors that were interpolated, which are kept.
    """

    names: tuple[str, ...]
    missing: str
    missing_values: tuple[float, ...] = ()
    valid_values: tuple[float, ...] = ()
    interpolated: float | None = None

    def marked(self, values: FloatArray, name: str) -> Marked:
        """Which vectors are missing, and what a user must know about it.

        Parameters
        ----------
        values : array of shape (N,)
            Numbers in the column. NaN is missing.
        name : str
            Name of the column, for the notes.

        Returns
        -------
        missing : array of bool, shape (N,)
            True where a vector is missing.
        notes : tuple of str
            One sentence each.
        """
        kept = values == self.interpolated
        known = kept | np.isin(values, self.valid_values)
        if self.missing_values:
            missing = np.isnan(values) | np.isin(values, self.missing_values)
        elif self.valid_values:
            missing = ~known
        else:
            missing = ~(values > 0)
            known = ~missing
        notes = _kept(kept)
        others = np.unique(values[~(known | missing)])
        if others.size:
            shown = ", ".join(f"{number:g}" for number in others[:3])
            notes += (
                f"the meaning of {shown} in the column {name} is not known: these "
                "vectors are kept; set them to nan if they are wrong",
            )
        return missing, notes


CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        "mask": Convention(
            names=("mask", "masked"),
            missing="all but 0 are missing",
            valid_values=(0,),
        ),
        "flags": Convention(
            names=("flag", "flags"),
            missing="1 is missing",
            missing_values=(1,),
            valid_values=(0,),
            interpolated=2,
        ),
        "valid": Convention(
            names=("valid", "isvalid"),
            missing="0 is missing",
            missing_values=(0,),
            valid_values=(1,),
        ),
        "type": Convention(
            names=("type", "typevector", "vectortype"),
            missing="0 is missing",
            missing_values=(0,),
            valid_values=(1,),
            interpolated=2,
        ),
        "status": Convention(
            names=("status", "chc"),
            missing="0 and negative numbers are missing",
        ),
    }
)
"""Conventions by the role of the column: OpenPIV's mask and flags, validity as in most
tables, PIVlab's type of vector, and the status in Tecplot files."""

JPIV_STATUS = "s"
"""Name of the column of the status in Tecplot files of JPIV."""

IMAGEJ_PIV_FLAGS = Convention(
    names=(),
    missing="-1 is missing",
    missing_values=(-1,),
    valid_values=(0, 21),
    interpolated=999,
)
"""Flags of ImageJ's iterative PIV; 21 is the second correlation peak."""


def role_of_mark(name: str) -> str | None:
    """The role of a column or an array of marks by its name, a key of `CONVENTIONS`.

    Examples
    --------
    >>> from napari_vit_tfm.io.text.marks import role_of_mark
    >>> role_of_mark("Vector type"), role_of_mark("CHC"), role_of_mark("u")
    ('type', 'status', None)
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    for role, convention in CONVENTIONS.items():
        if plain in convention.names:
            return role
    return None


def old_openpiv_mask(mask: FloatArray, vectors: FloatArray) -> Marked:
    """The mask of OpenPIV without flags, which older versions wrote.

    It is 1 for masked vectors, which are zero, and also for vectors that were replaced:
    these are kept.

    Parameters
    ----------
    mask : array of shape (N,)
        Numbers in the column.
    vectors : array of shape (N, 2)
        The vectors.
    """
    is_marked, _ = CONVENTIONS["mask"].marked(mask, "mask")
    is_zero = (vectors == 0).all(axis=1)
    replaced = is_marked & ~is_zero & np.isfinite(vectors).all(axis=1)
    number = np.count_nonzero(replaced)
    if not number:
        return is_marked & is_zero, ()
    return is_marked & is_zero, (
        "vectors that are marked in the mask but not zero are kept, since they may "
        f"have been replaced: {number}",
    )


def _kept(interpolated: BoolArray) -> tuple[str, ...]:
    number = np.count_nonzero(interpolated)
    if not number:
        return ()
    return (f"vectors that are marked as interpolated are kept: {number}",)
