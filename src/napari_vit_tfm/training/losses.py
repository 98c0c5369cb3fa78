"""What the training minimises, field by field."""

from __future__ import annotations

from torch import Tensor

from napari_vit_tfm.training.config import LossConfig

_FIELD = (1, 2, 3)
_EPSILON = 1e-8


def traction_loss(traction: Tensor, truth: Tensor, config: LossConfig) -> Tensor:
    """Weighted sum of the loss's terms.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)
    config : LossConfig
        The exponent of the relative squared error, and the weights of
        `background_magnitude` and `magnitude_error`.

    Returns
    -------
    tensor of shape (N,)
        Zero for fields without any traction, which no relative error has a
        scale for.
    """
    has_traction = truth.abs().amax(dim=_FIELD) > 0
    weighted = (relative_squared_error(traction, truth) + _EPSILON) ** config.exponent
    if config.background:
        weighted = weighted + config.background * background_magnitude(traction, truth)
    if config.adhesions:
        weighted = weighted + config.adhesions * magnitude_error(traction, truth)
    return weighted * has_traction


def relative_squared_error(traction: Tensor, truth: Tensor) -> Tensor:
    """``sum |t - t_true|^2 / sum |t_true|^2``.

    Its root keeps noisy fields, whose error is large whatever the network does,
    from drowning the others.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)

    Returns
    -------
    tensor of shape (N,)
    """
    error = (traction - truth).square().sum(dim=_FIELD)
    return error / _no_zero(truth.square().sum(dim=_FIELD))


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
    """
    magnitude = _magnitude(truth)
    inside = magnitude > 0
    background = _mean(_magnitude(traction), ~inside)
    return background / _no_zero(_mean(magnitude, inside))


def magnitude_error(traction: Tensor, truth: Tensor) -> Tensor:
    """Error of the magnitude at the adhesions over the magnitude there.

    ``sum_adhesions ||t| - |t_true|| / sum_adhesions |t_true|``: what the
    deviation of traction magnitude at adhesions (DTMA) of Huang et al., Sci.
    Rep. 2019, is for patches, but node by node and without a sign, so that
    errors do not make up for each other.

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
    return _mean(error, inside) / _no_zero(_mean(magnitude, inside))


def _magnitude(traction: Tensor) -> Tensor:
    """``|t|``, ``(N, H, W)``; its gradient at zero is zero."""
    square = traction.square().sum(dim=1)
    return square.where(square > 0, 1.0).sqrt() * (square > 0)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``(N, H, W)`` where the mask is, field by field; zero without any."""
    return (values * mask).sum(dim=(1, 2)) / mask.sum(dim=(1, 2)).clamp_min(1)


def _no_zero(scale: Tensor) -> Tensor:
    return scale.where(scale > 0, 1.0)
