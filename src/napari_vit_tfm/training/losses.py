"""Loss function of the training, one value per field."""

from __future__ import annotations

from torch import Tensor

from napari_vit_tfm.training.config import LossConfig

_FIELD = (1, 2, 3)
_EPSILON = 1e-6
_MIN_TRACTION = 0.01
"""Smallest reference for the error: ratio of ``t / E`` to the displacement in grid
steps. It is about a tenth of the ratio for forces inside the field."""
_MIN_MAGNITUDE = 0.05
"""Smallest reference for the error of a node, relative to the mean at adhesions."""


def traction_loss(
    traction: Tensor,
    truth: Tensor,
    displacement: Tensor,
    config: LossConfig,
    *,
    target: Tensor | None = None,
) -> Tensor:
    """Weighted sum of the terms of the loss.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)
        Tractions of the network, and true tractions.
    displacement : tensor of shape (N, 2, H, W)
        Input of the network, ``u / L``. It sets a lower limit of the reference for
        the error, because fields whose forces lie outside the field of view have
        displacements but little or no traction.
    config : LossConfig
        Exponent of the relative squared error, and weights of `background_magnitude`
        and `magnitude_error`.
    target : tensor of shape (N, 2, H, W), keyword-only, optional
        Tractions of which the squared error is taken, instead of the true ones. It is
        relative to the true ones all the same.

    Returns
    -------
    tensor of shape (N,)
    """
    steps = displacement * (displacement.shape[-1] - 1)
    steps = steps - steps.mean(dim=(2, 3), keepdim=True)
    least = (_MIN_TRACTION * steps).square().sum(dim=_FIELD)  # (N,)
    deviation = traction - (truth if target is None else target)
    error = _relative_square(deviation, truth, least=least)
    weighted = (error + _EPSILON) ** config.exponent
    if config.background:
        weighted = weighted + config.background * background_magnitude(traction, truth)
    if config.adhesions:
        weighted = weighted + config.adhesions * magnitude_error(traction, truth)
    return weighted


def relative_squared_error(traction: Tensor, truth: Tensor) -> Tensor:
    """Relative squared error, ``sum |t - t_true|^2 / sum |t_true|^2``.

    Noisy fields have a large error with any network. An exponent below 1 limits their
    weight in the loss.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)
        Tractions of the network, and true tractions.

    Returns
    -------
    tensor of shape (N,)
    """
    return _relative_square(traction - truth, truth)


def background_magnitude(traction: Tensor, truth: Tensor) -> Tensor:
    """Mean magnitude in the background, relative to that at adhesions.

    It is ``mean_background |t| / mean_adhesions |t_true|``: the deviation of the
    traction magnitude in the background (DTMB) of [1]_, with nodes instead of patches.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)
        Tractions of the network, and true tractions.

    Returns
    -------
    tensor of shape (N,)
        Zero for fields without traction.

    References
    ----------
    .. [1] Y. Huang et al., "Traction force microscopy with optimized regularization
       and automated Bayesian parameter selection for comparing cells", Sci. Rep. 9,
       539 (2019).
    """
    magnitude = _magnitude(truth)
    inside = magnitude > 0
    background = _mean(_magnitude(traction), ~inside)
    scale = _mean(magnitude, inside)
    return background / _no_zero(scale) * (scale > 0)


def magnitude_error(traction: Tensor, truth: Tensor) -> Tensor:
    """Mean relative error of the magnitude at the nodes of adhesions.

    It is ``mean_adhesions (||t| - |t_true|| / |t_true|)``: the deviation of the
    traction magnitude at adhesions (DTMA) of [1]_, but for nodes instead of patches
    and with absolute values, so that errors do not cancel. Weak adhesions have the same
    weight as strong ones, down to a twentieth of the mean magnitude at the adhesions of
    the field.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)
        Tractions of the network, and true tractions.

    Returns
    -------
    tensor of shape (N,)

    References
    ----------
    .. [1] Y. Huang et al., "Traction force microscopy with optimized regularization
       and automated Bayesian parameter selection for comparing cells", Sci. Rep. 9,
       539 (2019).
    """
    magnitude = _magnitude(truth)
    error = (_magnitude(traction) - magnitude).abs()
    inside = magnitude > 0
    least = _MIN_MAGNITUDE * _mean(magnitude, inside)[:, None, None]
    return _mean(error / _no_zero(magnitude.maximum(least)), inside)


def _relative_square(
    deviation: Tensor, truth: Tensor, *, least: Tensor | float = 0.0
) -> Tensor:
    """Squared deviation over the squared truth plus `least`, for each field."""
    scale = truth.square().sum(dim=_FIELD) + least
    return deviation.square().sum(dim=_FIELD) / _no_zero(scale)


def _magnitude(traction: Tensor) -> Tensor:
    """Magnitude ``(N, H, W)``, with a gradient of zero at zero."""
    square = traction.square().sum(dim=1)
    return square.where(square > 0, 1.0).sqrt() * (square > 0)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``(N, H, W)`` inside a mask, for each field; zero for an empty mask."""
    return (values * mask).sum(dim=(1, 2)) / mask.sum(dim=(1, 2)).clamp_min(1)


def _no_zero(scale: Tensor) -> Tensor:
    return scale.where(scale > 0, 1.0)
