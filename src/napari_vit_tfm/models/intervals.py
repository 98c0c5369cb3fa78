"""Intervals of tractions: half-widths that hold the stated share of the truths.

The half-widths that a method tells (`ReconstructionMethod.halfwidths`) leave out errors
that it does not know. They are multiplied by factors that were measured on simulated
fields, of kinds that no method was made with: split-conformal prediction [1]_ in groups
of fields with similar noise and a similar unexplained share, and of nodes with similar
tractions. The groups are told from the result, never from the truth. A bundled file
holds the factors of the bundled network and of the classical methods.

References
----------
.. [1] A. N. Angelopoulos, S. Bates, "Conformal prediction: a gentle introduction",
   Found. Trends Mach. Learn. 16, 494-591 (2023).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.models.scale_head import ScaleHead, ScaleHeadConfig
from napari_vit_tfm.models.solved import Solved
from napari_vit_tfm.models.tensor_files import read_tensors, write_tensors
from napari_vit_tfm.models.tensors import with_weights

if TYPE_CHECKING:
    from napari_vit_tfm.models.base import ReconstructionMethod

_FORMAT = "napari-vit-tfm intervals 3"

_PARTS = ("noise", "misfit", "ratio", "factors")
"""What a calibration consists of."""

_LEAST_RATIO = 1e-3

LEVELS = (0.68, 0.95)
"""Shares of the truths that the intervals hold."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Factors of a method's half-widths, by noise, misfit and traction.

    They are interpolated between the entries of the table, and constant beyond them.

    Parameters
    ----------
    noise : tensor of shape (K,)
        Logarithms of the estimated noise relative to the displacement, increasing.
    misfit : tensor of shape (U,)
        Logarithms of what the tractions leave unexplained beyond the noise, relative to
        the displacement, increasing.
    ratio : tensor of shape (M,)
        Logarithms of the traction's magnitude relative to the method's 95% half-width,
        increasing: from no traction to a strong one.
    factors : tensor of shape (2, K, U, M)
        Factors of the 68% and of the 95% half-width.
    """

    noise: Tensor
    misfit: Tensor
    ratio: Tensor
    factors: Tensor

    def apply(self, solved: Solved, halfwidths: Tensor) -> Tensor:
        """Multiply half-widths by their factors.

        Parameters
        ----------
        solved : Solved
            N displacements with their tractions.
        halfwidths : tensor of shape (N, 2, 2, H, W)
            Those of the method, by level and component.

        Returns
        -------
        tensor of shape (N, 2, 2, H, W)
        """
        of_noise = hat_weights(solved.relative_noise(), self.noise)  # (N, K)
        of_misfit = hat_weights(solved.relative_misfit(), self.misfit)  # (N, U)
        of_ratio = hat_weights(
            relative_magnitude(solved.traction, halfwidths), self.ratio
        )  # (N, H, W, M)
        logarithms = self.factors.to(solved.traction).log()
        of_field = torch.einsum("nk,nu,lkum->nlm", of_noise, of_misfit, logarithms)
        factor = torch.einsum("nhwm,nlm->nlhw", of_ratio, of_field)
        return halfwidths * factor.exp()[:, :, None]


def relative_magnitude(traction: Tensor, halfwidths: Tensor) -> Tensor:
    """Logarithm of the magnitude relative to the 95% half-width, ``(N, H, W)``.

    The half-width is the larger one of the two components. Where it is zero, there is
    no traction.
    """
    wide = halfwidths[:, 1].amax(dim=1)
    magnitude = traction.square().sum(dim=1).sqrt()
    ratio = magnitude / torch.where(wide > 0, wide, 1.0)
    return ratio.clamp_min(_LEAST_RATIO).log()


def hat_weights(values: Tensor, knots: Tensor) -> Tensor:
    """Weights of linear interpolation between increasing knots.

    Parameters
    ----------
    values : tensor of shape (...)
        Values; those beyond the knots count as the last knot.
    knots : tensor of shape (K,)
        The knots.

    Returns
    -------
    tensor of shape (..., K)
        At most two of them are not zero, and their sum is 1.
    """
    knots = knots.to(values)
    inside = values.clamp(float(knots[0]), float(knots[-1])).contiguous()
    right = torch.searchsorted(knots, inside).clamp(1, len(knots) - 1)
    low, high = knots[right - 1], knots[right]
    share = ((inside - low) / (high - low))[..., None]
    weights = torch.zeros((*values.shape, len(knots))).to(values)
    weights.scatter_(-1, (right - 1)[..., None], 1 - share)
    return weights.scatter_(-1, right[..., None], share)


@dataclass(frozen=True, eq=False)
class Intervals:
    """The scale head of a network, and calibrations of methods.

    Parameters
    ----------
    network_sha256 : str
        SHA-256 of the weights file of the network to which the head belongs.
    head : ScaleHead
        The head.
    calibrations : mapping of str to Calibration
        Calibrations by name; see `ReconstructionMethod.calibration`.
    """

    network_sha256: str
    head: ScaleHead
    calibrations: Mapping[str, Calibration]


def save_intervals(
    path: str | Path, intervals: Intervals, *, record: Mapping[str, Any]
) -> None:
    """Write a scale head and calibrations as a safetensors file.

    Parameters
    ----------
    path : path
        File to write. An existing file is replaced only by a complete one.
    intervals : Intervals
        What is written.
    record : mapping, keyword-only
        How it was made, stored as JSON in the header of the file.
    """
    tensors = {
        f"head.{name}": tensor for name, tensor in intervals.head.state_dict().items()
    }
    for name, calibration in intervals.calibrations.items():
        for part in _PARTS:
            tensors[f"{part}.{name}"] = getattr(calibration, part)
    header = {
        "format": _FORMAT,
        "network_sha256": intervals.network_sha256,
        "head": json.dumps(asdict(intervals.head.config)),
        "calibrations": json.dumps(list(intervals.calibrations)),
        "record": json.dumps(dict(record)),
    }
    write_tensors(path, tensors, header)


def load_intervals(path: str | Path) -> Intervals:
    """Read a file written by `save_intervals`.

    Raises
    ------
    ModelError
        If the file was not written by `save_intervals`, or is damaged.
    """
    file = read_tensors(path, form=_FORMAT, what="a file of intervals")
    header, tensors = file.header, file.tensors
    try:
        config = ScaleHeadConfig(**json.loads(header["head"]))
        head = with_weights(
            lambda: ScaleHead(config),
            {
                key.removeprefix("head."): tensor
                for key, tensor in tensors.items()
                if key.startswith("head.")
            },
        )
        calibrations = {
            name: Calibration(**{part: tensors[f"{part}.{name}"] for part in _PARTS})
            for name in json.loads(header["calibrations"])
        }
        sha256 = header["network_sha256"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: a damaged file of intervals ({error})") from error
    return Intervals(sha256, head.eval().requires_grad_(False), calibrations)


def bundled_intervals() -> Intervals:
    """The intervals that are part of the package."""
    with as_file(files("napari_vit_tfm") / "weights" / "intervals.safetensors") as path:
        return load_intervals(path)


@cache
def bundled_calibrations() -> Mapping[str, Calibration]:
    """The calibrations that are part of the package, by name."""
    return bundled_intervals().calibrations


def scale_head_for(sha256: str) -> ScaleHead | None:
    """The bundled head, if it belongs to the network of this SHA-256."""
    intervals = bundled_intervals()
    return intervals.head if intervals.network_sha256 == sha256 else None


def has_intervals(method: ReconstructionMethod) -> bool:
    """Whether the intervals of a method's tractions are known."""
    return method.calibration in bundled_calibrations()


def halfwidths(method: ReconstructionMethod, solved: Solved) -> Tensor:
    """Half-widths of the central 68% and 95% intervals of each component.

    Parameters
    ----------
    method : ReconstructionMethod
        A method that `has_intervals`.
    solved : Solved
        N displacements with the tractions that the method has computed from them.

    Returns
    -------
    tensor of shape (N, 2, 2, H, W)
        For each field, the levels 68% and 95%, and the components.

    Examples
    --------
    >>> import torch
    >>> from napari_vit_tfm.models import load
    >>> from napari_vit_tfm.models.intervals import halfwidths
    >>> from napari_vit_tfm.models.solved import Solved
    >>> from napari_vit_tfm.models.tensors import to_tensor
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> made = synthesise(1, seed=0, shape=(48, 64))
    >>> displacement, truth = to_tensor(made.displacement), to_tensor(made.traction)
    >>> method = load("vit")
    >>> with torch.inference_mode():
    ...     traction = method.traction(displacement)
    ...     narrow, wide = halfwidths(method, Solved.of(displacement, traction))[0]
    >>> held = (traction - truth)[0].abs() < wide
    >>> bool(held[truth[0] != 0].float().mean() > 0.8)
    True
    """
    calibration = bundled_calibrations()[method.calibration]
    return calibration.apply(solved, method.halfwidths(solved))
