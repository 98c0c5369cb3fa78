"""Training fields, generated during training on the device of the network.

Force patterns are drawn with numpy, which needs only a few numbers per patch. Their
fields are computed on the device. Batch ``k`` of a run depends only on the seed and
``k``, so a resumed run continues with the same fields.
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
from napari_vit_tfm.synthesis import (
    ForcePattern,
    NoiseParameters,
    add_noise,
    synthesise,
)

if TYPE_CHECKING:
    from napari_vit_tfm.training.config import FieldKind, TrainingConfig

_VALIDATION_SEED = 20_000
_NOISE_MARGIN = 48
_STREAM = 1
"""Separates these random numbers from those of `synthesise` with the same seed."""
_Arrays = TypeVar("_Arrays", bound=ForcePattern | NoiseParameters)


@dataclass(frozen=True)
class TrainingBatch:
    """Description of a batch, from which its fields are computed on the device.

    Parameters
    ----------
    patterns : sequence of ForcePattern
        One pattern per field, or one pattern of all fields.
    shape : tuple of int
        Rows and columns of the grid.
    window : float
        Side of the square over which displacements are averaged, in grid steps.
    noise : NoiseParameters
        Measurement errors.
    seed : int
        Seed of the noise.
    """

    patterns: Sequence[ForcePattern]
    shape: tuple[int, int]
    window: float
    noise: NoiseParameters
    seed: int

    def to(self, device: torch.device, **_kwargs: Any) -> TrainingBatch:
        """Move the batch to a device; Lightning calls it.

        On the CPU the patterns are not joined: the arrays of one field fit into the
        cache, those of a batch do not.
        """
        patterns = self.patterns
        if device.type != "cpu":
            patterns = [type(patterns[0]).join(patterns)]
        return replace(
            self,
            patterns=[_as_tensors(pattern, device) for pattern in patterns],
            noise=_as_tensors(self.noise, device),
        )

    def fields(self) -> tuple[Tensor, Tensor]:
        """Noisy displacements ``u / L`` and tractions ``t / E``, ``(N, 2, H, W)``."""
        made = [
            pattern.on_grid(self.shape, window=self.window) for pattern in self.patterns
        ]
        displacement, traction = (
            torch.cat(parts).movedim(-1, 1).contiguous()
            for parts in zip(*made, strict=True)
        )
        generator = torch.Generator(displacement.device).manual_seed(self.seed)
        shape = [n + _NOISE_MARGIN for n in displacement.shape[-2:]]
        white = torch.randn(
            (len(displacement), 3, *shape),
            generator=generator,
            device=displacement.device,
        )
        noisy: Tensor = add_noise(displacement, white, self.noise)
        return noisy, traction


def _as_tensors(pattern: _Arrays, device: torch.device) -> _Arrays:
    arrays = {
        field.name: torch.as_tensor(value, dtype=torch.float32, device=device)
        for field in fields(pattern)  # type: ignore[arg-type]
        if isinstance(value := getattr(pattern, field.name), np.ndarray)
    }
    return replace(pattern, **arrays)  # type: ignore[type-var]


class TrainingFields(IterableDataset[TrainingBatch]):
    """Endless sequence of batches; each holds fields of one kind.

    The batches are distributed over the workers of all training processes.

    Parameters
    ----------
    config : TrainingConfig
        The run.
    start : int, keyword-only
        First training step, for a resumed run.
    rank, n_ranks : int, keyword-only
        Index of the process, and number of processes.
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
        """Batch `number`, which depends only on the configuration."""
        config = self.config
        rng = np.random.default_rng([config.seed, number, _STREAM])
        share = np.array([kind.share for kind in config.kinds])
        kind = config.kinds[rng.choice(len(share), p=share / share.sum())]
        noise = (kind.noise or config.noise).draw(rng, config.batch_size)
        shape = kind.shapes[rng.integers(len(kind.shapes))]
        window = kind.windows[rng.integers(len(kind.windows))]
        distribution = kind.distribution
        return TrainingBatch(
            [distribution.draw(rng, shape) for _ in range(config.batch_size)],
            shape,
            window,
            noise,
            int(rng.integers(2**63)),
        )


def validation_kinds(config: TrainingConfig) -> dict[str, FieldKind]:
    """Kinds of validation fields: the first kind of each name in a run."""
    first: dict[str, FieldKind] = {}
    for kind in config.kinds:
        first.setdefault(kind.kind, kind)
    return first


def validation_fields(kind: FieldKind, n: int, noise: float) -> tuple[Tensor, Tensor]:
    """Fixed fields of one kind, with white noise.

    Parameters
    ----------
    kind : FieldKind
        Kind of the fields. Its first grid is used, with displacements at the nodes.
    n : int
        Number of fields.
    noise : float
        Standard deviation of the noise, relative to the root mean square of the field
        about its mean.

    Returns
    -------
    displacement, traction : tensors of shape (n, 2, H, W)
    """
    made = synthesise(
        n,
        seed=_VALIDATION_SEED,
        shape=kind.shapes[0],
        distribution=kind.distribution,
    )
    displacement, traction = to_tensor(made.displacement), to_tensor(made.traction)
    generator = torch.Generator().manual_seed(_VALIDATION_SEED)
    white = torch.randn(displacement.shape, generator=generator)
    about_mean = displacement - displacement.mean(dim=(2, 3), keepdim=True)
    rms = about_mean.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return displacement + noise * rms * white, traction
