"""What a frame's patches attended to.

Everything here is plain: arrays, a configuration, callbacks. No layer, no
viewer, no Qt. torch is imported only when something is computed.
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
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import (
    Notify,
    check_grid,
    is_resampled,
    load_method,
    notices,
    reference_displacement,
    resolve_device,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_vit_tfm.models import ReconstructionMethod


@dataclass(frozen=True)
class MapChoice:
    """Which of a patch's maps is looked at.

    Parameters
    ----------
    source : {"rollout", "attention"}
        What has been gathered up to a block, or the block's own attention.
    head : int, optional
        One head of the block's own attention; None is the mean of all, which
        rollout always takes.
    direction : {"from", "to"}
        ``from``: what the patch attends to, a row of the matrix. ``to``: which
        patches attend to it, a column.

    Raises
    ------
    ValueError
        If a head of the rollout is asked for.
    """

    source: MapSource = "rollout"
    head: int | None = None
    direction: MapDirection = "from"

    def __post_init__(self) -> None:
        if self.head is not None and self.source == "rollout":
            raise ValueError("rollout is over the mean of all heads: it has no heads")


ROLLOUT = MapChoice()
"""What each patch has gathered from which patches."""


@dataclass(frozen=True, eq=False)
class FrameAttention:
    """Attention of one frame.

    Parameters
    ----------
    attention : array of shape (blocks, heads, P, P)
        Softmax attention; a row is the patch that looks.
    rollout : array of shape (blocks, P, P)
        ``rollout[b, p]`` is the map of patch ``p`` after block ``b``.
    grid : PatchGrid
        The patches.
    displacement : array of shape (H, W, 2)
        The frame, in the stack's unit.
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
        """Attention heads of every block."""
        return int(self.attention.shape[1])

    def map(
        self, block: int, row: int, column: int, *, choice: MapChoice = ROLLOUT
    ) -> FloatArray:
        """Map of a patch, ``(rows, columns)``.

        Parameters
        ----------
        block, row, column : int
            Block and patch, counted from zero.
        choice : MapChoice, keyword-only
            Which map.

        Returns
        -------
        array of shape (rows, columns)
            What a patch attends to has the sum 1; which patches attend to it
            has none in particular.

        Raises
        ------
        IndexError
            If there is no such block, head or patch.
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
        looks = choice.direction == "from"
        lines = matrices[:, patch] if looks else matrices[..., patch]
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
        """The map drawn over the field, ``(H, W)``; see `overlay.overlay`."""
        weights = self.map(block, row, column, choice=choice)
        return overlay(weights, self.displacement, grid=self.grid, kind=kind)


@dataclass(frozen=True, eq=False)
class PreparedFrame:
    """One frame as a method takes it.

    Parameters
    ----------
    method : ReconstructionMethod
        The method, on its device.
    displacement : tensor of shape (1, 2, h, w)
        In the reference form, on the method's grid and device.
    grid : PatchGrid
        The patches.
    """

    method: ReconstructionMethod
    displacement: Tensor
    grid: PatchGrid


def patch_grid(stack: DisplacementStack, method: ReconstructionMethod) -> PatchGrid:
    """The patches that a method's field is looked at by."""
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
    """Bring one frame to the form in which a method sees it.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements.
    frame : int
        Which frame, counted from zero.
    substrate, config, method, on_notice
        As for `reconstruction.reconstruct`.

    Raises
    ------
    FieldError
        If the field cannot be used, or there is no such frame.
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
        for notice in notices(stack, method, frames):
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
    """Attention and its rollout, of one frame.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements.
    frame : int
        Which frame, counted from zero.
    substrate, config, method, on_notice
        As for `reconstruction.reconstruct`.

    Returns
    -------
    FrameAttention

    Raises
    ------
    FieldError
        If the field cannot be used, there is no such frame, or the method has
        no attention.
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
