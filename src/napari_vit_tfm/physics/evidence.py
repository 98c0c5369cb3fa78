"""Evidence of displacement fields: how strong tractions and noise are.

Tractions and noise are modelled as Gaussian. The prior variance of the tractions
maximises the evidence, which is the probability of the measured displacement. In
Fourier space the evidence is a sum over modes. In small fields, the noise is found in
the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace, device

from napari_vit_tfm.physics.halfspace import REFERENCE_RESPONSE, Array, Response
from napari_vit_tfm.physics.noise import Noise, estimate_noise
from napari_vit_tfm.physics.spectrum import Spectrum

CORRELATION_LENGTHS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Candidate correlation lengths of the tractions, in grid steps."""

_RELATIVE_VARIANCES = np.geomspace(1e-10, 1, 81)
"""Candidate variances of the tractions, relative to the largest possible variance."""

_SMALL_SIDE = 24
"""Vectors along a side below which second differences do not suffice for the noise."""

_RELATIVE_NOISE = np.geomspace(1e-4, 1, 25)
"""Candidate variances of the noise of small fields, relative to the largest one."""


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
    return _most_probable(field, noise, response, lengths)[0]


def _most_probable(
    field: Spectrum, noise: Noise, response: Response, lengths: Sequence[float]
) -> tuple[Prior, Array]:
    """The most probable prior of each field, and the logarithm of its evidence."""
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
    return Prior(xp.where(empty, 0.0, variance), chosen), best


def noise_for_inversion(
    x: Array, y: Array, field: Spectrum, *, response: Response = REFERENCE_RESPONSE
) -> Noise:
    """Noise according to which an inversion is regularised.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Measured displacement in grid steps.
    field : Spectrum
        Spectrum of its periodic component.
    response : callable, keyword-only
        The response of the gel. The default is the reference gel.

    Returns
    -------
    Noise
        `estimate_noise`; in fields of fewer than 24 vectors along a side, white noise
        that is not stronger than that.

    Notes
    -----
    `estimate_noise` uses second differences. In a small field they contain most of the
    displacement, whose details are few nodes wide, so that they are only an upper limit
    of the noise; the field itself is another. Between zero and the smaller limit, the
    noise is chosen that maximises the evidence together with the tractions. Its
    correlation cannot be distinguished from displacement.

    Examples
    --------
    On a grid of 12 x 12, most of the second differences are not noise:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import (
    ...     displacement_of,
    ...     estimate_noise,
    ...     periodic_component,
    ... )
    >>> from napari_vit_tfm.physics.evidence import noise_for_inversion
    >>> from napari_vit_tfm.physics.spectrum import spectrum
    >>> t_x, t_y = np.zeros((2, 12, 12))
    >>> t_x[5:8, 2:4], t_x[5:8, 8:10] = 0.1, -0.1
    >>> x, y = displacement_of(t_x, t_y)
    >>> field = spectrum(periodic_component(x), periodic_component(y))
    >>> noise = noise_for_inversion(x, y, field)
    >>> most = estimate_noise(x, y)
    >>> bool(noise.standard_deviation() < 0.2 * most.standard_deviation())
    True
    """
    limit = estimate_noise(x, y)
    if min(x.shape[-2:]) >= _SMALL_SIDE:
        return limit
    xp = array_namespace(field.power)
    whole = xp.sum(field.power, axis=(-2, -1)) / (2 * float(field.count.sum()))
    largest = xp.minimum(xp.square(limit.standard_deviation()), whole)
    relative = xp.asarray(_RELATIVE_NOISE, dtype=x.dtype, device=device(x))
    variance = largest[..., None] * relative  # (..., n)
    white = Noise(variance, xp.zeros_like(variance), limit.is_known[..., None])
    shape = (*variance.shape, *field.power.shape[-2:])
    power = xp.broadcast_to(field.power[..., None, :, :], shape)
    candidates = Spectrum(field.k, field.count, power)
    evidence = _most_probable(candidates, white, response, CORRELATION_LENGTHS)[1]
    place = xp.argmax(evidence, axis=-1)[..., None]
    found = xp.take_along_axis(variance, place, axis=-1)[..., 0]
    return Noise(found, xp.zeros_like(found), limit.is_known)
