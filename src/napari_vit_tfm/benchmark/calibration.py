"""Factors with which the half-widths of a method hold the stated share of the truths.

They are quantiles of the errors on held-out fields, relative to the half-widths that
the method tells. All kinds and all fields count the same, and only nodes with traction
count; see `models.intervals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark.held_out import KINDS, simulate
from napari_vit_tfm.synthesis import NoiseDistribution, add_misfit, add_noise

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_vit_tfm.models import ReconstructionMethod
    from napari_vit_tfm.models.intervals import Calibration

Array = npt.NDArray[np.floating]

_SHARES = (0.68, 0.945)
"""Shares of the truths that the factors are to hold."""

_NOISE = (1e-3, 6e-3, 0.015, 0.04, 0.1, 0.2, 0.4, 0.8)
"""Noise relative to the displacement, for which there are factors."""

_RATIO = (0.1, 0.3, 0.7, 1.5, 4.0, 10.0)
"""Traction relative to the 95% half-width, for which there are factors."""

_MISFIT = (0.02, 0.08, 0.25)
"""What is unexplained beyond the noise, relative to the displacement, for which there
are factors."""

_SHAPES = ((104, 104), (64, 64), (104, 104), (48, 72))
_N_ERRORS = 6
"""Number of times that each field is used, with different errors."""

_WITHOUT_NOISE = (0, 4)
_WITH_MISFIT = (4, 5)
"""Which times it has no noise, and does not fit the model of the gel."""

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
    """Held-out fields of all kinds, on several grids, with several errors.

    Some have no noise, and some do not fit the model of the gel; see `add_misfit`.

    Parameters
    ----------
    n : int
        Number of fields of each kind.
    seed : int, keyword-only
        Seed of the fields and of their errors.
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
            steps = np.moveaxis(clean, -1, 1) * (shape[1] - 1)
            noisy = _with_errors(rng, steps, np.moveaxis(truth, -1, 1))
            yield HeldOutFields(
                to_tensor(np.moveaxis(noisy, 1, -1) / (shape[1] - 1)),
                to_tensor(truth),
            )


def _with_errors(rng: np.random.Generator, clean: Array, truth: Array) -> Array:
    """Displacements ``(n, 2, H, W)`` of one field ``(1, 2, H, W)`` with its errors."""
    errors = _ERRORS.draw(rng, _N_ERRORS)
    for values in (errors.strength, errors.distortion, errors.rounding):
        values[list(_WITHOUT_NOISE)] = 0
    repeated = np.repeat(clean.astype(np.float64), _N_ERRORS, axis=0)
    for number in _WITH_MISFIT:
        place = slice(number, number + 1)
        repeated[place] = add_misfit(repeated[place], truth, share=1.0, rng=rng)
    size = [side + 32 for side in clean.shape[2:]]
    white = rng.standard_normal((_N_ERRORS, 3, *size))
    return np.asarray(add_noise(repeated, white, errors), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Nodes with traction of one field.

    Parameters
    ----------
    noise : tensor of shape (1,)
        See `Solved.relative_noise`.
    misfit : tensor of shape (1,)
        See `Solved.relative_misfit`.
    ratio : tensor of shape (n,)
        See `intervals.relative_magnitude`.
    error : tensor of shape (2, 2, n)
        Error relative to the half-width, by level and component.
    """

    noise: Tensor
    misfit: Tensor
    ratio: Tensor
    error: Tensor


def calibrate(
    method: ReconstructionMethod,
    fields: Iterable[HeldOutFields],
    *,
    seed: int = 0,
    on_field: Callable[[int], None] | None = None,
) -> Calibration:
    """Measure the factors of a method.

    Parameters
    ----------
    method : ReconstructionMethod
        A method with `halfwidths`.
    fields : iterable of HeldOutFields
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

    from napari_vit_tfm.models.intervals import relative_magnitude
    from napari_vit_tfm.models.solved import Solved

    traction = method.traction(field.displacement)
    solved = Solved.of(field.displacement, traction)
    widths = method.halfwidths(solved)
    noise, misfit = solved.relative_noise(), solved.relative_misfit()
    ratio = relative_magnitude(traction, widths).flatten(1)
    error = ((traction - field.truth).abs()[:, None] / widths).flatten(3)
    place = (field.truth[0] != 0).any(dim=0).flatten().nonzero()[:, 0]
    chosen = torch.randperm(len(place), generator=generator)[:_MAX_NODES]
    place = place[chosen]
    for n in range(len(traction)):
        yield _Nodes(
            noise[n, None], misfit[n, None], ratio[n, place], error[n][..., place]
        )


def _fitted(nodes: list[_Nodes]) -> Calibration:
    import torch

    from napari_vit_tfm.models.intervals import Calibration, hat_weights

    noise, misfit, ratio = (
        torch.tensor(values).log() for values in (_NOISE, _MISFIT, _RATIO)
    )
    counts = [len(part.ratio) for part in nodes]

    def of_nodes(values: list[Tensor]) -> Tensor:
        """Values of fields, ``(1, ...)``, for each of their nodes."""
        return torch.cat(values).repeat_interleave(torch.tensor(counts), dim=0)

    of_noise = of_nodes([hat_weights(part.noise, noise) for part in nodes])
    of_misfit = of_nodes([hat_weights(part.misfit, misfit) for part in nodes])
    of_ratio = hat_weights(torch.cat([part.ratio for part in nodes]), ratio)
    of_field = of_nodes([torch.tensor([1 / max(1, count)]) for count in counts])
    error = torch.cat([part.error for part in nodes], dim=-1)  # (2, 2, n)
    factors = torch.full((2, len(_NOISE), len(_MISFIT), len(_RATIO)), torch.nan)
    for i, u in np.ndindex(len(_NOISE), len(_MISFIT)):
        near = of_field * of_noise[:, i] * of_misfit[:, u]
        for j in range(len(_RATIO)):
            weight = near * of_ratio[:, j]
            used = weight > 0
            if int(used.sum()) < _MIN_NODES:
                continue
            both = weight[used].repeat(2)
            for level, share in enumerate(_SHARES):
                factors[level, i, u, j] = _quantile(
                    error[level][:, used].flatten(), both, share
                )
    return Calibration(noise, misfit, ratio, _filled(factors))


def _quantile(values: Tensor, weights: Tensor, share: float) -> Tensor:
    """Value below which a share of the weight lies."""
    order = values.argsort()
    total = weights[order].double().cumsum(dim=0)
    return values[order[int((total < share * total[-1]).sum())]]


def _filled(factors: Tensor) -> Tensor:
    """Replace factors without data by the nearest ones that have them.

    Those of another ratio are nearer than those of another misfit, and these nearer
    than those of another noise.
    """
    import torch

    filled = factors.clone()
    is_known = ~factors[0].isnan()
    known = is_known.nonzero()
    far = torch.tensor([100, 10, 1])
    for place in (~is_known).nonzero():
        nearest = known[((known - place).abs() * far).sum(dim=1).argmin()]
        filled[:, *place.tolist()] = factors[:, *nearest.tolist()]
    return filled
