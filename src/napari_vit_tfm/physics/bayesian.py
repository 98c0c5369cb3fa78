"""Bayesian Fourier-transform traction cytometry.

Tractions and noise are modelled as Gaussian. The prior variance of the tractions
maximises the evidence, which is the probability of the measured displacement. In
Fourier space the evidence is a sum over modes.
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
"""Candidate correlation lengths of the tractions, in grid steps."""

_RELATIVE_VARIANCES = np.geomspace(1e-10, 1, 81)
"""Candidate variances of the tractions, relative to the largest possible variance."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Gaussian tractions with the correlation ``exp(-distance / length)``.

    Patches with sharp edges have such a correlation at short distances.

    Parameters
    ----------
    variance : array of shape (...)
        Power of ``t / E`` per mode and direction at the longest wavelengths. For
        length 0 it is the variance of each component.
    length : array of shape (...)
        Correlation length, in grid steps. With 0 the tractions are uncorrelated
        and the posterior mean is the Tikhonov solution.
    """

    variance: Array
    length: Array

    def power(self, k: Array) -> Array:
        """Power per mode and direction.

        Parameters
        ----------
        k : numpy array
            Wave numbers, in radians per grid step.

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
    """Logarithm of the evidence for displacements, up to a constant.

    It is ``-1/2 sum [log v + |u|^2 / v]`` over modes and directions.

    Parameters
    ----------
    field : Spectrum
        The displacements.
    variance : array of shape (..., 2, K), keyword-only
        Variance ``v`` of the modes: the variance of the noise plus the variance of
        the tractions times the squared response of the gel.

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
    """Prior that maximises the evidence, for each field separately.

    Parameters
    ----------
    field : Spectrum
        The displacements.
    noise : Noise, keyword-only
        The noise of the displacements.
    response : callable, keyword-only
        The response of the gel. The default is the reference gel.
    lengths : sequence of float, keyword-only
        Candidate correlation lengths, in grid steps.

    Returns
    -------
    Prior
        Neighbouring candidates of the variance differ by a third, so it is accurate
        to about a sixth. It is zero for a field of zeros.
    """
    xp = array_namespace(field.power)

    def as_array(values: Array) -> Array:
        return xp.asarray(values, dtype=field.power.dtype, device=device(field.power))

    squared = as_array(np.square(np.stack(response(field.k))))
    count, relative = as_array(field.count), as_array(_RELATIVE_VARIANCES)
    empty = xp.sum(field.power, axis=(-2, -1)) == 0
    # A field of zeros gets an arbitrary power here and a zero variance below.
    power = xp.where(empty[..., None, None], 1.0, field.power)
    of_noise = noise.power(field.k)[..., None, None, :]
    found = Spectrum(field.k, field.count, power[..., None, :, :])
    best, variance, chosen = None, None, None
    for length in lengths:
        shape = Prior(as_array(1.0), as_array(length)).power(field.k)
        unit = squared * shape
        # The variance if the displacement had no noise.
        largest = xp.sum(power / unit, axis=(-2, -1)) / (2 * xp.sum(count))
        candidates = largest[..., None] * relative
        evidence = log_evidence(
            found, variance=of_noise + candidates[..., None, None] * unit
        )
        most = xp.max(evidence, axis=-1)
        place = xp.argmax(evidence, axis=-1)
        candidate = xp.take_along_axis(candidates, place[..., None], axis=-1)[..., 0]
        if best is None:
            best, variance = most, candidate
            chosen = xp.full(most.shape, length, dtype=most.dtype, device=device(most))
            continue
        better = most > best
        best = xp.where(better, most, best)
        variance = xp.where(better, candidate, variance)
        chosen = xp.where(better, length, chosen)
    return Prior(xp.where(empty, 0.0, variance), chosen)


def bayesian_fttc(
    x: Array,
    y: Array,
    *,
    response: Response = REFERENCE_RESPONSE,
    lengths: Sequence[float] = CORRELATION_LENGTHS,
) -> tuple[Array, Array]:
    """Most probable traction under the prior that maximises the evidence.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Measured displacement in grid steps, components along columns and rows. The
        function removes the jumps between opposite borders.
    response : callable, keyword-only
        The response of the gel, such as `Substrate.response`. The default is the
        reference gel.
    lengths : sequence of float, keyword-only
        Candidate correlation lengths of the tractions, in grid steps.
        ``lengths=(0.0,)`` is the prior of [1]_.

    Returns
    -------
    x, y : arrays of shape (..., H, W)
        Traction ``t / E``. It is zero for a uniform displacement.

    Notes
    -----
    The method is Bayesian L2 regularisation [1]_ with three differences. The noise
    is estimated from the whole field (`estimate_noise`), not from a marked region
    without cells. The tractions may be correlated. The jumps between opposite
    borders are removed (`periodic_component`), because the evidence would attribute
    them to strong tractions.

    References
    ----------
    .. [1] Y. Huang et al., "Traction force microscopy with optimized regularization
       and automated Bayesian parameter selection for comparing cells", Sci. Rep. 9,
       539 (2019).

    Examples
    --------
    Two adhesions that pull towards each other, computed from a noisy displacement:

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
    """Filter from displacement to traction that `bayesian_fttc` applies.

    Parameters
    ----------
    x, y, response, lengths
        As for `bayesian_fttc`.

    Returns
    -------
    callable
        The `gains` argument of `halfspace.filter_modes`, for the periodic
        components of the fields.
    """
    noise = estimate_noise(x, y)
    field = spectrum(periodic_component(x), periodic_component(y))
    prior = most_probable_prior(field, noise=noise, response=response, lengths=lengths)
    return posterior_gains(noise, prior, response=response)


def posterior_gains(
    noise: Noise, prior: Prior, *, response: Response = REFERENCE_RESPONSE
) -> Gains:
    """Filter from displacement to the most probable traction.

    Parameters
    ----------
    noise : Noise
        The noise of the displacement.
    prior : Prior
        The prior of the tractions.
    response : callable, keyword-only
        The response of the gel. The default is the reference gel.

    Returns
    -------
    callable
        The `gains` argument of `halfspace.filter_modes`, for the periodic
        components of the fields. It is zero where the prior variance is zero.
    """

    def gains(k: Array) -> tuple[Array, Array]:
        safe = np.where(k > 0, k, 1.0)
        xp = array_namespace(prior.variance)
        prior_power = prior.power(safe)
        has_traction = prior_power > 0
        ratio = noise.power(safe) / xp.where(has_traction, prior_power, 1.0)
        is_wave = xp.asarray(k > 0, device=device(ratio))
        along, across = (
            xp.where(has_traction & is_wave, g / (g * g + ratio), 0.0)
            for g in (
                xp.asarray(part, dtype=ratio.dtype, device=device(ratio))
                for part in response(safe)
            )
        )
        return along, across

    return gains
