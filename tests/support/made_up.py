"""Frames whose attention is given, without a network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_vit_tfm.attention.frame import PreparedFrame, prepare_frame
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models import ReconstructionMethod


class GivenAttention(ReconstructionMethod):
    """A method with the attention ``(blocks, heads, P, P)`` that it is given."""

    def __init__(self, attention: np.ndarray | None, name: str) -> None:
        self.name = name
        self._attention = () if attention is None else attention

    @property
    def n_blocks(self) -> int:
        return len(self._attention)

    @property
    def n_heads(self) -> int:
        return len(self._attention[0]) if len(self._attention) else 0

    def to(self, device: str | torch.device) -> GivenAttention:
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        return displacement

    def attention(self, displacement: Tensor) -> list[Tensor]:
        return [torch.as_tensor(block) for block in self._attention]


def frame_with(
    attention: np.ndarray | None,
    stack: DisplacementStack,
    index: int,
    name: str = "small",
) -> PreparedFrame:
    """A prepared frame with a given attention, or without any."""
    config = ReconstructionConfig(device="cpu")
    method = GivenAttention(attention, name)
    return prepare_frame(stack, index, config=config, method=method)
