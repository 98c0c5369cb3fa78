"""One frame, prepared for a method, and its attention.

torch is imported only when something is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import numpy as np

from napari_vit_tfm.attention.overlay import OverlayKind, overlay
from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.config import (
    MOST_FILLED_HOLES,
    MapDirection,
    MapSource,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.displacement.preparation import PreparedFrames, bridged
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import Displacement, DisplacementStack, FloatArray
from napari_vit_tfm.notices import FrameNotices, grid_notices, is_resampled
from napari_vit_tfm.options import Choice
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

    source: Annotated[
        MapSource,
        Choice(
            label="Map",
            help="Attention rollout: how much information the patch has gathered from "
            "each patch, through all blocks up to this one. Attention of the block "
            "alone: what the patch attends to in this block",
            words={
                "rollout": "attention rollout up to the block",
                "attention": "attention of the block alone",
            },
        ),
    ] = "rollout"
    head: int | None = None
    direction: Annotated[
        MapDirection,
        Choice(
            label="Direction",
            help="What the patch attends to, or which patches attend to it",
            words={
                "from": "what the patch attends to",
                "to": "which patches attend to it",
            },
        ),
    ] = "from"

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
        weights = self._weights(block, patch, choice)
        return weights.reshape(self.grid.rows, self.grid.columns)

    def _weights(self, block: int, patch: int, choice: MapChoice) -> FloatArray:
        if choice.source == "rollout":
            matrices = self.rollout[block][np.newaxis]
        elif choice.head is None:
            matrices = self.attention[block]
        else:
            matrices = self.attention[block, choice.head][np.newaxis]
        is_row = choice.direction == "from"
        lines = matrices[:, patch] if is_row else matrices[..., patch]
        weights: FloatArray = lines.mean(axis=0)
        return weights

    def largest_of_others(
        self, row: int, column: int, *, choice: MapChoice = ROLLOUT
    ) -> float:
        """Largest weight of another patch in the maps of a patch after all blocks.

        Parameters
        ----------
        row, column, choice
            As for `map`.
        """
        patch = self.grid.index(row, column)
        maps = (self._weights(block, patch, choice) for block in range(self.n_blocks))
        return max(float(np.delete(one, patch).max(initial=0)) for one in maps)

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
    """One frame of a stack, converted to the input of a method.

    `prepare_frame` makes it. Everything about the frame's patches is computed from
    it: its attention, and the functions of `influence` and `faithfulness`.

    Parameters
    ----------
    field : DisplacementStack
        The prepared displacements of the frame, a stack of one frame.
    index : int
        Frame index, counted from zero.
    longest : float
        Longest measured displacement of all frames, in the unit of `field`.
    preparation : PreparationConfig
        What was done to the displacements.
    substrate : Substrate
        The gel.
    config : ReconstructionConfig
        Device and batch size.
    method : ReconstructionMethod
        The method, on its device.
    inputs : tensor of shape (1, 2, h, w)
        Displacements in the reference form, on the method's grid and device.
    grid : PatchGrid
        The patches.
    """

    field: DisplacementStack
    index: int
    longest: float
    preparation: PreparationConfig
    substrate: Substrate
    config: ReconstructionConfig
    method: ReconstructionMethod
    inputs: Tensor
    grid: PatchGrid

    @property
    def model(self) -> str:
        """Name of the method."""
        return self.method.name

    @property
    def displacement(self) -> FloatArray:
        """Displacements of the frame, ``(H, W, 2)``, in the unit of `field`."""
        frame: FloatArray = self.field.data[0]
        return frame

    def attention(self) -> FrameAttention:
        """Attention and attention rollout of the frame, computed once.

        Raises
        ------
        FieldError
            If the method has no attention.
        """
        return self._attention

    @cached_property
    def _attention(self) -> FrameAttention:
        import torch

        from napari_vit_tfm.models import rollout
        from napari_vit_tfm.models.precision import full_float32

        with torch.inference_mode(), full_float32():
            attention = self.method.attention(self.inputs)
            gathered = rollout(attention)
        return FrameAttention(
            torch.stack(attention).float().cpu().numpy(),
            gathered.float().cpu().numpy(),
            self.grid,
            self.displacement,
        )


def prepare_frame(
    stack: DisplacementStack,
    frame: int,
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    preparation: PreparationConfig | None = None,
    on_notice: Notify | None = None,
) -> PreparedFrame:
    """Convert one frame to the input of a method.

    Parameters
    ----------
    stack : DisplacementStack
        Measured displacements.
    frame : int
        Frame index, counted from zero.
    substrate, config, method, preparation, on_notice
        As for `reconstruction.reconstruct`.

    Returns
    -------
    PreparedFrame

    Raises
    ------
    FieldError
        If the field cannot be used, or is so large that the method processes it in
        windows, or the frame does not exist.

    Examples
    --------
    The attention of the bundled network on a simulated field of 3 x 4 patches:

    >>> from napari_vit_tfm import ReconstructionConfig
    >>> from napari_vit_tfm.attention.frame import prepare_frame
    >>> from napari_vit_tfm.fields import DisplacementStack
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> fields = synthesise(1, seed=0, shape=(24, 32))
    >>> stack = DisplacementStack(fields.displacement, unit="field")
    >>> frame = prepare_frame(stack, 0, config=ReconstructionConfig(device="cpu"))
    >>> rollout = frame.attention().map(0, 1, 2)
    >>> rollout.shape, round(float(rollout.sum()), 4)
    ((3, 4), 1.0)
    """
    config = config or ReconstructionConfig()
    method = method or load_method(config)
    substrate = substrate or Substrate()
    preparation = preparation or PreparationConfig()
    notices = FrameNotices(method, stack, preparation)
    # The checks take time, and are not needed if nobody reads about them.
    on_checks = None if on_notice is None else notices.add
    frames = PreparedFrames(stack, preparation, on_checks)
    prepared = frames.stream()
    check_grid(prepared, method)
    _check_whole(prepared, method)
    if not 0 <= frame < stack.n_frames:
        raise FieldError(f"no frame {frame}: the stack has {stack.n_frames} frames")
    field = prepared.part(frame, frame + 1)
    whole, holes = bridged(field)
    if holes.mean() > MOST_FILLED_HOLES:
        raise FieldError(
            f"frame {frame} cannot be used: {holes.mean():.0%} of its vectors are "
            "missing"
        )
    if on_notice is not None:
        for notice in (*grid_notices(prepared, method), *notices.new()):
            on_notice(notice)
    device = resolve_device(config.device)
    method.to(device)
    inputs = reference_displacement(whole, slice(None), substrate, method).to(device)
    grid = PatchGrid(
        prepared.grid_shape,
        model_shape=method.grid if is_resampled(prepared, method) else None,
        patch_size=method.patch_size,
    )
    return PreparedFrame(
        field=field,
        index=frame,
        longest=stack.longest() * frames.bin_factor,
        preparation=preparation,
        substrate=substrate,
        config=config,
        method=method,
        inputs=inputs,
        grid=grid,
    )


def _check_whole(displacement: Displacement, method: ReconstructionMethod) -> None:
    """Raise a FieldError if a field is processed in windows.

    Each window has its own attention, and no attention connects the windows.
    """
    if method.needs_windows(displacement.grid_shape):
        rows, columns = displacement.grid_shape
        side = method.max_whole_side
        raise FieldError(
            f"{method.name} reconstructs the field of {rows} x {columns} vectors in "
            f"windows, so there is no attention of the whole field; use a part of at "
            f"most {side} x {side} vectors"
        )
