"""Features by which a field is compared with those that the network was trained on.

They are dimensionless, and do not depend on the amplitude of the field.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.physics import Substrate, estimate_noise, surface_displacement
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.physics.spectrum import spectrum_of_modes
from napari_vit_tfm.physics.tikhonov import smooth_modes
from napari_vit_tfm.trust.bands import FLOOR, N_BANDS, bands_of, log10
from napari_vit_tfm.trust.residuals import RESIDUAL_FEATURES, residual_features
from napari_vit_tfm.trust.strong import (
    STRONG_FEATURES,
    Waves,
    strong_features,
    strong_traction,
)

FloatArray = npt.NDArray[np.float64]

_N_LONG = 6
"""Number of bands of long waves, which tell what is left unexplained."""

_LOCAL = 9
"""Side of the squares in which the residual is averaged, in grid steps."""

_SMOOTHING = 3.0
"""Standard deviation of the Gaussian before derivatives are taken, in grid steps."""

FEATURES = (
    *(f"displacement along in band {b}" for b in range(N_BANDS)),
    *(f"traction in band {b}" for b in range(N_BANDS)),
    *(f"traction along in band {b}" for b in range(N_BANDS)),
    *(f"residual over noise in band {b}" for b in range(N_BANDS)),
    *(f"residual over displacement in band {b}" for b in range(_N_LONG)),
    *(f"residual along in band {b}" for b in range(_N_LONG)),
    *(f"missing along in band {b}" for b in range(_N_LONG)),
    *(f"missing across in band {b}" for b in range(_N_LONG)),
    "noise",
    "noise length",
    "unexplained",
    "unexplained over noise",
    "missing",
    "shear of residual",
    "rotation of residual",
    "dilation of residual",
    "shear",
    "rotation",
    "dilation",
    "net force",
    "force at border",
    "share with traction",
    "peaks of traction",
    "work",
    "largest local residual",
    "largest local residual over median",
    "residual at border",
    "divergence of residual",
    "divergence",
    "divergence of residual over that of displacement",
    "rotation of residual over divergence of displacement",
    "divergence of model over that of displacement",
    "smooth residual in the centre",
    "smooth residual in the centre over border",
    "divergence over rotation of residual in the centre",
    *RESIDUAL_FEATURES,
    *STRONG_FEATURES,
)
"""Names of the features. Bands count from the longest waves; "along" is the power of
waves along the wave vector relative to that across it; "missing" is the share of the
displacement of the tractions that the measured displacement lacks."""


def features_of(
    steps: npt.NDArray[np.floating],
    traction: npt.NDArray[np.floating],
    model: npt.NDArray[np.floating],
    substrate: Substrate | None = None,
    *,
    spacing_um: float | None = None,
    noise: Noise | None = None,
) -> FloatArray:
    """Features of one frame.

    Parameters
    ----------
    steps : array of shape (H, W, 2)
        Measured displacement, in grid steps, finite.
    traction : array of shape (H, W, 2)
        Reconstructed tractions ``t / E``, finite.
    model : array of shape (H, W, 2)
        Displacement that they cause, in grid steps.
    substrate : Substrate, optional
        The gel as it is stated; by default the reference gel.
    spacing_um : float, keyword-only, optional
        Distance between neighbouring vectors; required for a gel of finite thickness.
    noise : Noise, keyword-only, optional
        Noise of the displacement, from `estimate_noise`; estimated if it is not given.

    Returns
    -------
    array of shape (F,)
        The features in the order of `FEATURES`.
    """
    u, m = (_without_mean(_components(field)) for field in (steps, model))
    t = _components(traction)
    power = float(np.square(u).mean())
    if power == 0 or not t.any():
        return np.full(len(FEATURES), np.nan)
    substrate = substrate or Substrate()
    # All features are ratios; so no number is too small or too large.
    u, m = u / np.sqrt(power), m / np.sqrt(power)
    r = u - m
    size = np.sqrt(np.square(t).mean())
    t = t / size
    strong = strong_traction(t)
    caused = surface_displacement(
        np.moveaxis(strong, 0, -1), substrate, spacing_um=spacing_um
    )
    c = _without_mean(_components(caused) * size / np.sqrt(power))
    found = noise or estimate_noise(*_components(steps))
    relative = replace(found, variance=found.variance / power)
    spectra, waves = _of_spectra(u, m, t, r, c, t - strong, relative)
    return np.concatenate(
        [
            spectra,
            motion_of(r),
            motion_of(u),
            _of_places(u, m, t, r),
            _of_smooth(m, r),
            residual_features(r),
            strong_features(t, strong, u - c, waves, substrate, spacing_um=spacing_um),
        ]
    )


def _components(field: npt.NDArray[np.floating]) -> FloatArray:
    """Components ``(2, H, W)`` of vectors ``(H, W, 2)``, each in one piece."""
    return np.ascontiguousarray(np.moveaxis(field, -1, 0), dtype=np.float64)


def _without_mean(field: FloatArray) -> FloatArray:
    return np.asarray(field - field.mean(axis=(1, 2), keepdims=True))


def _of_spectra(
    u: FloatArray,
    m: FloatArray,
    t: FloatArray,
    r: FloatArray,
    c: FloatArray,
    weak: FloatArray,
    noise: Noise,
) -> tuple[FloatArray, Waves]:
    """Power of displacement, its model, traction and residual by wave number.

    With the waves of the displacement, of `c`, that which strong tractions cause, and
    of the weak tractions.
    """
    # Single precision is sufficient for powers.
    fields = np.stack([weak, u, m, t, c], axis=1).astype(np.float32)
    modes = scipy.fft.rfft2(fields)
    modes[:, 1:] -= smooth_modes(fields[:, 1:])
    of_weak, of_u, of_m, of_t, of_c = np.moveaxis(modes, 1, 0)
    parts = [of_weak, of_u, of_c, of_u - of_c, of_m, of_t, of_u - of_m]
    x, y = np.stack(parts, axis=1)
    found = spectrum_of_modes(x, y, (u.shape[1], u.shape[2]))
    power = np.asarray(found.power, dtype=np.float64)
    waves, power = Waves(found.k, found.count, *power[:4]), power[1:]
    in_band = bands_of(found.k)
    count = in_band @ found.count
    # Each (2, bands).
    of_u, _, _, of_m, of_t, of_r = power @ in_band.T / count
    k = (in_band * found.k) @ found.count / count
    sd = float(noise.standard_deviation())
    unexplained = float(np.square(r).mean())
    of_noise = np.asarray(noise.power(k)) + 1e-6
    low = slice(_N_LONG)
    missing = (of_r + of_m - of_u) / (2 * of_m + FLOOR)
    features = np.concatenate(
        [
            log10(of_u[0]) - log10(of_u[1]),
            log10(of_t.mean(0)),
            log10(of_t[0]) - log10(of_t[1]),
            log10(of_r.mean(0) / of_noise),
            log10(of_r.mean(0) / (of_u.mean(0) + FLOOR))[low],
            (log10(of_r[0]) - log10(of_r[1]))[low],
            *np.clip(missing, -1, 1)[:, low],
            [
                sd,
                float(noise.length),
                float(log10(unexplained)),
                float(log10(unexplained / (sd**2 + 1e-6))),
                _correlation(-r, m),
            ],
        ]
    )
    return features, waves


def motion_of(field: FloatArray) -> FloatArray:
    """Shear, rotation and dilation of a field ``(2, H, W)``, as logs.

    Those of the best linear fit, over the field.
    """
    return log10(np.array(linear_parts(field)) * np.sqrt(field[0].size))


def linear_parts(field: npt.NDArray[np.floating]) -> tuple[float, float, float]:
    """Shear, rotation and dilation of the best linear fit to a field.

    Parameters
    ----------
    field : array of shape (2, H, W)
        Components ``(x, y)`` of the displacement, in grid steps.

    Returns
    -------
    shear, rotation, dilation : float
        For a field with the gradients ``a_ij``: ``|(a_xx - a_yy, a_xy + a_yx)|``,
        ``|a_xy - a_yx|`` and ``|a_xx + a_yy|``.
    """
    height, width = field.shape[1:]
    y, x = (np.arange(n) - (n - 1) / 2 for n in (height, width))
    along, down = height * np.square(x).sum(), width * np.square(y).sum()
    xx, yx = (float(part) for part in field.sum(axis=1) @ x / along)
    xy, yy = (float(part) for part in field.sum(axis=2) @ y / down)
    return float(np.hypot(xx - yy, xy + yx)), abs(xy - yx), abs(xx + yy)


def _of_places(
    u: FloatArray, m: FloatArray, t: FloatArray, r: FloatArray
) -> FloatArray:
    """Where tractions and residual are."""
    square_of_t = np.square(t).sum(axis=0)
    size = np.sqrt(square_of_t)
    edge = _border(size.shape)
    square = np.square(r).sum(axis=0)
    local = scipy.ndimage.uniform_filter(square, _LOCAL, mode="nearest")
    mean = square.mean() + FLOOR
    return np.array(
        [
            np.hypot(*t.sum(axis=(1, 2))) / size.sum(),
            size[edge].sum() / size.sum(),
            float(log10(size.mean() ** 2 / square_of_t.mean())),
            float(log10(np.square(square_of_t).mean() / square_of_t.mean() ** 2)),
            _correlation(t, m),
            float(log10(local.max() / mean)),
            float(log10((local.max() + FLOOR) / (np.median(local) + FLOOR))),
            float(log10(square[edge].mean() / mean)),
        ]
    )


def _border(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Nodes in a strip along the border."""
    edge = np.ones(shape, dtype=np.bool_)
    n = max(2, min(shape) // 16)
    edge[n:-n, n:-n] = False
    return edge


def _central(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Nodes that are a fifth of the shorter side or more from the border."""
    inside = np.zeros(shape, dtype=np.bool_)
    n = min(shape) // 5
    inside[n:-n, n:-n] = True
    return inside


def _correlation(a: FloatArray, b: FloatArray) -> float:
    norm = np.sqrt(np.square(a).sum() * np.square(b).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0


def _of_smooth(m: FloatArray, r: FloatArray) -> FloatArray:
    """Divergence and rotation of the smooth parts of model and residual."""
    of_m, of_r = (
        scipy.ndimage.gaussian_filter(part, (0, _SMOOTHING, _SMOOTHING))
        for part in (m, r)
    )
    model, left = (_derivatives(part) for part in (of_m, of_r))
    measured = [a + b for a, b in zip(model, left, strict=True)]
    (of_model, _), of_left, of_measured = (
        [float(np.abs(part).max()) for part in both] for both in (model, left, measured)
    )
    divergence = of_measured[0] + FLOOR
    square = np.square(of_r).sum(axis=0)
    centre = _central(square.shape)
    source, turn = (float(np.square(part[centre]).mean()) for part in left)
    return np.asarray(
        [
            float(log10((of_left[0] + FLOOR) / (of_left[1] + FLOOR))),
            float(log10(divergence / (of_measured[1] + FLOOR))),
            float(log10(of_left[0] / divergence)),
            float(log10(of_left[1] / divergence)),
            float(log10(of_model / divergence)),
            float(log10(square[centre].mean() / 2)),
            float(log10(square[centre].mean()) - log10(square[~centre].mean())),
            float(log10(source) - log10(turn)),
        ]
    )


def _derivatives(field: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Divergence and rotation of a field ``(2, H, W)``."""
    (x_down, x_right), (y_down, y_right) = (np.gradient(part) for part in field)
    return np.asarray(x_right + y_down), np.asarray(y_right - x_down)
