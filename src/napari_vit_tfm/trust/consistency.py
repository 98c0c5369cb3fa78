"""Forward consistency: the displacement that reconstructed tractions cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.fields import without_drift
from napari_vit_tfm.physics import Substrate, surface_displacement

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Consistency:
    """What tractions explain of a displacement.

    Parameters
    ----------
    model : array of shape (T, H, W, 2)
        Displacement that the tractions cause, in grid steps.
    residual : array of shape (T, H, W, 2)
        Measured displacement minus `model`, in grid steps.
    explained : array of shape (T,)
        Share of the squared displacement that the tractions explain: 1 minus the ratio
        of the squared residual to the squared displacement, both without their means.
        NaN for a frame without displacement.
    """

    model: FloatArray
    residual: FloatArray
    explained: npt.NDArray[np.float64]


def forward_consistency(
    steps: FloatArray,
    traction: npt.NDArray[np.floating],
    substrate: Substrate | None = None,
    *,
    spacing_um: float | None = None,
) -> Consistency:
    """Compare a displacement with the one that tractions cause.

    Parameters
    ----------
    steps : array of shape (T, H, W, 2)
        Measured displacement, in grid steps, finite.
    traction : array of shape (T, H, W, 2)
        Tractions ``t / E``, finite.
    substrate : Substrate, optional
        The gel; by default the reference gel.
    spacing_um : float, keyword-only, optional
        Distance between neighbouring vectors; required for a gel of finite thickness.

    Returns
    -------
    Consistency

    Examples
    --------
    The true tractions explain everything:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import surface_displacement
    >>> from napari_vit_tfm.trust.consistency import forward_consistency
    >>> traction = np.zeros((1, 32, 32, 2))
    >>> traction[0, 12:20, 8:12, 0], traction[0, 12:20, 20:24, 0] = 0.1, -0.1
    >>> steps = surface_displacement(traction).astype(np.float32)
    >>> forward_consistency(steps, traction).explained.round(6).tolist()
    [1.0]
    """
    caused = surface_displacement(traction, substrate, spacing_um=spacing_um)
    model: FloatArray = caused.astype(np.float32)
    residual = np.subtract(steps, model, dtype=np.float32)
    return Consistency(model, residual, explained_share(steps, model))


def explained_share(
    measured: npt.NDArray[np.floating], model: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Share of the squared displacement that a model explains.

    Parameters
    ----------
    measured, model : arrays of shape (T, H, W, 2)
        Finite displacements, in the same unit.

    Returns
    -------
    array of shape (T,)
        As `Consistency.explained`.
    """
    squares, left = (
        (without_drift(vectors).astype(np.float64) ** 2).sum(axis=(1, 2, 3))
        for vectors in (measured, np.subtract(measured, model, dtype=np.float32))
    )
    moved = squares > 0
    return np.where(moved, 1 - left / np.where(moved, squares, 1), np.nan)


def explained_inside(
    model: npt.NDArray[np.floating],
    residual: npt.NDArray[np.floating],
    inside: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """Share of the squared displacement that is explained in a region.

    Parameters
    ----------
    model, residual : arrays of shape (T, H, W, 2)
        Displacement that the tractions cause, and the residual, in the same unit; NaN
        in holes.
    inside : array of bool, shape (H, W) or (T, H, W)
        The region, such as a cell.

    Returns
    -------
    array of shape (T,)
        As `Consistency.explained`, with sums over the region alone. The means are those
        of the whole field, since they contain the drift. NaN where the region is empty,
        or has no displacement.

    Examples
    --------
    Everything is explained on the left, nothing on the right:

    >>> import numpy as np
    >>> from napari_vit_tfm.trust.consistency import explained_inside
    >>> measured = np.random.default_rng(0).normal(size=(1, 16, 16, 2))
    >>> is_left = np.arange(16) < 8
    >>> model = np.where(is_left[:, None], measured, 0.0)
    >>> region = np.broadcast_to(is_left, (16, 16))
    >>> bool(explained_inside(model, measured - model, region)[0] > 0.98)
    True
    >>> bool(explained_inside(model, measured - model, ~region)[0] < 0.02)
    True
    """
    known = np.isfinite(residual).all(axis=-1) & inside
    squares, left = (
        np.where(known, np.square(_about_mean(vectors)).sum(axis=-1), 0.0).sum(
            axis=(1, 2)
        )
        for vectors in (model + residual, residual)
    )
    moved = squares > 0
    return np.where(moved, 1 - left / np.where(moved, squares, 1), np.nan)


def _about_mean(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Vectors ``(T, H, W, 2)`` minus the mean of those that are not NaN, 0 in holes."""
    known = np.isfinite(vectors).all(axis=-1, keepdims=True)
    whole = np.where(known, vectors, 0.0).astype(np.float64)
    count = np.maximum(known.sum(axis=(1, 2), keepdims=True), 1)
    mean = whole.sum(axis=(1, 2), keepdims=True) / count
    return np.where(known, whole - mean, 0.0)
