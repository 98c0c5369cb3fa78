"""What is known about a patch: its maps, and what they are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.attention.faithfulness import Faithfulness, faithfulness
from napari_vit_tfm.attention.frame import (
    ROLLOUT,
    FrameAttention,
    MapChoice,
    frame_attention,
    patch_grid,
)
from napari_vit_tfm.attention.influence import (
    influence_map,
    physical_reference,
    rank_correlation,
)
from napari_vit_tfm.attention.overlay import OverlayKind, OverlayScale, Picture, picture
from napari_vit_tfm.attention.patches import Patch, PatchGrid
from napari_vit_tfm.config import InspectionConfig, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import Notify, load_method

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

CHOSEN = "map"
"""Name of the block's chosen map among the maps of a faithfulness curve."""

Map = npt.NDArray[np.floating]

Evidence = Literal["influence", "reference"]
"""What an attention map can be held against."""

EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
EVIDENCE_WORDS: dict[Evidence, str] = {
    "influence": "influence",
    "reference": "physical reference",
}


@dataclass(frozen=True, eq=False)
class PatchFindings:
    """Everything that is known about a patch of a frame.

    Parameters
    ----------
    stack : DisplacementStack
        The displacements.
    frame : int
        The frame, counted from zero.
    patch : tuple of int
        Row and column of the patch.
    grid : PatchGrid
        The patches.
    model, model_sha256 : str
        Name of the method, SHA-256 of its weights.
    substrate : Substrate
        The gel.
    attention : FrameAttention, optional
        None for a method without attention.
    block : int
        The block that is shown, counted from zero.
    choice : MapChoice
        Which of its maps.
    evidence : {"influence", "reference"}, optional
        What is shown instead of a block's map.
    kind : {"weights", "displacement"}
        How it is drawn over the field.
    scale : {"share", "peak"}
        Where its colours end, as for `overlay.picture`.
    influence, reference : arrays of shape (rows, columns), optional
        See `influence.influence_map` and `influence.physical_reference`.
    faithfulness : Faithfulness, optional
        With a curve for `CHOSEN`, the chosen map of the block (the influence,
        where there is no attention), and perhaps for "influence" and
        "reference".
    """

    stack: DisplacementStack
    frame: int
    patch: Patch
    grid: PatchGrid
    model: str
    model_sha256: str
    substrate: Substrate = field(default_factory=Substrate)
    attention: FrameAttention | None = None
    block: int = 0
    choice: MapChoice = ROLLOUT
    evidence: Evidence | None = None
    kind: OverlayKind = "weights"
    scale: OverlayScale = "share"
    influence: Map | None = None
    reference: Map | None = None
    faithfulness: Faithfulness | None = None

    @property
    def displacement(self) -> npt.NDArray[np.float32]:
        """The frame, ``(H, W, 2)``, in the stack's unit."""
        frame: npt.NDArray[np.float32] = self.stack.data[self.frame]
        return frame

    @property
    def blocks(self) -> range:
        """Blocks, counted from zero; none for a method without attention."""
        return range(self.attention.n_blocks if self.attention else 0)

    def map(self, block: int) -> Map:
        """The chosen map in a block, ``(rows, columns)``."""
        assert self.attention is not None
        return self.attention.map(block, *self.patch, choice=self.choice)

    @property
    def shown(self) -> Map | None:
        """The map that is shown, in shares; None as long as it is not known.

        What a patch attends to has the sum 1, and so have influence and
        physical reference here.
        """
        if self.evidence is None:
            return None if self.attention is None else self.map(self.block)
        found: Map | None = getattr(self, self.evidence)
        return None if found is None else _as_shares(found)

    def picture(self, *, longest: float | None = None) -> Picture | None:
        """The map that is shown, drawn over the field; None where it is not known.

        Parameters
        ----------
        longest : float, keyword-only, optional
            Longest displacement of all frames, in the stack's unit; None looks
            for it.

        Returns
        -------
        Picture, or None where the map is not known
        """
        shown = self.shown
        if shown is None:
            return None
        if longest is None:
            longest = self.stack.longest()
        return picture(
            shown,
            self.displacement,
            grid=self.grid,
            kind=self.kind,
            scale=self.scale,
            unit=self.stack.unit,
            longest=longest,
        )

    def correlations(self, other: Map) -> list[float]:
        """Rank correlation of the chosen map with another, block by block."""
        return [
            rank_correlation(self.map(block), other, patch=self.patch)
            for block in self.blocks
        ]


def _as_shares(map_: Map) -> Map:
    total = map_.sum()
    shares: Map = map_ / total if total > 0 else map_
    return shares


def inspect_patch(
    stack: DisplacementStack,
    frame: int,
    patch: Patch,
    *,
    block: int | None = None,
    choice: MapChoice = ROLLOUT,
    kind: OverlayKind = "weights",
    with_influence: bool = False,
    with_faithfulness: bool = False,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    inspection: InspectionConfig | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    on_notice: Notify | None = None,
) -> PatchFindings:
    """Find out about a patch what can be found out.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements.
    frame : int
        Which frame, counted from zero.
    patch : tuple of int
        Row and column of the patch.
    block : int, keyword-only, optional
        The block that is shown, counted from zero; None is the last.
    choice, kind : keyword-only
        Which of its maps, and how it is drawn.
    with_influence, with_faithfulness : bool, keyword-only
        What is computed beside the attention, which a method may not have.
    substrate, config, method, on_notice
        As for `reconstruction.reconstruct`.
    inspection : InspectionConfig, keyword-only, optional
        How influence and faithfulness are measured.
    on_progress : callable, keyword-only, optional
        Called with what is being done, the steps done and those in all.
    is_cancelled : callable, keyword-only, optional
        Asked before every step.

    Returns
    -------
    PatchFindings

    Raises
    ------
    FieldError
        If the field cannot be used, or what is asked for does not exist.
    IndexError
        If there is no such patch, block or head.
    Cancelled
        If `is_cancelled` said so.
    """
    config = config or ReconstructionConfig()
    method = method or load_method(config)
    grid = patch_grid(stack, method)
    grid.index(*patch)
    known = PatchFindings(
        stack,
        frame,
        patch,
        grid,
        method.name,
        method.sha256,
        substrate=substrate or Substrate(),
        choice=choice,
        kind=kind,
    )
    if method.has_attention:
        attention = frame_attention(
            stack,
            frame,
            substrate=substrate,
            config=config,
            method=method,
            on_notice=on_notice,
        )
        last = attention.n_blocks - 1
        known = replace(
            known, attention=attention, block=last if block is None else block
        )
        known.map(known.block)

    def steps(what: str) -> Callable[[int, int], None] | None:
        return None if on_progress is None else partial(on_progress, what)

    if with_influence or (with_faithfulness and not method.has_attention):
        influence = influence_map(
            stack,
            frame,
            patch,
            substrate=substrate,
            config=config,
            method=method,
            inspection=inspection,
            on_progress=steps("following the traction back"),
            is_cancelled=is_cancelled,
            on_notice=None if method.has_attention else on_notice,
        )
        reference = physical_reference(grid, patch)
        known = replace(known, influence=influence, reference=reference)
        if not method.has_attention:
            known = replace(known, evidence="influence")
    if with_faithfulness:
        curves = faithfulness(
            stack,
            frame,
            patch,
            maps_to_test(known),
            substrate=substrate,
            config=config,
            method=method,
            inspection=inspection,
            on_progress=steps("hiding patches"),
            is_cancelled=is_cancelled,
        )
        known = replace(known, faithfulness=curves)
    return known


def maps_to_test(known: PatchFindings) -> dict[str, Map]:
    """The chosen map of the block, or the influence; beside it what else is known."""
    others: dict[str, Map] = {
        name: map_ for name in EVIDENCE if (map_ := getattr(known, name)) is not None
    }
    if known.attention is None:
        return {CHOSEN: others.pop("influence"), **others}
    return {CHOSEN: known.map(known.block), **others}
