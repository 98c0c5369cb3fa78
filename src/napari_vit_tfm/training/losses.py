"""What the training minimises, field by field."""

from __future__ import annotations

from torch import Tensor

from napari_vit_tfm.training.config import LossConfig

_FIELD = (1, 2, 3)
_EPSILON = 1e-6
_LEAST_TRACTION = 0.01
"""Least ``t / E`` that an error is related to, over the displacement in grid steps:
about a tenth of what forces inside the field make."""
_WEAK = 0.05
"""Least magnitude that an error is related to, over the mean at the adhesions."""


def traction_loss(
    traction: Tensor, truth: Tensor, displacement: Tensor, config: LossConfig
) -> Tensor:
    """Weighted sum of the loss's terms.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)
    displacement : tensor of shape (N, 2, H, W)
        ``u / L``, the network's input. Fields whose forces lie outside the
        view have little traction or none to relate an error to, but they
        have displacements.
    config : LossConfig
        The exponent of the relative squared error, and the weights of
        `background_magnitude` and `magnitude_error`.

    Returns
    -------
    tensor of shape (N,)
    """
    steps = displacement * (displacement.shape[-1] - 1)
    steps = steps - steps.mean(dim=(2, 3), keepdim=True)
    least = (_LEAST_TRACTION * steps).square().sum(dim=_FIELD)
    error = relative_squared_error(traction, truth, least=least)
    weighted = (error + _EPSILON) ** config.exponent
    if config.background:
        weighted = weighted + config.background * background_magnitude(traction, truth)
    if config.adhesions:
        weighted = weighted + config.adhesions * magnitude_error(traction, truth)
    return weighted


def relative_squared_error(
    traction: Tensor, truth: Tensor, *, least: Tensor | float = 0.0
) -> Tensor:
    """``sum |t - t_true|^2 / (sum |t_true|^2 + least)``.

    Its root keeps noisy fields, whose error is large whatever the network does,
    from drowning the others.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)
    least : tensor of shape (N,) or float, keyword-only
        What the error is related to at the least.

    Returns
    -------
    tensor of shape (N,)
    """
    error = (traction - truth).square().sum(dim=_FIELD)
    return error / _no_zero(truth.square().sum(dim=_FIELD) + least)


def background_magnitude(traction: Tensor, truth: Tensor) -> Tensor:
    """Mean magnitude where there is no traction over that where there is.

    ``mean_background |t| / mean_adhesions |t_true|``: the deviation of traction
    magnitude in the background (DTMB) of Huang et al., Sci. Rep. 2019, with
    single nodes for patches.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)

    Returns
    -------
    tensor of shape (N,)
        Zero for fields without any traction.
    """
    magnitude = _magnitude(truth)
    inside = magnitude > 0
    background = _mean(_magnitude(traction), ~inside)
    scale = _mean(magnitude, inside)
    return background / _no_zero(scale) * (scale > 0)


def magnitude_error(traction: Tensor, truth: Tensor) -> Tensor:
    """Error of the magnitude at the adhesions, relative to it node by node.

    ``mean_adhesions (||t| - |t_true|| / |t_true|)``: what the deviation of
    traction magnitude at adhesions (DTMA) of Huang et al., Sci. Rep. 2019, is
    for patches, but node by node and without a sign, so that errors do not make
    up for each other. As there, an adhesion weighs no less for being weak, down
    to a twentieth of the mean magnitude at the field's adhesions.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)

    Returns
    -------
    tensor of shape (N,)
    """
    magnitude = _magnitude(truth)
    error = (_magnitude(traction) - magnitude).abs()
    inside = magnitude > 0
    least = _WEAK * _mean(magnitude, inside)[:, None, None]
    return _mean(error / _no_zero(magnitude.maximum(least)), inside)


def _magnitude(traction: Tensor) -> Tensor:
    """``|t|``, ``(N, H, W)``; its gradient at zero is zero."""
    square = traction.square().sum(dim=1)
    return square.where(square > 0, 1.0).sqrt() * (square > 0)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``(N, H, W)`` where the mask is, field by field; zero without any."""
    return (values * mask).sum(dim=(1, 2)) / mask.sum(dim=(1, 2)).clamp_min(1)


def _no_zero(scale: Tensor) -> Tensor:
    return scale.where(scale > 0, 1.0)
