"""Features of the strong tractions of a frame, and of the weak ones around them.

On a gel that is thinner than stated, weak tractions in the opposite direction surround
the strong ones: they cancel the long waves that the displacement lacks. The strong
tractions alone would cause these waves on the stated gel, but not on a thinner one. So
the displacement of the strong tractions tells which thickness explains the field.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.physics.spectrum import spectrum
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
    """Tractions ``(H, W, 2)`` where they are strong, and zero elsewhere."""
    square = np.square(t).sum(axis=-1)
    typical = np.square(square).sum() / square.sum()
    return np.where((square > _STRONG**2 * typical)[..., None], t, 0)


@dataclass(frozen=True, eq=False)
class Waves:
    """Power of a displacement and of that which the strong tractions cause.

    Parameters
    ----------
    k, count : arrays of shape (K,)
        As `Spectrum`.
    measured, caused, left : arrays of shape (2, K)
        Sums of the squared amplitudes, longitudinal and transverse, of the
        displacement, of the one that is caused, and of their difference.
    """

    k: FloatArray
    count: FloatArray
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
    t : array of shape (H, W, 2)
        Reconstructed tractions.
    strong : array of shape (H, W, 2)
        `strong_traction` of them.
    left : array of shape (H, W, 2)
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
    weak = t - strong
    return np.concatenate(
        [
            _evidence(waves, substrate, spacing_um),
            [_around(strong, weak), float(log10(np.square(left).mean()))],
            _of_weak(t, weak),
        ]
    )


def _evidence(
    waves: Waves, substrate: Substrate, spacing_um: float | None
) -> FloatArray:
    """Evidence of other thicknesses, ``(3,)``."""
    is_long = waves.k < _LONG
    k, n = waves.k[is_long], waves.count[is_long]
    measured, caused, left = (
        part[:, is_long] / n for part in (waves.measured, waves.caused, waves.left)
    )
    common = (measured + caused - left) / 2
    stated = np.stack(substrate.response(spacing_um=spacing_um)(k))

    def likelihood(thickness_um: float) -> float:
        gel = replace(substrate.gel, thickness_um=thickness_um)
        other = np.stack(Substrate(gel).response(spacing_um=spacing_um or 1.0)(k))
        ratio = _AMPLITUDES[:, None, None] * other / stated
        unexplained = measured - 2 * ratio * common + ratio**2 * caused
        of_waves = np.maximum(unexplained, _SMALLEST_POWER * measured) + FLOOR
        return float((-0.5 * n * np.log(of_waves)).sum(axis=(1, 2)).max())

    thickness, spacing = substrate.gel.thickness_um, spacing_um or 1.0
    assert thickness is not None
    if substrate.gel.is_layer:
        thinner = [likelihood(thickness * share) for share in _THINNER]
        thicker = [likelihood(thickness * share) for share in _THICKER]
        best = np.array([thinner[1], max(thinner), max(thicker)])
        change = best - likelihood(thickness)
    else:
        thinner = [likelihood(steps * spacing) for steps in _LAYERS]
        of_thin = max(thinner[: len(_THIN_LAYERS)])
        change = np.append(
            np.array([of_thin, max(thinner)]) - likelihood(thickness), 0.0
        )
    return np.asarray(np.sign(change) * np.log1p(np.abs(change)))


def _around(strong: FloatArray, weak: FloatArray) -> float:
    """Correlation of the weak tractions with the strong ones near them."""
    near = scipy.ndimage.gaussian_filter(strong.astype(np.float32), (_REACH, _REACH, 0))
    near = np.where(strong.any(axis=-1, keepdims=True), 0, near)
    norm = np.square(near).sum() * np.square(weak).sum()
    return float((near * weak).sum() / np.sqrt(norm)) if norm > 0 else 0.0


def _of_weak(t: FloatArray, weak: FloatArray) -> FloatArray:
    """Long waves of the weak tractions."""
    found = spectrum(*np.moveaxis(weak.astype(np.float32), -1, 0))
    in_band = bands_of(found.k, _N_LONG).T
    power = np.asarray(found.power, dtype=np.float64) @ in_band
    power /= found.count @ in_band
    along, across = log10(power)
    return np.append(along - across, log10(power.mean(0) / np.square(t).mean()))
