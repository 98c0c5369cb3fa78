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
