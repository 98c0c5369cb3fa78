"""Training of the scale head, which tells how large the errors of tractions are.

The network is frozen. Its tractions of training fields, with their true tractions, are
computed once; then the head learns the 68% and 95% quantiles of the error's magnitude
at each node by their pinball loss [1]_. The loss is that of the logarithms, so that
every size of error counts the same. A share of the fields does not fit the model of the
gel (`synthesis.misfit`), so that the head learns how large the errors are where the
tractions leave more unexplained than the noise.

References
----------
.. [1] R. Koenker, G. Bassett, "Regression quantiles", Econometrica 46, 33-50 (1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from napari_vit_tfm.models.intervals import LEVELS
from napari_vit_tfm.models.scale_head import ScaleHead, ScaleHeadConfig, inputs_of
from napari_vit_tfm.models.solved import Solved
from napari_vit_tfm.synthesis import add_misfit
from napari_vit_tfm.training.config import TrainingConfig
from napari_vit_tfm.training.data import TrainingFields

_WITH_TRACTION = 0.8
"""Weight of the nodes of a field that have traction; the others have the rest."""

_LEAST_ERROR = 1e-4
"""Smallest error that is told from none, relative to the amplitude of the field."""

_STREAM = 6
"""Separates these random numbers from others with the same seed."""

Solve = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ScaleHeadTraining:
    """Training of a scale head.

    Parameters
    ----------
    head : ScaleHeadConfig
        Size of the head.
    batches : int
        Number of batches of fields.
    misfit_share : float
        Fraction of the fields with displacements that do not fit the model of the gel.
    epochs : int
        How often each batch is used.
    learning_rate, weight_decay : float
        Of AdamW; the rate falls to zero on a cosine.
    seed : int
        Seed of the first weights and of the order of the batches.
    """

    head: ScaleHeadConfig = field(default_factory=ScaleHeadConfig)
    batches: int = 600
    misfit_share: float = 0.35
    epochs: int = 5
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    seed: int = 0


@dataclass(frozen=True, eq=False)
class ErrorBatch:
    """What the head sees of a batch of fields, and what it is to tell.

    Parameters
    ----------
    maps : tensor of shape (N, C, 2 h, 2 w)
        Maps that the head sees, in half precision.
    constants : tensor of shape (N, K)
        What the head knows of whole fields.
    logarithm : tensor of shape (N, 2, H, W)
        Logarithm of the error's magnitude, relative to the amplitude of the field.
    weight : tensor of shape (N, 1, H, W)
        Weight of each node; its sum over a field is 1.
    """

    maps: Tensor
    constants: Tensor
    logarithm: Tensor
    weight: Tensor

    @classmethod
    def of(cls, displacement: Tensor, traction: Tensor, truth: Tensor) -> ErrorBatch:
        """Compare tractions ``t / E`` of displacements ``u / L`` with the true ones."""
        amplitude, maps, constants = inputs_of(Solved.of(displacement, traction))
        error = (traction - truth).abs() / amplitude
        has_traction = (truth != 0).any(dim=1, keepdim=True)
        shares = [
            (part / part.sum(dim=(1, 2, 3), keepdim=True).clamp_min(1)).to(error)
            for part in (has_traction, ~has_traction)
        ]
        weight = _WITH_TRACTION * shares[0] + (1 - _WITH_TRACTION) * shares[1]
        weight = weight / weight.sum(dim=(1, 2, 3), keepdim=True)
        logarithm = error.clamp_min(_LEAST_ERROR).log()
        return cls(maps.half(), constants, logarithm, weight)


def error_batches(
    config: TrainingConfig,
    solve: Solve,
    numbers: Sequence[int],
    *,
    misfit_share: float,
) -> Iterator[ErrorBatch]:
    """Training fields with the tractions of a network.

    Parameters
    ----------
    config : TrainingConfig
        Kinds, grids and noise of the fields, and their seed.
    solve : callable
        The network: displacements ``u / L`` to tractions ``t / E``.
    numbers : sequence of int
        Numbers of the batches.
    misfit_share : float, keyword-only
        See `ScaleHeadTraining`.

    Yields
    ------
    ErrorBatch
    """
    stream = TrainingFields(config)
    for number in numbers:
        clean, truth = stream.batch(number).to(torch.device("cpu")).fields()
        rng = np.random.default_rng([config.seed, number, _STREAM])
        changed = add_misfit(clean.numpy(), truth.numpy(), share=misfit_share, rng=rng)
        displacement = torch.from_numpy(changed.astype(np.float32))
        # Not inference mode, whose tensors cannot be used in training.
        with torch.no_grad():
            yield ErrorBatch.of(displacement, solve(displacement), truth)


def pinball_loss(head: ScaleHead, batch: ErrorBatch) -> Tensor:
    """Pinball loss of the logarithms of the half-widths, the mean over fields."""
    height, width = batch.logarithm.shape[-2:]
    found = head.logarithms(batch.maps.float(), batch.constants)[..., :height, :width]
    above = batch.logarithm[:, None] - found  # (N, 2 levels, 2, H, W)
    level = above.new_tensor(LEVELS)[:, None, None, None]
    loss = torch.maximum(level * above, (level - 1) * above)
    weighted = loss * batch.weight[:, None]
    of_level = weighted.mean(dim=2).sum(dim=(0, 2, 3)) / len(found)
    # The loss of the wide intervals is smaller, since fewer errors exceed them.
    mean: Tensor = (of_level / (1 - level.flatten())).sum()
    return mean


def train_scale_head(
    batches: Sequence[ErrorBatch],
    config: ScaleHeadTraining | None = None,
    *,
    on_epoch: Callable[[int, float], None] | None = None,
) -> ScaleHead:
    """Train a scale head.

    Parameters
    ----------
    batches : sequence of ErrorBatch
        The fields.
    config : ScaleHeadTraining, optional
        The training.
    on_epoch : callable, keyword-only, optional
        Called with the number of finished epochs and the mean loss of the last one.

    Returns
    -------
    ScaleHead
    """
    config = config or ScaleHeadTraining()
    generator = torch.Generator().manual_seed(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        head = ScaleHead(config.head)
    optimiser = torch.optim.AdamW(
        head.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    steps = config.epochs * len(batches)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    for epoch in range(1, config.epochs + 1):
        total = 0.0
        for number in torch.randperm(len(batches), generator=generator).tolist():
            loss = pinball_loss(head, batches[number])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        if on_epoch is not None:
            on_epoch(epoch, total / len(batches))
    return head.eval()
