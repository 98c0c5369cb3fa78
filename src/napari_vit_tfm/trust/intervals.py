"""How sure tractions are: intervals that hold the truth with a stated probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.fields import without_drift
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.trust.noise import FrameNoise

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

FloatArray = npt.NDArray[np.float32]

_NEAR = 2.0
"""Standard deviation of the Gaussian over which the noise around a node is averaged, in
grid steps."""


def traction_intervals(
    steps: FloatArray,
    traction: FloatArray,
    substrate: Substrate | None = None,
    *,
    spacing_um: float | None = None,
    method: ReconstructionMethod,
    noise: FrameNoise | None = None,
    model: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Half-widths of the central 68% and 95% intervals of each component.

    They hold the errors of the reconstruction and of the displacement's noise, as far
    as it is random. They do not hold an error of Young's modulus.

    Parameters
    ----------
    steps : array of shape (T, H, W, 2)
        Measured displacement, in grid steps, finite.
    traction : array of shape (T, H, W, 2)
        Tractions ``t / E`` that the method has computed from it.
    substrate : Substrate, optional
        The gel; by default the reference gel.
    spacing_um : float, keyword-only, optional
        Distance between neighbouring vectors; required for a gel of finite thickness.
    method : ReconstructionMethod, keyword-only
        The method.
    noise : FrameNoise, keyword-only, optional
        Noise of the frames; estimated by default.
    model : array of shape (T, H, W, 2), keyword-only, optional
        Displacement that the tractions cause on this gel, in grid steps; computed by
        default. On another gel than the reference gel, the model and an estimated noise
        are computed for the displacement on the reference gel instead.

    Returns
    -------
    halfwidth_68, halfwidth_95 : arrays of shape (T, H, W, 2)
        As ``t / E``; zero for a frame without displacement.

    Raises
    ------
    ModelError
        If the intervals of the method are not known; see `reason_without`.

    Examples
    --------
    >>> from napari_vit_tfm.models import load
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> from napari_vit_tfm.trust.intervals import traction_intervals
    >>> made = synthesise(1, seed=0, shape=(32, 40))
    >>> steps = made.displacement * 39
    >>> narrow, wide = traction_intervals(
    ...     steps, made.traction, method=load("bayesian-fttc")
    ... )
    >>> narrow.shape, bool((narrow < wide).all())
    ((1, 32, 40, 2), True)
    """
    import torch

    from napari_vit_tfm.models.intervals import halfwidths
    from napari_vit_tfm.models.precision import full_float32
    from napari_vit_tfm.models.solved import Solved
    from napari_vit_tfm.models.tensors import to_tensor

    substrate = substrate or Substrate()
    reference = substrate.to_reference(without_drift(steps), spacing_um=spacing_um)
    per_side = np.float32(steps.shape[2] - 1)
    displacement = to_tensor(reference / per_side)
    if not substrate.is_reference:
        model = None
        noise = noise if noise is not None and noise.is_given else None
    is_given = noise is not None and noise.is_given
    scale = substrate.noise_in_reference(spacing_um=spacing_um) / float(per_side)
    found = np.empty((2, *traction.shape), dtype=np.float32)
    with torch.inference_mode(), full_float32():
        # Frame by frame, so that large fields do not need much memory.
        for number, frame in enumerate(to_tensor(traction)):
            one = slice(number, number + 1)
            solved = Solved.of(
                displacement[one],
                frame[None],
                noise=None
                if noise is None
                else _as_tensors(noise.noise[one].scaled(scale)),
                noise_is_given=is_given,
                model=None if model is None else to_tensor(model[one] / per_side),
            )
            own = halfwidths(method, solved)[0].numpy()
            if noise is not None and noise.local is not None:
                own = own * _more_around(noise.local[number])
            found[:, number] = np.moveaxis(own, 1, -1)
    return found[0], found[1]


def _more_around(local: npt.NDArray[np.float64]) -> FloatArray:
    """Factors ``(H, W)`` of half-widths where the noise around a node is above average.

    A part of the error is that of the method, and does not become smaller where the
    noise is below average: there the factor is 1.
    """
    from scipy.ndimage import gaussian_filter

    around = np.sqrt(gaussian_filter(np.square(local), _NEAR, mode="nearest"))
    return np.maximum(around, 1.0).astype(np.float32)


def _as_tensors(noise: Noise) -> Noise:
    import torch

    return Noise(
        torch.as_tensor(noise.variance, dtype=torch.float32),
        torch.as_tensor(noise.length, dtype=torch.float32),
        torch.as_tensor(noise.is_known),
    )


def reason_without(method: ReconstructionMethod) -> str:
    """Why the intervals of a method's tractions are not known; empty if they are.

    Examples
    --------
    >>> from napari_vit_tfm.models import load
    >>> from napari_vit_tfm.trust.intervals import reason_without
    >>> reason_without(load("vit"))
    ''
    """
    from napari_vit_tfm.models.intervals import bundled_calibrations, has_intervals

    if has_intervals(method):
        return ""
    known = ", ".join(bundled_calibrations())
    return (
        f"there are no half-widths: the errors of {method.name} are not known, only "
        f"those of {known}"
    )
