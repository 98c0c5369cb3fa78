"""Features of the strong tractions of a frame, and of the weak ones around them.

On a gel that is thinner than stated, weak tractions in the opposite direction surround
the strong ones: they cancel the long waves that the displacement lacks. The strong
tractions alone would cause these waves on the stated gel, but not on a thinner one. So
the displacement of the strong tractions tells which thickness explains the field.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.trust.bands import FLOOR, bands_of, log10

FloatArray = npt.NDArray[np.float64]

_STRONG = 0.25
"""Smallest strong traction, relative to the typical one: the root of the mean square,
weighted with itself."""

_N_LONG = 5
"""Number of bands of long waves that are compared."""

_LONG = 0.75
"""Wave number up to which thicknesses are compared, in radians per grid step."""

_AMPLITUDES = np.geomspace(0.6, 1.5, 10)
"""Factors of the strong tractions: a network finds them too weak, or too strong."""

_THINNER, _THICKER = (0.35, 0.5, 0.7), (1.4, 2.0, np.inf)
"""Other thicknesses of a layer, relative to the stated one, half of it among them."""

_LAYERS = (2.0, 3.0, 4.5, 6.5, 10.0, 15.0, 25.0)
_THIN_LAYERS = _LAYERS[:4]
"""Other thicknesses than an infinite one, in grid steps."""

_SMALLEST_POWER = 1e-3
"""Smallest unexplained power of a wave, relative to that of the displacement."""

_REACH = 3
"""Standard deviation, in grid steps, of the Gaussian that continues strong tractions to
their surroundings."""

STRONG_FEATURES = (
    "evidence of half the thickness",
    "evidence of a thinner gel",
    "evidence of a thicker gel",
    "weak traction along strong",
    "unexplained by strong traction",
    *(f"weak traction along in band {b}" for b in range(_N_LONG)),
    *(f"weak traction in band {b}" for b in range(_N_LONG)),
)
"""Names of the features. "Evidence" is the logarithm, with the sign, of a ratio of
likelihoods against the stated gel; the other words are those of `features.FEATURES`."""


def strong_traction(t: FloatArray) -> FloatArray:
    """Tractions ``(2, H, W)`` where they are strong, and zero elsewhere."""
    square = np.square(t).sum(axis=0)
    typical = np.square(square).sum() / square.sum()
    return np.where(square > _STRONG**2 * typical, t, 0)


@dataclass(frozen=True, eq=False)
class Waves:
    """Power of weak tractions, of a displacement, and of that which strong ones cause.

    Parameters
    ----------
    k, count : arrays of shape (K,)
        As `Spectrum`.
    weak, measured, caused, left : arrays of shape (2, K)
        Sums of the squared amplitudes, longitudinal and transverse, of the weak
        tractions, of the displacement, of the one that is caused, and of the
        difference between these two.
    """

    k: FloatArray
    count: FloatArray
    weak: FloatArray
    measured: FloatArray
    caused: FloatArray
    left: FloatArray


def strong_features(
    t: FloatArray,
    strong: FloatArray,
    left: FloatArray,
    waves: Waves,
    substrate: Substrate,
    *,
    spacing_um: float | None,
) -> FloatArray:
    """Features of strong and weak tractions.

    Parameters
    ----------
    t : array of shape (2, H, W)
        Reconstructed tractions.
    strong : array of shape (2, H, W)
        `strong_traction` of them.
    left : array of shape (2, H, W)
        Displacement, relative to its root mean square, that the strong tractions do not
        cause.
    waves : Waves
        The displacement, and that which they cause.
    substrate : Substrate
        The gel as it is stated.
    spacing_um : float or None, keyword-only
        Distance between neighbouring vectors; required for a gel of finite thickness.

    Returns
    -------
    array of shape (F,)
        In the order of `STRONG_FEATURES`.
    """
    return np.concatenate(
        [
            _evidence(waves, substrate.gel, spacing_um or 1.0),
            [_around(strong, t - strong), float(log10(np.square(left).mean()))],
            _of_weak(t, waves),
        ]
    )


def _evidence(waves: Waves, gel: Gel, spacing_um: float) -> FloatArray:
    """Evidence of other thicknesses, ``(3,)``."""
    is_long = waves.k < _LONG
    n = waves.count[is_long]
    measured, caused, left = (
        part[:, is_long] / n for part in (waves.measured, waves.caused, waves.left)
    )
    common = (measured + caused - left) / 2
    ratio = _ratios(tuple(waves.k[is_long].tolist()), gel, spacing_um)
    ratio = _AMPLITUDES[:, None, None, None] * ratio
    unexplained = measured - 2 * ratio * common + ratio**2 * caused
    of_waves = np.maximum(unexplained, _SMALLEST_POWER * measured) + FLOOR
    likelihood = (-0.5 * n * np.log(of_waves)).sum(axis=(2, 3)).max(axis=0)
    of_stated, others = likelihood[0], likelihood[1:]
    if gel.is_layer:
        thinner, thicker = np.split(others, [len(_THINNER)])
        best = np.array([thinner[1], thinner.max(), thicker.max()])
    else:
        of_thin = others[: len(_THIN_LAYERS)].max()
        best = np.array([of_thin, others.max(), of_stated])
    change = best - of_stated
    return np.asarray(np.sign(change) * np.log1p(np.abs(change)))


@lru_cache(maxsize=16)
def _ratios(k: tuple[float, ...], gel: Gel, spacing_um: float) -> FloatArray:
    """Responses of gels of other thicknesses, relative to that of the stated one.

    Parameters
    ----------
    k : tuple of float
        Wave numbers, in radians per grid step.
    gel : Gel
        The gel as it is stated.
    spacing_um : float
        Distance between neighbouring vectors.

    Returns
    -------
    array of shape (1 + G, 2, K)
        The stated gel; then a layer with the thicknesses `_THINNER` and `_THICKER`, or
        another gel with those of `_LAYERS`.
    """
    stated = gel.thickness_um
    assert stated is not None
    others = [steps * spacing_um for steps in _LAYERS]
    if gel.is_layer:
        others = [share * stated for share in (*_THINNER, *_THICKER)]
    responses = np.array(
        [
            Substrate(replace(gel, thickness_um=thickness)).response(
                spacing_um=spacing_um
            )(np.array(k))
            for thickness in (stated, *others)
        ]
    )
    return np.asarray(responses / responses[0])


def _around(strong: FloatArray, weak: FloatArray) -> float:
    """Correlation of the weak tractions with the strong ones near them."""
    near = scipy.ndimage.gaussian_filter(strong.astype(np.float32), (0, _REACH, _REACH))
    near = np.where(strong.any(axis=0), 0, near)
    norm = np.square(near).sum() * np.square(weak).sum()
    return float((near * weak).sum() / np.sqrt(norm)) if norm > 0 else 0.0


def _of_weak(t: FloatArray, waves: Waves) -> FloatArray:
    """Long waves of the weak tractions."""
    in_band = bands_of(waves.k, _N_LONG).T
    power = waves.weak @ in_band / (waves.count @ in_band)
    along, across = log10(power)
    return np.append(along - across, log10(power.mean(0) / np.square(t).mean()))
