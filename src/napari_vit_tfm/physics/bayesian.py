"""Bayesian Fourier-transform traction cytometry.

The tractions are the most probable ones under the prior that maximises the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from array_api_compat import array_namespace, device

from napari_vit_tfm.physics.evidence import (
    CORRELATION_LENGTHS,
    Prior,
    most_probable_prior,
    noise_for_inversion,
)
from napari_vit_tfm.physics.halfspace import (
    REFERENCE_RESPONSE,
    Array,
    Gains,
    Response,
    filter_modes,
    mean_squares,
)
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.physics.spectrum import spectrum
from napari_vit_tfm.physics.tikhonov import periodic_component


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
    is estimated from the whole field (`evidence.noise_for_inversion`), not from a
    marked region without cells. The tractions may be correlated. The jumps between
    opposite borders are removed (`periodic_component`), because the evidence would
    attribute them to strong tractions.

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
    noise: Noise | None = None,
) -> Gains:
    """Filter from displacement to traction that `bayesian_fttc` applies.

    Parameters
    ----------
    x, y, response, lengths
        As for `bayesian_fttc`.
    noise : Noise, keyword-only, optional
        The noise of the displacement, if it is known; estimated by default.

    Returns
    -------
    callable
        The `gains` argument of `halfspace.filter_modes`, for the periodic
        components of the fields.
    """
    field = spectrum(periodic_component(x), periodic_component(y))
    if noise is None:
        noise = noise_for_inversion(x, y, field, response=response)
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


def posterior_variance(
    noise: Noise,
    gains: Gains,
    shape: tuple[int, int],
    *,
    response: Response = REFERENCE_RESPONSE,
) -> tuple[Array, Array]:
    """Variance of the tractions about the solution of a regularised inversion.

    Parameters
    ----------
    noise : Noise
        The noise of the displacement.
    gains : callable
        The filter from displacement to traction: `posterior_gains`, or
        `tikhonov.tikhonov_gains`, which is the posterior mean under a Gaussian prior,
        too.
    shape : tuple of int
        Rows and columns of the field.
    response : callable, keyword-only
        The response of the gel. The default is the reference gel.

    Returns
    -------
    x, y : arrays of shape (...)
        Posterior variance of each component of ``t / E``. It is the same at every
        node.

    Notes
    -----
    With the response ``g``, the power ``n`` of the noise and ``p`` of the tractions,
    the posterior mean of a mode is ``g / (g^2 + n / p)`` times the displacement, and
    its variance is ``n / (g^2 + n / p)``. The filter therefore implies the prior. The
    mean traction, of which the displacement says nothing, is left out.

    Examples
    --------
    More noise leaves the tractions less certain:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics.bayesian import posterior_variance
    >>> from napari_vit_tfm.physics.noise import Noise
    >>> from napari_vit_tfm.physics.tikhonov import tikhonov_gains
    >>> gains = tikhonov_gains(1.0)
    >>> weak, strong = (
    ...     Noise(np.array(variance), np.array(0.0), np.array(True))
    ...     for variance in (0.01, 0.04)
    ... )
    >>> float(posterior_variance(strong, gains, (32, 32))[0]) / float(
    ...     posterior_variance(weak, gains, (32, 32))[0]
    ... )
    4.0
    """

    def deviations(k: Array) -> tuple[Array, Array]:
        safe = np.where(k > 0, k, 1.0)
        power = noise.power(safe)
        xp = array_namespace(power)
        along, across = (
            xp.sqrt(
                power
                * xp.asarray(gain, dtype=power.dtype, device=device(power))
                / xp.asarray(own, dtype=power.dtype, device=device(power))
            )
            for gain, own in zip(gains(k), response(safe), strict=True)
        )
        return along, across

    return mean_squares(deviations, shape)
