"""A method that shows what it is given, and stacks for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models import ReconstructionMethod

CPU = ReconstructionConfig(model="fttc", device="cpu", batch_size=2)


class Echo(ReconstructionMethod):
    """Gives back what it is given, so that a test sees what a model sees."""

    name = "echo"

    def __init__(self, grid: tuple[int, int] | None = None) -> None:
        self.grid = grid
        self.batches: list[int] = []
        self.fits = 100

    def to(self, device: str | torch.device) -> Echo:
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        if len(displacement) > self.fits:
            raise torch.OutOfMemoryError
        self.batches.append(len(displacement))
        return displacement


def random_stack(
    n: int = 5, shape: tuple[int, int] = (20, 31), **values: object
) -> DisplacementStack:
    data = np.random.default_rng(0).normal(size=(n, *shape, 2))
    return DisplacementStack(data, **{"unit": "field", **values})
