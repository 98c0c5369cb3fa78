"""Factors with which the half-widths of a method hold the stated share of the truths.

They are quantiles of the errors on held-out fields, relative to the half-widths that
the method tells. All kinds and all fields count the same, and only nodes with traction
count; see `models.intervals`. Where more than a small share of the nodes without
traction seems to have one, the wide intervals of weak tractions are made wider.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark.held_out import KINDS, draw_window_steps, simulate
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

_ABOVE = 0.02
"""Largest share of the nodes without traction whose magnitude may be above the 95%
half-width."""

_WEAK = 2.0
"""Traction relative to the 95% half-width that is no longer weak."""

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
"""Most nodes of a field with traction that are used, and most of those without."""

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

    Some have no noise, and some do not fit the model of the gel; see `add_misfit`. The
    displacements are averages over windows; see `draw_window_steps`.

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
            averaged = []
            for _ in range(_N_ERRORS):
                # Each field has a seed of its own, since it may have its own grid.
                clean, truth = simulate(
                    kind,
                    1,
                    seed=seed * 1000 + number,
                    shape=shape,
                    window_steps=draw_window_steps(rng),
                )
                averaged.append(clean)
            steps = np.moveaxis(np.concatenate(averaged), -1, 1) * (shape[1] - 1)
            noisy = _with_errors(rng, steps, np.moveaxis(truth, -1, 1))
            yield HeldOutFields(
                to_tensor(np.moveaxis(noisy, 1, -1) / (shape[1] - 1)),
                to_tensor(truth),
            )


def _with_errors(rng: np.random.Generator, clean: Array, truth: Array) -> Array:
    """Add errors to displacements ``(n, 2, H, W)`` of one traction ``(1, 2, H, W)``."""
    errors = _ERRORS.draw(rng, _N_ERRORS)
    for values in (errors.strength, errors.distortion, errors.rounding):
        values[list(_WITHOUT_NOISE)] = 0
    repeated = clean.astype(np.float64)
    for number in _WITH_MISFIT:
        place = slice(number, number + 1)
        repeated[place] = add_misfit(repeated[place], truth, share=1.0, rng=rng)
    size = [side + 32 for side in clean.shape[2:]]
    white = rng.standard_normal((_N_ERRORS, 3, *size))
    return np.asarray(add_noise(repeated, white, errors), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Nodes of one field.

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
    magnitude : tensor of shape (n,)
        Magnitude of the traction relative to the smaller 95% half-width.
    with_traction, without : tensor of shape (n,)
        Weight of each node with traction, and of each node without. The sum over a
        field is 1, or 0 if it has no such nodes.
    """

    noise: Tensor
    misfit: Tensor
    ratio: Tensor
    error: Tensor
    magnitude: Tensor
    with_traction: Tensor
    without: Tensor


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
    narrower = widths[:, 1].amin(dim=1)
    magnitude = traction.square().sum(dim=1).sqrt() / narrower
    magnitude = torch.where(narrower > 0, magnitude, 0.0).flatten(1)
    has_traction = (field.truth[0] != 0).any(dim=0).flatten()
    places = [
        group[torch.randperm(len(group), generator=generator)[:_MAX_NODES]]
        for group in (has_traction.nonzero()[:, 0], (~has_traction).nonzero()[:, 0])
    ]
    place = torch.cat(places)
    shares = has_traction[place].float(), (~has_traction[place]).float()
    weights = [share / share.sum().clamp_min(1) for share in shares]
    for n in range(len(traction)):
        yield _Nodes(
            noise[n, None],
            misfit[n, None],
            ratio[n, place],
            error[n][..., place],
            magnitude[n, place],
            *weights,
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
    with_traction = torch.cat([part.with_traction for part in nodes])
    without = torch.cat([part.without for part in nodes])
    error = torch.cat([part.error for part in nodes], dim=-1)  # (2, 2, n)
    factors = torch.full((2, len(_NOISE), len(_MISFIT), len(_RATIO)), torch.nan)
    for i, u, j in np.ndindex(factors.shape[1:]):
        weight = with_traction * of_noise[:, i] * of_misfit[:, u] * of_ratio[:, j]
        if int((weight > 0).sum()) >= _MIN_NODES:
            for level, share in enumerate(_SHARES):
                factors[level, i, u, j] = _quantile(error[level], weight, share)
    factors = _filled(factors)
    wide = torch.einsum(
        "nk,nu,nm,kum->n", of_noise, of_misfit, of_ratio, factors[1].log()
    )
    magnitude = torch.cat([part.magnitude for part in nodes]) / wide.exp()
    more = _more_for_nothing(magnitude, of_noise * without[:, None])
    factors[1, ..., ratio < np.log(_WEAK)] *= more[:, None, None]
    return Calibration(noise, misfit, ratio, factors)


def _more_for_nothing(magnitude: Tensor, weights: Tensor) -> Tensor:
    """How much wider intervals have to be where there is no traction, for each noise.

    Parameters
    ----------
    magnitude : tensor of shape (n,)
        Magnitude of the traction of each node, relative to the 95% half-width.
    weights : tensor of shape (n, K)
        Weights of the nodes for each noise; zero for nodes with traction.

    Returns
    -------
    tensor of shape (K,)
        At least 1.
    """
    import torch

    more = torch.ones(weights.shape[1])
    for i, weight in enumerate(weights.unbind(dim=1)):
        if int((weight > 0).sum()) >= _MIN_NODES:
            needed = _quantile(magnitude[None], weight, 1 - _ABOVE)
            more[i] = needed.clamp_min(1)
    return more


def _quantile(errors: Tensor, weights: Tensor, share: float) -> Tensor:
    """Size below which a share of the errors ``(C, n)`` of weighted nodes is."""
    used = weights > 0
    values, of_values = errors[:, used].flatten(), weights[used].repeat(len(errors))
    order = values.argsort()
    total = of_values[order].double().cumsum(dim=0)
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
