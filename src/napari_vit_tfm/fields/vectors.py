"""Arrays of vectors, and their lengths and drift."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.constraints import Range, shown
from napari_vit_tfm.errors import FieldError

FloatArray = npt.NDArray[np.float32]

SPACINGS_UM = Range(minimum=1e-3, maximum=1e5)
PIXEL_SIZES_UM = Range(minimum=1e-4, maximum=1e5)
DISTANCES = Range(minimum=1e-9, maximum=1e9)
"""Lengths that no field has are mistakes, such as metres instead of micrometres."""


class VectorStack:
    """Base class of displacement and traction stacks."""

    data: FloatArray

    @property
    def n_frames(self) -> int:
        """Number of frames, ``T``."""
        return int(self.data.shape[0])

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Number of rows and columns, ``(H, W)``."""
        return int(self.data.shape[1]), int(self.data.shape[2])

    def magnitude(self) -> FloatArray:
        """Length of every vector, ``(T, H, W)``, in the unit of the stack."""
        lengths: FloatArray = np.hypot(self.data[..., 0], self.data[..., 1])
        return lengths

    def longest(self) -> float:
        """Length of the longest finite vector of all frames."""
        lengths = self.magnitude()
        return float(lengths.max(where=np.isfinite(lengths), initial=0.0))


def as_stack(data: npt.ArrayLike) -> FloatArray:
    """The array of a stack, ``(T, H, W, 2)``, from that of a stack or of a frame."""
    array = np.asarray(data, dtype=np.float32)
    if array.ndim == 3:
        array = array[np.newaxis]
    if array.ndim != 4 or array.shape[-1] != 2:
        raise FieldError(
            f"a stack of vector fields must have the shape (T, H, W, 2), "
            f"not {array.shape}"
        )
    if min(array.shape) == 0:
        raise FieldError(f"the stack is empty: its shape is {array.shape}")
    return array


def check_length(name: str, value: float | None, allowed: Range) -> None:
    """Raise a FieldError if a length is known, and no field has it."""
    if value is not None and (words := allowed.expected(value)):
        raise FieldError(f"{name} must be {words}, not {shown(value)}")


def drift_of(data: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Mean vector of every frame, which includes any drift of the microscope stage.

    Parameters
    ----------
    data : array of shape (T, H, W, 2)
        Finite displacements.

    Returns
    -------
    array of shape (T, 2)
        Components ``(x, y)``, in the unit of `data`. The sum is computed in double
        precision, so that the mean of equal vectors is exact.
    """
    # Component by component, since sums over pairs of numbers are slow.
    means = [data[..., i].mean(axis=(1, 2), dtype=np.float64) for i in (0, 1)]
    return np.stack(means, axis=-1)


def without_drift(data: npt.NDArray[np.floating]) -> FloatArray:
    """Subtract the mean vector of every frame.

    Parameters
    ----------
    data : array of shape (T, H, W, 2)
        Finite displacements.

    Returns
    -------
    array of shape (T, H, W, 2)
        In the unit of `data`. The difference is computed in double precision, so that
        a small field on a large drift loses no accuracy.
    """
    left = np.empty(data.shape, dtype=np.float32)
    for i, mean in enumerate(drift_of(data).T):
        left[..., i] = data[..., i] - mean[:, None, None]
    return left
