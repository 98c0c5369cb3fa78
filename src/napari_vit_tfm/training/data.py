"""Training fields, made on the device while the network trains.

Force patterns are drawn in numpy, which is a matter of a few numbers a patch;
their fields are computed where the network is. Batch ``k`` of a run depends on
the seed and ``k`` alone, so a resumed run goes on as if it had not stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from napari_vit_tfm.models.tensors import to_tensor
from napari_vit_tfm.synthesis import ForcePattern, add_noise, synthesise

if TYPE_CHECKING:
    from napari_vit_tfm.training.config import TrainingConfig

_VALIDATION_SEED = 20_000
_NOISE_MARGIN = 48
_STREAM = 1
"""Keeps these random numbers apart from those of `synthesise` for the same seed."""
_Pattern = TypeVar("_Pattern", bound=ForcePattern)


@dataclass(frozen=True)
class TrainingBatch:
    """What a batch is made from: small, and quickly moved to the device.

    Parameters
    ----------
    patterns : sequence of ForcePattern
        One of each field, arrays of one field; or all in one.
    shape : tuple of int
        Rows and columns of the grid.
    strength, length : tensors of shape (N,)
        The noise's; see `add_noise`.
    seed : int
        Of the noise.
    """

    patterns: Sequence[ForcePattern]
    shape: tuple[int, int]
    strength: Tensor
    length: Tensor
    seed: int

    def to(self, device: torch.device, **_kwargs: Any) -> TrainingBatch:
        """The batch on a device, as Lightning moves it.

        On the CPU the fields stay apart: one field's arrays fit into a cache,
        a batch's do not.
        """
        patterns = self.patterns
        if device.type != "cpu":
            patterns = [type(patterns[0]).join(patterns)]
        return replace(
            self,
            patterns=[_as_tensors(pattern, device) for pattern in patterns],
            strength=self.strength.to(device),
            length=self.length.to(device),
        )

    def fields(self) -> tuple[Tensor, Tensor]:
        """Noisy displacements ``u / L`` and tractions ``t / E``, ``(N, 2, H, W)``."""
        made = [pattern.on_grid(self.shape) for pattern in self.patterns]
        displacement, traction = (
            torch.cat(parts).movedim(-1, 1).contiguous()
            for parts in zip(*made, strict=True)
        )
        generator = torch.Generator(displacement.device).manual_seed(self.seed)
        shape = [n + _NOISE_MARGIN for n in displacement.shape[-2:]]
        white = torch.randn(
            (*displacement.shape[:2], *shape),
            generator=generator,
            device=displacement.device,
        )
        noisy: Tensor = add_noise(
            displacement, white, strength=self.strength, length=self.length
        )
        return noisy, traction


def _as_tensors(pattern: _Pattern, device: torch.device) -> _Pattern:
    arrays = {
        field.name: torch.as_tensor(value, dtype=torch.float32, device=device)
        for field in fields(pattern)  # type: ignore[arg-type]
        if isinstance(value := getattr(pattern, field.name), np.ndarray)
    }
    return replace(pattern, **arrays)  # type: ignore[type-var]


class TrainingFields(IterableDataset[TrainingBatch]):
    """Batches without end; each holds fields of one kind.

    Every worker of every process that trains draws its own share of them.

    Parameters
    ----------
    config : TrainingConfig
        What is drawn.
    start : int, keyword-only
        The first training step, for a run that goes on.
    rank, n_ranks : int, keyword-only
        Number of the process, and how many there are.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        start: int = 0,
        rank: int = 0,
        n_ranks: int = 1,
    ) -> None:
        self.config = config
        self.start = start
        self.rank = rank
        self.n_ranks = n_ranks

    def __iter__(self) -> Iterator[TrainingBatch]:
        info = get_worker_info()
        worker, n_workers = (info.id, info.num_workers) if info else (0, 1)
        for step in count(self.start + worker, n_workers):
            yield self.batch(step * self.n_ranks + self.rank)

    def batch(self, number: int) -> TrainingBatch:
        """Batch `number`, always the same."""
        config = self.config
        rng = np.random.default_rng([config.seed, number, _STREAM])
        share = np.array([kind.share for kind in config.kinds])
        kind = config.kinds[rng.choice(len(share), p=share / share.sum())]
        noise = kind.noise or config.noise
        strength, length = noise.draw(rng, config.batch_size)
        return TrainingBatch(
            [kind.distribution.draw(rng, kind.shape) for _ in range(config.batch_size)],
            kind.shape,
            torch.as_tensor(strength, dtype=torch.float32),
            torch.as_tensor(length, dtype=torch.float32),
            int(rng.integers(2**63)),
        )


def validation_fields(n: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Fixed fields of the original distribution, with white noise.

    Parameters
    ----------
    n : int
        Number of fields.
    sigma : float
        Standard deviation of the noise in the reference form.

    Returns
    -------
    displacement, traction : tensors of shape (n, 2, 104, 104)
    """
    clean = synthesise(n, seed=_VALIDATION_SEED)
    rng = np.random.default_rng([_VALIDATION_SEED, _STREAM])
    white = rng.standard_normal(clean.displacement.shape, dtype=np.float32)
    noisy = clean.displacement + np.float32(sigma) * white
    return to_tensor(noisy), to_tensor(clean.traction)
