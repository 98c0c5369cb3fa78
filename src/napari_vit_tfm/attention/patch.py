"""All results for one patch: its maps, and the measures they are compared with."""

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
"""Key of the block's chosen map in `Faithfulness.changes`."""

Map = npt.NDArray[np.floating]

Evidence = Literal["influence", "reference"]
"""Maps that an attention map is compared with."""

EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
EVIDENCE_WORDS: dict[Evidence, str] = {
    "influence": "influence",
    "reference": "physical reference",
}


@dataclass(frozen=True, eq=False)
class PatchFindings:
    """All results for one patch of one frame.

    Parameters
    ----------
    stack : DisplacementStack
        The displacements.
    frame : int
        Frame index, counted from zero.
    patch : tuple of int
        Row and column of the patch.
    grid : PatchGrid
        The patches.
    model, model_sha256 : str
        Name of the method, and SHA-256 of its weights.
    substrate : Substrate
        The gel.
    attention : FrameAttention, optional
        None for a method without attention.
    block : int
        The block shown, counted from zero.
    choice : MapChoice
        The chosen map of a block.
    evidence : {"influence", "reference"}, optional
        Shown instead of an attention map.
    kind : {"weights", "displacement"}
        Kind of overlay, as for `overlay.overlay`.
    scale : {"share", "peak"}
        Colour scale, as for `overlay.picture`.
    influence, reference : arrays of shape (rows, columns), optional
        See `influence.influence_map` and `influence.physical_reference`.
    faithfulness : Faithfulness, optional
        Has a curve for `CHOSEN`: the chosen map of the block, or the influence if
        the method has no attention. May also have curves for "influence" and
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
        """Displacements of the frame, ``(H, W, 2)``, in the stack's unit."""
        frame: npt.NDArray[np.float32] = self.stack.data[self.frame]
        return frame

    @property
    def blocks(self) -> range:
        """Block indices; empty for a method without attention."""
        return range(self.attention.n_blocks if self.attention else 0)

    def map(self, block: int) -> Map:
        """The chosen map of a block, ``(rows, columns)``."""
        assert self.attention is not None
        return self.attention.map(block, *self.patch, choice=self.choice)

    @property
    def shown(self) -> Map | None:
        """The map shown, ``(rows, columns)``; None until it has been computed.

        Influence and physical reference are divided by their sum, so that they sum
        to one like an attention map.
        """
        if self.evidence is None:
            return None if self.attention is None else self.map(self.block)
        found: Map | None = getattr(self, self.evidence)
        return None if found is None else _normalised(found)

    def picture(self, *, longest: float | None = None) -> Picture | None:
        """The overlay of the map shown.

        Parameters
        ----------
        longest : float, keyword-only, optional
            Longest displacement of all frames, in the stack's unit; computed if
            None.

        Returns
        -------
        Picture, or None if the map has not been computed
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
        """Rank correlation of the chosen map of each block with another map."""
        return [
            rank_correlation(self.map(block), other, patch=self.patch)
            for block in self.blocks
        ]


def _normalised(map_: Map) -> Map:
    total = map_.sum()
    normalised: Map = map_ / total if total > 0 else map_
    return normalised


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
    """Compute the attention of a patch and, optionally, tests of its map.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements.
    frame : int
        Frame index, counted from zero.
    patch : tuple of int
        Row and column of the patch.
    block : int, keyword-only, optional
        The block shown, counted from zero; None is the last.
    choice, kind : keyword-only
        The chosen map of the block, and the kind of overlay.
    with_influence, with_faithfulness : bool, keyword-only
        Whether to compute influence and physical reference, and faithfulness. A
        method without attention needs the influence for its faithfulness, and it
        is then computed in any case.
    substrate, config, method, on_notice
        As for `reconstruction.reconstruct`.
    inspection : InspectionConfig, keyword-only, optional
        Settings of influence and faithfulness.
    on_progress : callable, keyword-only, optional
        Called with the name of a step, the number done and their total.
    is_cancelled : callable, keyword-only, optional
        Called before every step; True cancels.

    Returns
    -------
    PatchFindings

    Raises
    ------
    FieldError
        If the field cannot be used, or the frame does not exist.
    IndexError
        If the patch, block or head does not exist.
    Cancelled
        If `is_cancelled` returned True.
    """
    config = config or ReconstructionConfig()
    method = method or load_method(config)
    grid = patch_grid(stack, method)
    grid.index(*patch)
    findings = PatchFindings(
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
        findings = replace(
            findings, attention=attention, block=last if block is None else block
        )
        findings.map(findings.block)

    def steps(step: str) -> Callable[[int, int], None] | None:
        return None if on_progress is None else partial(on_progress, step)

    if with_influence or (with_faithfulness and not method.has_attention):
        influence = influence_map(
            stack,
            frame,
            patch,
            substrate=substrate,
            config=config,
            method=method,
            inspection=inspection,
            on_progress=steps("computing the influence"),
            is_cancelled=is_cancelled,
            on_notice=None if method.has_attention else on_notice,
        )
        reference = physical_reference(grid, patch)
        findings = replace(findings, influence=influence, reference=reference)
        if not method.has_attention:
            findings = replace(findings, evidence="influence")
    if with_faithfulness:
        curves = faithfulness(
            stack,
            frame,
            patch,
            maps_to_test(findings),
            substrate=substrate,
            config=config,
            method=method,
            inspection=inspection,
            on_progress=steps("hiding patches"),
            is_cancelled=is_cancelled,
        )
        findings = replace(findings, faithfulness=curves)
    return findings


def maps_to_test(findings: PatchFindings) -> dict[str, Map]:
    """Maps for `faithfulness`: the chosen map (or influence), and computed evidence."""
    evidence: dict[str, Map] = {
        name: map_ for name in EVIDENCE if (map_ := getattr(findings, name)) is not None
    }
    if findings.attention is None:
        return {CHOSEN: evidence.pop("influence"), **evidence}
    return {CHOSEN: findings.map(findings.block), **evidence}
