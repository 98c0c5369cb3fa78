"""Bayesian Fourier-transform traction cytometry.

Tractions and noise are taken for Gaussian. How strong the tractions are a
priori is not chosen but found, as what makes the measured displacement most
probable: the maximum of the evidence. In Fourier space everything is a sum
over modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_vit_tfm.physics.halfspace import (
    REFERENCE_RESPONSE,
    Array,
    FloatArray,
    Gains,
    Response,
    filter_modes,
)
from napari_vit_tfm.physics.spectrum import Noise, Spectrum, estimate_noise, spectrum
from napari_vit_tfm.physics.tikhonov import periodic_component

CORRELATION_LENGTHS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Lengths, in grid steps, among which the evidence decides."""


@dataclass(frozen=True)
class Prior:
    """Gaussian tractions, correlated as ``exp(-distance / length)``.

    Patches with sharp edges have such a correlation at short distances.

    Parameters
    ----------
    variance : float
        Power per mode and direction of the longest waves of ``t / E``; for
        length 0, the variance of each component.
    length : float
        Correlation length in grid steps; 0 is uncorrelated, Huang et al.'s
        prior, which makes Tikhonov's solution of the posterior mean.
    """

    variance: float
    length: float

    def power(self, k: Array) -> Array:
        """Power per mode and direction at wave numbers ``k``."""
        return self.variance * (1 + np.square(k * self.length)) ** -1.5


def log_evidence(field: Spectrum, *, variance: FloatArray) -> float:
    """Logarithm of the probability of a displacement, up to a constant.

    ``-1/2 sum [log v + |u|^2 / v]`` over modes and directions.

    Parameters
    ----------
    field : Spectrum
        The displacement.
    variance : array of shape (2, K), keyword-only
        Variance ``v`` of its modes: the noise's, and that of the tractions
        times the gel's squared response.
    """
    terms = field.count * np.log(variance) + field.power / variance
    return -0.5 * float(terms.sum())


def most_probable_prior(
    field: Spectrum,
    *,
    noise: Noise,
    response: Response = REFERENCE_RESPONSE,
    lengths: Sequence[float] = CORRELATION_LENGTHS,
) -> Prior:
    """The prior under which a displacement is most probable.

    Parameters
    ----------
    field : Spectrum
        The displacement; not zero everywhere.
    noise : Noise, keyword-only
        Of the displacement.
    response : callable, keyword-only
        The gel; without it the reference gel.
    lengths : sequence of float, keyword-only
        Correlation lengths to choose from.

    Returns
    -------
    Prior
        Its variance is found to within a sixth.
    """
    squared = np.square(np.stack(response(field.k)))
    of_noise = noise.power(field.k)
    best, most = Prior(0.0, 0.0), -np.inf
    for length in lengths:
        unit = squared * Prior(1.0, length).power(field.k)
        # All that there is, were it not for the noise; and down from there to
        # less than any noise hides.
        largest = float((field.power / unit).sum() / (2 * field.count.sum()))
        for strength in largest * np.geomspace(1e-10, 1, 81):
            evidence = log_evidence(field, variance=of_noise + strength * unit)
            if evidence > most:
                best, most = Prior(float(strength), length), evidence
    return best


def bayesian_fttc(
    x: FloatArray,
    y: FloatArray,
    *,
    response: Response = REFERENCE_RESPONSE,
    lengths: Sequence[float] = CORRELATION_LENGTHS,
) -> tuple[FloatArray, FloatArray]:
    """Most probable traction, under the prior of most evidence.

    Parameters
    ----------
    x, y : arrays of shape (H, W)
        Displacement in grid steps, components along columns and rows, as
        measured: the jumps at its border are taken away in here.
    response : callable, keyword-only
        The gel, such as `Substrate.response`; without it the reference gel.
    lengths : sequence of float, keyword-only
        Correlation lengths of the tractions to choose from; only 0 is the
        prior of Huang et al.

    Returns
    -------
    x, y : arrays of shape (H, W)
        Traction ``t / E``. A uniform displacement makes none.

    Notes
    -----
    Huang et al., Sci. Rep. 2019 (Bayesian L2 regularisation), with three
    differences: the noise is estimated from the whole field
    (`estimate_noise`), not from a region without cells that somebody marks;
    the tractions may be correlated; and the jumps at the field's border, which
    the evidence would take for strong tractions, are taken away
    (`periodic_component`).
    """
    gains = bayesian_gains(x, y, response=response, lengths=lengths)
    return filter_modes(periodic_component(x), periodic_component(y), gains, pad=False)


def bayesian_gains(
    x: FloatArray,
    y: FloatArray,
    *,
    response: Response = REFERENCE_RESPONSE,
    lengths: Sequence[float] = CORRELATION_LENGTHS,
) -> Gains:
    """The filter from displacement to traction that `bayesian_fttc` applies.

    Parameters
    ----------
    x, y, response, lengths
        As for `bayesian_fttc`.

    Returns
    -------
    callable
        For `halfspace.filter_modes` of the field's periodic component. Zero
        for a field of zeros.
    """
    noise = estimate_noise(x, y)
    field = spectrum(periodic_component(x), periodic_component(y))
    if not field.power.any():
        return lambda k: (np.zeros_like(k), np.zeros_like(k))
    prior = most_probable_prior(field, noise=noise, response=response, lengths=lengths)

    def gains(k: Array) -> tuple[Array, Array]:
        safe = np.where(k > 0, k, 1.0)
        ratio = noise.power(safe) / prior.power(safe)
        along, across = (g / (g * g + ratio) for g in response(safe))
        return np.where(k > 0, along, 0.0), np.where(k > 0, across, 0.0)

    return gains
