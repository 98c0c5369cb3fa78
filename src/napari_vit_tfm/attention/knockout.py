"""Knock-out: what the attention of a patch does to its traction.

The attention of the chosen patch is replaced, and its traction is computed again. This
is an intervention in the network: it measures an effect, which the attention itself
does not show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.attention.callbacks import NO_CALLBACKS, Callbacks
from napari_vit_tfm.attention.changes import PatchTraction
from napari_vit_tfm.attention.frame import PreparedFrame
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.errors import FieldError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_vit_tfm.models.knockout import Knockout

FloatArray = npt.NDArray[np.float64]
Variant = TypeVar("Variant")


@dataclass(frozen=True, eq=False)
class KnockoutEffects:
    """Change of a patch's traction if its attention is replaced by the uniform one.

    A change is that of `changes.PatchTraction.relative_change`. The changes of the
    heads do not add up to that of their block.

    Parameters
    ----------
    blocks : array of shape (blocks,)
        Relative change for each block, with all its heads replaced.
    heads : array of shape (blocks, heads)
        Relative change for each head alone.
    traction_rms : float
        Root mean square of the undisturbed traction in the patch, ``t / E``. Multiplied
        by it and by Young's modulus in Pa, a relative change is in Pa.
    strength : float
        Strength of the patch's traction, see `changes.PatchTraction`.
    """

    blocks: FloatArray
    heads: FloatArray
    traction_rms: float
    strength: float

    @property
    def strongest_block(self) -> int:
        """Index of the block with the largest change."""
        return int(self.blocks.argmax())

    @property
    def strongest_head(self) -> tuple[int, int]:
        """Indices of block and head of the head with the largest change."""
        block, head = np.unravel_index(self.heads.argmax(), self.heads.shape)
        return int(block), int(head)


def knockout_effects(
    frame: PreparedFrame, patch: Patch, *, callbacks: Callbacks = NO_CALLBACKS
) -> KnockoutEffects:
    """Replace the attention of a patch by the uniform one, block by block.

    In one head of one block, or in all heads of one block, the patch attends to all
    patches equally. All other patches attend as usual.

    Parameters
    ----------
    frame : PreparedFrame
        The frame. The effects are those of a network without averaging over mirror
        images, to which its attention belongs.
    patch : tuple of int
        Row and column of the patch.
    callbacks : Callbacks, keyword-only
        Called before and after every block; the parts are blocks.

    Returns
    -------
    KnockoutEffects

    Raises
    ------
    FieldError
        If there is no traction in the patch.
    ModelError
        If the method has no attention.
    IndexError
        If the patch does not exist.
    Cancelled
        If `callbacks.is_cancelled` returned True.

    Examples
    --------
    The effects of the bundled network's 6 blocks of 8 heads on a simulated field:

    >>> from napari_vit_tfm import ReconstructionConfig
    >>> from napari_vit_tfm.attention.frame import prepare_frame
    >>> from napari_vit_tfm.attention.knockout import knockout_effects, knockout_map
    >>> from napari_vit_tfm.fields import DisplacementStack
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> fields = synthesise(1, seed=0, shape=(24, 32))
    >>> stack = DisplacementStack(fields.displacement, unit="field")
    >>> frame = prepare_frame(stack, 0, config=ReconstructionConfig(device="cpu"))
    >>> effects = knockout_effects(frame, (1, 2))
    >>> effects.blocks.shape, effects.heads.shape
    ((6,), (6, 8))
    >>> knockout_map(frame, (1, 2)).shape
    (3, 4)
    """
    knockout, undisturbed = _prepared(frame, patch)
    n_blocks, n_heads = frame.method.n_blocks, frame.method.n_heads
    # One head each, and all heads.
    variants = [*range(n_heads), None]
    changes = []
    for block in range(n_blocks):
        callbacks.check()
        uniform = partial(knockout.with_uniform, block)
        batches = _changes(frame, undisturbed, uniform, variants)
        changes.append([change for batch in batches for change in batch])
        callbacks.progress("knocking out heads", block + 1, n_blocks)
    table = np.array(changes)
    return KnockoutEffects(
        blocks=table[:, -1],
        heads=table[:, :-1],
        traction_rms=undisturbed.rms,
        strength=undisturbed.strength,
    )


def knockout_map(
    frame: PreparedFrame,
    patch: Patch,
    *,
    block: int | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> FloatArray:
    """Change of a patch's traction if it does not attend to each of the patches.

    For one patch after the other, the weight with which the chosen patch attends to it
    is set to zero in all heads, and the other weights are divided by their sum. All
    other patches attend as usual. What they have gathered from the left-out patch can
    still reach the chosen one through them.

    Parameters
    ----------
    frame, patch
        As for `knockout_effects`.
    block : int, keyword-only, optional
        The only block in which the patch is not attended to, counted from zero; None is
        all blocks.
    callbacks : Callbacks, keyword-only
        Called before and after every batch of `ReconstructionConfig.batch_size`; the
        parts are patches.

    Returns
    -------
    array of shape (rows, columns)
        Relative changes, see `changes.PatchTraction.relative_change`. The value of the
        chosen patch is the change if it does not attend to itself; its own token is
        still added to the result.

    Raises
    ------
    FieldError
        If there is no traction in the patch, or the field has no other patch.
    ModelError
        If the method has no attention.
    IndexError
        If the patch or the block does not exist.
    Cancelled
        If `callbacks.is_cancelled` returned True.
    """
    n_blocks = frame.method.n_blocks
    if block is not None and not 0 <= block < max(n_blocks, 1):
        raise IndexError(f"no block {block} (counted from 0): there are {n_blocks}")
    knockout, undisturbed = _prepared(frame, patch)
    blocks = range(n_blocks) if block is None else [block]
    sources = list(range(frame.grid.rows * frame.grid.columns))
    if len(sources) == 1:
        raise FieldError("the field has only one patch: it attends to no other")
    without = partial(knockout.without, blocks=blocks)
    changes: list[float] = []
    callbacks.check()
    for batch in _changes(frame, undisturbed, without, sources):
        changes.extend(batch)
        callbacks.progress("knocking out patches", len(changes), len(sources))
        callbacks.check()
    return np.reshape(changes, (frame.grid.rows, frame.grid.columns))


def _prepared(frame: PreparedFrame, patch: Patch) -> tuple[Knockout, PatchTraction]:
    """The network with its tokens, and the undisturbed traction of a patch."""
    import torch

    from napari_vit_tfm.models.knockout import Knockout
    from napari_vit_tfm.models.precision import full_float32

    index = frame.grid.index(*patch)
    with torch.inference_mode(), full_float32():
        knockout = Knockout(frame.method.tokenised(frame.inputs), index)
        traction = knockout.undisturbed()[0].double().cpu().numpy()
    return knockout, PatchTraction.of(traction, frame.grid, patch)


def _changes(
    frame: PreparedFrame,
    undisturbed: PatchTraction,
    traction: Callable[[list[Variant]], Tensor],
    variants: list[Variant],
) -> Iterator[list[float]]:
    """Relative changes of the traction for all variants, batch by batch."""
    import torch

    from napari_vit_tfm.models.precision import full_float32

    for start in range(0, len(variants), frame.config.batch_size):
        batch = variants[start : start + frame.config.batch_size]
        with torch.inference_mode(), full_float32():
            found = traction(batch).double().cpu().numpy()
        yield [undisturbed.relative_change(one) for one in found]
