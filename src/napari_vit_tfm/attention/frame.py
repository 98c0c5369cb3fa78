"""Attention of one frame.

Functions take arrays, a configuration and callbacks: no layer, no viewer, no Qt.
torch is imported only when something is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_vit_tfm.attention.overlay import OverlayKind, overlay
from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.config import MapDirection, MapSource, ReconstructionConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack, FloatArray
from napari_vit_tfm.notices import FrameNotices, is_resampled, resampling_notice
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import (
    Notify,
    check_grid,
    load_method,
    reference_displacement,
    resolve_device,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_vit_tfm.models import ReconstructionMethod


@dataclass(frozen=True)
class MapChoice:
    """Which attention map of a patch is chosen.

    Parameters
    ----------
    source : {"rollout", "attention"}
        Attention rollout up to a block, or the attention of the block alone.
    head : int, optional
        One head of the block's attention; None is the mean over all heads.
        Rollout always uses the mean.
    direction : {"from", "to"}
        ``from``: what the patch attends to, a row of the matrix. ``to``: which
        patches attend to it, a column.

    Raises
    ------
    ValueError
        If a head is given for the rollout.
    """

    source: MapSource = "rollout"
    head: int | None = None
    direction: MapDirection = "from"

    def __post_init__(self) -> None:
        if self.head is not None and self.source == "rollout":
            raise ValueError(
                "rollout uses the mean of all heads; a head cannot be chosen"
            )


ROLLOUT = MapChoice()
"""Attention rollout: from which patches the chosen patch has gathered information."""


@dataclass(frozen=True, eq=False)
class FrameAttention:
    """Attention of one frame.

    Parameters
    ----------
    attention : array of shape (blocks, heads, P, P)
        Softmax attention; rows are queries, columns are keys.
    rollout : array of shape (blocks, P, P)
        Attention rollout; ``rollout[b, p]`` is the map of patch ``p`` after
        block ``b``.
    grid : PatchGrid
        The patches.
    displacement : array of shape (H, W, 2)
        The frame's displacements, in the stack's unit.
    """

    attention: FloatArray
    rollout: FloatArray
    grid: PatchGrid
    displacement: FloatArray

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.rollout)

    @property
    def n_heads(self) -> int:
        """Number of attention heads in every block."""
        return int(self.attention.shape[1])

    def map(
        self, block: int, row: int, column: int, *, choice: MapChoice = ROLLOUT
    ) -> FloatArray:
        """Map of a patch, ``(rows, columns)``.

        Parameters
        ----------
        block, row, column : int
            Block, row and column of the patch, counted from zero.
        choice : MapChoice, keyword-only
            The map.

        Returns
        -------
        array of shape (rows, columns)
            The direction ``from`` sums to one; the direction ``to`` has no
            fixed sum.

        Raises
        ------
        IndexError
            If the block, head or patch does not exist.
        """
        patch = self.grid.index(row, column)
        if not 0 <= block < self.n_blocks:
            raise IndexError(
                f"no block {block} (counted from 0): there are {self.n_blocks}"
            )
        if choice.head is not None and not 0 <= choice.head < self.n_heads:
            raise IndexError(
                f"no head {choice.head} (counted from 0): a block has {self.n_heads}"
            )
        if choice.source == "rollout":
            matrices = self.rollout[block][np.newaxis]
        elif choice.head is None:
            matrices = self.attention[block]
        else:
            matrices = self.attention[block, choice.head][np.newaxis]
        is_row = choice.direction == "from"
        lines = matrices[:, patch] if is_row else matrices[..., patch]
        weights: FloatArray = lines.mean(axis=0)
        return weights.reshape(self.grid.rows, self.grid.columns)

    def overlay(
        self,
        block: int,
        row: int,
        column: int,
        *,
        kind: OverlayKind = "weights",
        choice: MapChoice = ROLLOUT,
    ) -> FloatArray:
        """The map resized to the field, ``(H, W)``; see `overlay.overlay`."""
        weights = self.map(block, row, column, choice=choice)
        return overlay(weights, self.displacement, grid=self.grid, kind=kind)


@dataclass(frozen=True, eq=False)
class PreparedFrame:
    """One frame as the input of a method.

    Parameters
    ----------
    method : ReconstructionMethod
        The method, on its device.
    displacement : tensor of shape (1, 2, h, w)
        Displacements in the reference form, on the method's grid and device.
    grid : PatchGrid
        The patches.
    """

    method: ReconstructionMethod
    displacement: Tensor
    grid: PatchGrid


def patch_grid(stack: DisplacementStack, method: ReconstructionMethod) -> PatchGrid:
    """The grid of a method's patches over the field of a stack."""
    return PatchGrid(
        stack.grid_shape,
        model_shape=method.grid if is_resampled(stack, method) else None,
        patch_size=method.patch_size,
    )


def prepare_frame(
    stack: DisplacementStack,
    frame: int,
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    on_notice: Notify | None = None,
) -> PreparedFrame:
    """Convert one frame to the input of a method.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements.
    frame : int
        Frame index, counted from zero.
    substrate, config, method, on_notice
        As for `reconstruction.reconstruct`.

    Raises
    ------
    FieldError
        If the field cannot be used, or the frame does not exist.
    """
    config = config or ReconstructionConfig()
    method = method or load_method(config)
    check_grid(stack, method)
    if not 0 <= frame < stack.n_frames:
        raise FieldError(f"no frame {frame}: the stack has {stack.n_frames} frames")
    if not np.isfinite(stack.data[frame]).all():
        raise FieldError(
            f"frame {frame} holds vectors that are not finite; fill them first"
        )
    frames = slice(frame, frame + 1)
    if on_notice is not None:
        if is_resampled(stack, method):
            on_notice(resampling_notice(stack, method))
        for notice in FrameNotices(method).add(stack.part(frame, frame + 1), frame):
            on_notice(notice)
    device = resolve_device(config.device)
    method.to(device)
    inputs = reference_displacement(stack, frames, substrate or Substrate(), method)
    return PreparedFrame(method, inputs.to(device), patch_grid(stack, method))


def frame_attention(
    stack: DisplacementStack,
    frame: int,
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    on_notice: Notify | None = None,
) -> FrameAttention:
    """Compute the attention and attention rollout of one frame.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements.
    frame : int
        Frame index, counted from zero.
    substrate, config, method, on_notice
        As for `reconstruction.reconstruct`.

    Returns
    -------
    FrameAttention

    Raises
    ------
    FieldError
        If the field cannot be used, or the frame does not exist.
    ModelError
        If the method has no attention.
    """
    import torch

    from napari_vit_tfm.models import rollout
    from napari_vit_tfm.models.precision import full_float32

    prepared = prepare_frame(
        stack,
        frame,
        substrate=substrate,
        config=config,
        method=method,
        on_notice=on_notice,
    )
    with torch.inference_mode(), full_float32():
        attention = prepared.method.attention(prepared.displacement)
        gathered = rollout(attention)
    return FrameAttention(
        torch.stack(attention).float().cpu().numpy(),
        gathered.float().cpu().numpy(),
        prepared.grid,
        stack.data[frame],
    )
