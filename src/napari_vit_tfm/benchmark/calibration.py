"""Factors with which the half-widths of a method hold the stated share of the truths.

They are quantiles of the errors on held-out fields, relative to the half-widths that
the method tells. All kinds and all fields count the same, and only nodes with traction
count; see `models.intervals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark.held_out import KINDS, simulate
from napari_vit_tfm.synthesis import NoiseDistribution, add_noise

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_vit_tfm.models import ReconstructionMethod
    from napari_vit_tfm.models.intervals import Calibration

FloatArray = npt.NDArray[np.floating]

_SHARES = (0.68, 0.945)
"""Shares of the truths that the factors are to hold."""

_NOISE = (1e-3, 6e-3, 0.015, 0.04, 0.1, 0.2, 0.4, 0.8)
"""Noise relative to the displacement, for which there are factors."""

_RATIO = (0.1, 0.3, 0.7, 1.5, 4.0, 10.0)
"""Traction relative to the 95% half-width, for which there are factors."""

_SHAPES = ((104, 104), (64, 64), (104, 104), (48, 72))
_N_NOISES = 5
"""Number of times that each field is used, the first time without noise."""

_ERRORS = NoiseDistribution(
    strength=(0.004, 1.0),
    clean_share=0.0,
    correlated_share=0.35,
    length=(0.5, 2.0),
    uneven_share=0.1,
    distorted_share=0.05,
    rounded_share=0.02,
)

_STREAM = 5
"""Separates these random numbers from others with the same seed."""

_MAX_NODES = 1000
"""Most nodes of a field that are used."""

_MIN_NODES = 1000
"""Fewest nodes from which a factor is computed."""


@dataclass(frozen=True, eq=False)
class HeldOutFields:
    """One held-out field with several measurement errors.

    Parameters
    ----------
    displacement : tensor of shape (N, 2, H, W)
        ``u / L``.
    truth : tensor of shape (1, 2, H, W)
        ``t / E``.
    """

    displacement: Tensor
    truth: Tensor


def calibration_fields(
    n: int, *, seed: int, kinds: Sequence[str] = tuple(KINDS)
) -> Iterator[HeldOutFields]:
    """Held-out fields of all kinds, on several grids, without noise and with it.

    Parameters
    ----------
    n : int
        Number of fields of each kind.
    seed : int, keyword-only
        Seed of the fields and of the noise.
    kinds : sequence of str, keyword-only
        Names in `held_out.KINDS`.

    Yields
    ------
    HeldOutFields
    """
    from napari_vit_tfm.models.tensors import to_tensor

    rng = np.random.default_rng([seed, _STREAM])
    for kind in kinds:
        for number in range(n):
            shape = _SHAPES[number % len(_SHAPES)]
            # Each field has a seed of its own, since it may have its own grid.
            clean, truth = simulate(kind, 1, seed=seed * 1000 + number, shape=shape)
            errors = _ERRORS.draw(rng, _N_NOISES)
            for values in (errors.strength, errors.distortion, errors.rounding):
                values[0] = 0
            size = [side + 32 for side in shape]
            white = rng.standard_normal((_N_NOISES, 3, *size))
            repeated = np.repeat(np.moveaxis(clean, -1, 1), _N_NOISES, axis=0)
            noisy = add_noise(repeated.astype(np.float64), white, errors)
            yield HeldOutFields(
                to_tensor(np.moveaxis(noisy, 1, -1).astype(np.float32)),
                to_tensor(truth),
            )


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Nodes with traction of one field.

    Parameters
    ----------
    noise : tensor of shape (1,)
        See `intervals.relative_noise`.
    ratio : tensor of shape (n,)
        See `intervals.relative_magnitude`.
    error : tensor of shape (2, 2, n)
        Error relative to the half-width, by level and component.
    """

    noise: Tensor
    ratio: Tensor
    error: Tensor


def calibrate(
    method: ReconstructionMethod,
    fields: Iterator[HeldOutFields],
    *,
    seed: int = 0,
    on_field: Callable[[int], None] | None = None,
) -> Calibration:
    """Measure the factors of a method.

    Parameters
    ----------
    method : ReconstructionMethod
        A method with `halfwidths`.
    fields : iterator of HeldOutFields
        Fields with known tractions.
    seed : int, keyword-only
        Seed of the choice of nodes.
    on_field : callable, keyword-only, optional
        Called with the number of finished fields.

    Returns
    -------
    Calibration
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    nodes: list[_Nodes] = []
    with torch.inference_mode():
        for number, field in enumerate(fields, 1):
            nodes += _nodes_of(method, field, generator)
            if on_field is not None:
                on_field(number)
        return _fitted(nodes)


def _nodes_of(
    method: ReconstructionMethod, field: HeldOutFields, generator: torch.Generator
) -> Iterator[_Nodes]:
    import torch

    from napari_vit_tfm.models.intervals import (
        noise_of,
        relative_magnitude,
        relative_noise,
    )

    traction = method.traction(field.displacement)
    estimated = noise_of(field.displacement)
    widths = method.halfwidths(field.displacement, traction, estimated)
    noise = relative_noise(field.displacement, estimated)
    ratio = relative_magnitude(traction, widths).flatten(1)
    error = ((traction - field.truth).abs()[:, None] / widths).flatten(3)
    place = (field.truth[0] != 0).any(dim=0).flatten().nonzero()[:, 0]
    chosen = torch.randperm(len(place), generator=generator)[:_MAX_NODES]
    place = place[chosen]
    for n in range(len(traction)):
        yield _Nodes(noise[n, None], ratio[n, place], error[n][..., place])


def _fitted(nodes: list[_Nodes]) -> Calibration:
    import torch

    from napari_vit_tfm.models.intervals import Calibration, hat_weights

    knots = torch.tensor(_NOISE).log(), torch.tensor(_RATIO).log()
    of_noise = torch.cat(
        [
            hat_weights(part.noise, knots[0]).expand(len(part.ratio), -1)
            for part in nodes
        ]
    )
    of_ratio = hat_weights(torch.cat([part.ratio for part in nodes]), knots[1])
    of_field = torch.cat(
        [torch.full_like(part.ratio, 1 / max(1, len(part.ratio))) for part in nodes]
    )
    error = torch.cat([part.error for part in nodes], dim=-1)  # (2, 2, n)
    factors = torch.full((2, len(_NOISE), len(_RATIO)), torch.nan)
    for i in range(len(_NOISE)):
        for j in range(len(_RATIO)):
            weight = of_field * of_noise[:, i] * of_ratio[:, j]
            used = weight > 0
            if int(used.sum()) < _MIN_NODES:
                continue
            both = weight[used].repeat(2)
            for level, share in enumerate(_SHARES):
                factors[level, i, j] = _quantile(
                    error[level][:, used].flatten(), both, share
                )
    return Calibration(*knots, _filled(factors))


def _quantile(values: Tensor, weights: Tensor, share: float) -> Tensor:
    """Value below which a share of the weight lies."""
    order = values.argsort()
    total = weights[order].double().cumsum(dim=0)
    return values[order[int((total < share * total[-1]).sum())]]


def _filled(factors: Tensor) -> Tensor:
    """Replace factors without data by those of the nearest ratio that has them."""
    filled = factors.clone()
    known = ~factors[0].isnan()
    for i, row in enumerate(known):
        places = row.nonzero()[:, 0]
        for j in (~row).nonzero()[:, 0].tolist():
            nearest = places[(places - j).abs().argmin()]
            filled[:, i, j] = factors[:, i, nearest]
    return filled
