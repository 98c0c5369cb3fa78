"""Features by which a field is compared with those that the network was trained on.

They are dimensionless, and do not depend on the amplitude of the field.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.displacement.border import evidence_of_outside_forces
from napari_vit_tfm.physics import estimate_noise, periodic_component
from napari_vit_tfm.physics.spectrum import Noise, spectrum

FloatArray = npt.NDArray[np.float64]

_EDGES = np.array([0.0, 0.09, 0.13, 0.18, 0.26, 0.37, 0.52, 0.74, 1.05, 1.5, 2.1, 9.0])
"""Limits of the bands of wave numbers, in radians per grid step."""

_N_BANDS = len(_EDGES) - 1
_N_LONG = 6
"""Number of bands of long waves, which tell what is left unexplained."""

_FLOOR = 1e-9
"""Added to ratios before their logarithm is taken."""

_LOCAL = 9
"""Side of the squares in which the residual is averaged, in grid steps."""

_SMOOTHING = 3.0
"""Standard deviation of the Gaussian before derivatives are taken, in grid steps."""

FEATURES = (
    *(f"displacement in band {b}" for b in range(_N_BANDS)),
    *(f"displacement along in band {b}" for b in range(_N_BANDS)),
    *(f"traction in band {b}" for b in range(_N_BANDS)),
    *(f"traction along in band {b}" for b in range(_N_BANDS)),
    *(f"residual over noise in band {b}" for b in range(_N_BANDS)),
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
    "evidence of outside forces",
)
"""Names of the features. Bands count from the longest waves; "along" is the power of
waves along the wave vector relative to that across it; "missing" is the share of the
displacement of the tractions that the measured displacement lacks."""


def features_of(
    steps: npt.NDArray[np.floating],
    traction: npt.NDArray[np.floating],
    model: npt.NDArray[np.floating],
    *,
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
    noise : Noise, keyword-only, optional
        Noise of the displacement, from `estimate_noise`; estimated if it is not given.

    Returns
    -------
    array of shape (F,)
        The features in the order of `FEATURES`.
    """
    u, m = (_without_mean(field) for field in (steps, model))
    t = np.asarray(traction, dtype=np.float64)
    power = float(np.square(u).mean())
    if power == 0 or not t.any():
        return np.full(len(FEATURES), np.nan)
    # All features are ratios; so no number is too small or too large.
    u, m, t = u / np.sqrt(power), m / np.sqrt(power), t / np.sqrt(np.square(t).mean())
    r = u - m
    found = noise or estimate_noise(*np.moveaxis(np.asarray(steps, np.float64), -1, 0))
    relative = replace(found, variance=found.variance / power)
    spectra = _of_spectra(u, m, t, r, relative)
    return np.concatenate(
        [
            spectra,
            motion_of(r),
            motion_of(u),
            _of_places(u, m, t, r),
            [outside_forces(u, float(relative.standard_deviation()))],
        ]
    )


def outside_forces(field: FloatArray, noise: float) -> float:
    """Evidence for forces outside the field, as a logarithm with the sign."""
    evidence = evidence_of_outside_forces(field, noise=noise)
    return float(np.sign(evidence) * np.log1p(abs(evidence)))


def _without_mean(field: npt.NDArray[np.floating]) -> FloatArray:
    values = np.asarray(field, dtype=np.float64)
    return np.asarray(values - values.mean(axis=(0, 1)))


def _log(values: npt.ArrayLike) -> FloatArray:
    return np.asarray(np.log10(np.maximum(values, 0) + _FLOOR))


def _of_spectra(
    u: FloatArray, m: FloatArray, t: FloatArray, r: FloatArray, noise: Noise
) -> FloatArray:
    """Power of displacement, its model, traction and residual by wave number."""
    x, y = np.moveaxis(np.stack([u, m, t]).astype(np.float32), -1, 0)
    parts = []
    for component in (x, y):
        of_u, of_m, of_t = periodic_component(component)
        parts.append(np.stack([of_u, of_m, of_t, of_u - of_m]))
    found = spectrum(*parts)
    place = np.digitize(found.k, _EDGES) - 1
    in_band = place == np.arange(_N_BANDS)[:, None]
    # Small fields have no longest waves, large steps no shortest ones.
    filled = np.flatnonzero(in_band.any(axis=1))
    in_band = in_band[filled[np.abs(filled - np.arange(_N_BANDS)[:, None]).argmin(1)]]
    count = in_band @ found.count
    of_u, of_m, of_t, of_r = found.power @ in_band.T / count  # each (2, bands)
    k = (in_band * found.k) @ found.count / count
    sd = float(noise.standard_deviation())
    unexplained = float(np.square(r).mean())
    of_noise = np.asarray(noise.power(k)) + 1e-6
    low = slice(_N_LONG)
    missing = (of_r + of_m - of_u) / (2 * of_m + _FLOOR)
    return np.concatenate(
        [
            _log(of_u.mean(0)),
            _log(of_u[0]) - _log(of_u[1]),
            _log(of_t.mean(0)),
            _log(of_t[0]) - _log(of_t[1]),
            _log(of_r.mean(0) / of_noise),
            _log(of_r.mean(0) / (of_u.mean(0) + _FLOOR))[low],
            (_log(of_r[0]) - _log(of_r[1]))[low],
            *np.clip(missing, -1, 1)[:, low],
            [
                sd,
                float(noise.length),
                float(_log(unexplained)),
                float(_log(unexplained / (sd**2 + 1e-6))),
                _correlation(-r, m),
            ],
        ]
    )


def motion_of(field: FloatArray) -> FloatArray:
    """Shear, rotation and dilation of the best linear fit, over the field, as logs."""
    return _log(np.array(linear_parts(field)) * np.sqrt(field[..., 0].size))


def linear_parts(field: npt.NDArray[np.floating]) -> tuple[float, float, float]:
    """Shear, rotation and dilation of the best linear fit to a field.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement in grid steps.

    Returns
    -------
    shear, rotation, dilation : float
        For a field with the gradients ``a_ij``: ``|(a_xx - a_yy, a_xy + a_yx)|``,
        ``|a_xy - a_yx|`` and ``|a_xx + a_yy|``.
    """
    y, x = (part - part.mean() for part in np.indices(field.shape[:2]).astype(float))
    xx, xy = (float((field[..., 0] * part).sum() / (part**2).sum()) for part in (x, y))
    yx, yy = (float((field[..., 1] * part).sum() / (part**2).sum()) for part in (x, y))
    return float(np.hypot(xx - yy, xy + yx)), abs(xy - yx), abs(xx + yy)


def _of_places(
    u: FloatArray, m: FloatArray, t: FloatArray, r: FloatArray
) -> FloatArray:
    """Where tractions and residual are."""
    square_of_t = np.square(t).sum(axis=-1)
    size = np.sqrt(square_of_t)
    edge = _border(size.shape)
    square = np.square(r).sum(axis=-1)
    local = scipy.ndimage.uniform_filter(square, _LOCAL, mode="nearest")
    mean = square.mean() + _FLOOR
    return np.array(
        [
            np.hypot(*t.sum(axis=(0, 1))) / size.sum(),
            size[edge].sum() / size.sum(),
            float(_log(size.mean() ** 2 / square_of_t.mean())),
            float(_log(np.square(square_of_t).mean() / square_of_t.mean() ** 2)),
            _correlation(t, m),
            float(_log(local.max() / mean)),
            float(_log((local.max() + _FLOOR) / (np.median(local) + _FLOOR))),
            float(_log(square[edge].mean() / mean)),
            _divergence(r),
            _divergence(u),
        ]
    )


def _border(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Nodes in a strip along the border."""
    edge = np.ones(shape, dtype=np.bool_)
    n = max(2, min(shape) // 16)
    edge[n:-n, n:-n] = False
    return edge


def _correlation(a: FloatArray, b: FloatArray) -> float:
    norm = np.sqrt(np.square(a).sum() * np.square(b).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0


def _divergence(field: FloatArray) -> float:
    """Largest divergence relative to the largest rotation, as a logarithm."""
    smooth = scipy.ndimage.gaussian_filter(field, (_SMOOTHING, _SMOOTHING, 0))
    (x_down, x_right), (y_down, y_right) = (
        np.gradient(smooth[..., component]) for component in (0, 1)
    )
    parts = (x_right + y_down, y_right - x_down)
    divergence, rotation = (float(np.abs(part).max()) for part in parts)
    return float(_log((divergence + _FLOOR) / (rotation + _FLOOR)))
