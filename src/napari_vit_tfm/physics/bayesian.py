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
from array_api_compat import array_namespace, device

from napari_vit_tfm.physics.halfspace import (
    REFERENCE_RESPONSE,
    Array,
    Gains,
    Response,
    filter_modes,
)
from napari_vit_tfm.physics.spectrum import Noise, Spectrum, estimate_noise, spectrum
from napari_vit_tfm.physics.tikhonov import periodic_component

CORRELATION_LENGTHS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Lengths, in grid steps, among which the evidence decides."""


_STRENGTHS = np.geomspace(1e-10, 1, 81)
"""Strengths of the tractions, over the most that there can be, among which the
evidence decides: down to less than any noise hides."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Gaussian tractions, correlated as ``exp(-distance / length)``.

    Patches with sharp edges have such a correlation at short distances.

    Parameters
    ----------
    variance : array of shape (...)
        Power per mode and direction of the longest waves of ``t / E``; for
        length 0, the variance of each component.
    length : array of shape (...)
        Correlation length in grid steps; 0 is uncorrelated, Huang et al.'s
        prior, which makes Tikhonov's solution of the posterior mean.
    """

    variance: Array
    length: Array

    def power(self, k: Array) -> Array:
        """Power per mode and direction at wave numbers ``k`` (numpy).

        Returns
        -------
        array of shape (..., *k.shape)
        """
        xp = array_namespace(self.variance)
        squared = xp.asarray(
            np.square(k), dtype=self.variance.dtype, device=device(self.variance)
        )
        field = (..., *[None] * squared.ndim)
        return self.variance[field] * (1 + squared * self.length[field] ** 2) ** -1.5


def log_evidence(field: Spectrum, *, variance: Array) -> Array:
    """Logarithm of the probability of displacements, up to a constant.

    ``-1/2 sum [log v + |u|^2 / v]`` over modes and directions.

    Parameters
    ----------
    field : Spectrum
        The displacements.
    variance : array of shape (..., 2, K), keyword-only
        Variance ``v`` of their modes: the noise's, and that of the tractions
        times the gel's squared response.

    Returns
    -------
    array of shape (...)
    """
    xp = array_namespace(variance)
    count = xp.asarray(field.count, dtype=variance.dtype, device=device(variance))
    terms = count * xp.log(variance) + field.power / variance
    return -0.5 * xp.sum(terms, axis=(-2, -1))


def most_probable_prior(
    field: Spectrum,
    *,
    noise: Noise,
    response: Response = REFERENCE_RESPONSE,
    lengths: Sequence[float] = CORRELATION_LENGTHS,
) -> Prior:
    """The prior under which displacements are most probable, field by field.

    Parameters
    ----------
    field : Spectrum
        The displacements.
    noise : Noise, keyword-only
        Of the displacements.
    response : callable, keyword-only
        The gel; without it the reference gel.
    lengths : sequence of float, keyword-only
        Correlation lengths to choose from.

    Returns
    -------
    Prior
        Its variance is found to within a sixth; zero for a field of zeros.
    """
    xp = array_namespace(field.power)

    def as_array(values: Array) -> Array:
        return xp.asarray(values, dtype=field.power.dtype, device=device(field.power))

    squared = as_array(np.square(np.stack(response(field.k))))
    count, strengths = as_array(field.count), as_array(_STRENGTHS)
    empty = xp.sum(field.power, axis=(-2, -1)) == 0
    # Any power will do for a field without.
    power = xp.where(empty[..., None, None], 1.0, field.power)
    of_noise = noise.power(field.k)[..., None, None, :]
    found = Spectrum(field.k, field.count, power[..., None, :, :])
    best, variance, chosen = None, None, None
    for length in lengths:
        shape = Prior(as_array(1.0), as_array(length)).power(field.k)
        unit = squared * shape
        # All that there is, were it not for the noise.
        largest = xp.sum(power / unit, axis=(-2, -1)) / (2 * xp.sum(count))
        candidates = largest[..., None] * strengths
        evidence = log_evidence(
            found, variance=of_noise + candidates[..., None, None] * unit
        )
        most = xp.max(evidence, axis=-1)
        place = xp.argmax(evidence, axis=-1)
        strength = xp.take_along_axis(candidates, place[..., None], axis=-1)[..., 0]
        if best is None:
            best, variance = most, strength
            chosen = xp.full(most.shape, length, dtype=most.dtype, device=device(most))
            continue
        better = most > best
        best = xp.where(better, most, best)
        variance = xp.where(better, strength, variance)
        chosen = xp.where(better, length, chosen)
    return Prior(xp.where(empty, 0.0, variance), chosen)


def bayesian_fttc(
    x: Array,
    y: Array,
    *,
    response: Response = REFERENCE_RESPONSE,
    lengths: Sequence[float] = CORRELATION_LENGTHS,
) -> tuple[Array, Array]:
    """Most probable traction, under the prior of most evidence.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Displacement in grid steps, components along columns and rows, as
        measured: the jumps at its border are taken away in here.
    response : callable, keyword-only
        The gel, such as `Substrate.response`; without it the reference gel.
    lengths : sequence of float, keyword-only
        Correlation lengths of the tractions to choose from; only 0 is the
        prior of Huang et al.

    Returns
    -------
    x, y : arrays of shape (..., H, W)
        Traction ``t / E``. A uniform displacement makes none.

    Notes
    -----
    Huang et al., Sci. Rep. 2019 (Bayesian L2 regularisation), with three
    differences: the noise is estimated from the whole field
    (`estimate_noise`), not from a region without cells that somebody marks;
    the tractions may be correlated; and the jumps at the field's border, which
    the evidence would take for strong tractions, are taken away
    (`periodic_component`).

    Examples
    --------
    Two adhesions that pull towards each other, from a noisy displacement:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import bayesian_fttc, displacement_of
    >>> rng = np.random.default_rng(0)
    >>> t_x, t_y = np.zeros((2, 64, 64))
    >>> t_x[28:36, 10:18], t_x[28:36, 46:54] = 0.1, -0.1
    >>> u_x, u_y = displacement_of(t_x, t_y) + rng.normal(0, 0.01, (2, 64, 64))
    >>> x, y = bayesian_fttc(u_x, u_y)
    >>> x.shape
    (64, 64)
    >>> float(x[30:34, 12:16].mean().round(2)), float(x[30:34, 48:52].mean().round(2))
    (0.1, -0.1)
    """
    gains = bayesian_gains(x, y, response=response, lengths=lengths)
    return filter_modes(periodic_component(x), periodic_component(y), gains, pad=False)


def bayesian_gains(
    x: Array,
    y: Array,
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
        For `halfspace.filter_modes` of the fields' periodic components.
    """
    noise = estimate_noise(x, y)
    field = spectrum(periodic_component(x), periodic_component(y))
    prior = most_probable_prior(field, noise=noise, response=response, lengths=lengths)
    return posterior_gains(noise, prior, response=response)


def posterior_gains(
    noise: Noise, prior: Prior, *, response: Response = REFERENCE_RESPONSE
) -> Gains:
    """The filter from displacement to the most probable traction.

    Parameters
    ----------
    noise : Noise
        Of the displacement.
    prior : Prior
        Of the tractions.
    response : callable, keyword-only
        The gel; without it the reference gel.

    Returns
    -------
    callable
        For `halfspace.filter_modes` of the fields' periodic components. Zero
        for a prior without variance.
    """

    def gains(k: Array) -> tuple[Array, Array]:
        safe = np.where(k > 0, k, 1.0)
        xp = array_namespace(prior.variance)
        allowed = prior.power(safe)
        pulling = allowed > 0
        ratio = noise.power(safe) / xp.where(pulling, allowed, 1.0)
        moving = xp.asarray(k > 0, device=device(ratio))
        along, across = (
            xp.where(pulling & moving, g / (g * g + ratio), 0.0)
            for g in (
                xp.asarray(part, dtype=ratio.dtype, device=device(ratio))
                for part in response(safe)
            )
        )
        return along, across

    return gains
