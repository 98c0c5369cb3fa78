"""All results for one patch: its maps, and the measures they are compared with."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.attention.callbacks import NO_CALLBACKS, Callbacks
from napari_vit_tfm.attention.faithfulness import Faithfulness, faithfulness
from napari_vit_tfm.attention.frame import (
    ROLLOUT,
    FrameAttention,
    MapChoice,
    PreparedFrame,
)
from napari_vit_tfm.attention.influence import (
    influence_map,
    physical_reference,
    rank_correlation,
)
from napari_vit_tfm.attention.knockout import (
    KnockoutEffects,
    knockout_effects,
    knockout_map,
)
from napari_vit_tfm.attention.overlay import (
    OverlayKind,
    OverlayScale,
    Picture,
    picture,
    shares_shown_for,
)
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.config import InspectionConfig
from napari_vit_tfm.options import Choice

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

CHOSEN = "map"
"""Key of the block's chosen map in `Faithfulness.changes`."""

Map = npt.NDArray[np.floating]

Evidence = Literal["influence", "reference", "knockout"]
"""Maps that an attention map is compared with."""

EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
EVIDENCE_WORDS: dict[Evidence, str] = {
    "influence": "influence",
    "reference": "physical reference",
    "knockout": "knock-out",
}

LAST_BLOCK = sys.maxsize
"""Stands for the last block, whatever their number."""


def evidence_of(method: ReconstructionMethod) -> tuple[Evidence, ...]:
    """The evidence that can be computed for a method."""
    if method.has_attention:
        return EVIDENCE
    return tuple(name for name in EVIDENCE if name != "knockout")


@dataclass(frozen=True)
class MapView:
    """Which map of a patch is shown, and how it is drawn.

    Parameters
    ----------
    block : int
        Block index, counted from zero.
    choice : MapChoice
        The chosen map of the block.
    evidence : {"influence", "reference", "knockout"}, optional
        Shown instead of an attention map.
    kind : {"weights", "displacement"}
        Kind of overlay, as for `overlay.overlay`.
    scale : {"share", "peak"}
        Colour scale, as for `overlay.picture`.
    """

    block: int = LAST_BLOCK
    choice: MapChoice = ROLLOUT
    evidence: Evidence | None = None
    kind: Annotated[
        OverlayKind,
        Choice(
            label="Overlay",
            help="Weights: the map itself. Displacement \N{MULTIPLICATION SIGN} "
            "weights: bright only where the map is high and the gel is displaced",
            words={
                "weights": "weights",
                "displacement": "displacement \N{MULTIPLICATION SIGN} weights",
            },
        ),
    ] = "weights"
    scale: Annotated[
        OverlayScale,
        Choice(
            label="Colours",
            help="Uniform attention is the weight of every patch if all patches have "
            "the same weight. Relative to it, maps can be compared with each other; "
            "relative to their own maxima, they cannot",
            words={
                "share": "relative to uniform attention",
                "peak": "relative to the map's maximum",
            },
        ),
    ] = "share"

    def on(self, frame: PreparedFrame) -> MapView:
        """The view restricted to the blocks, heads and maps that a frame has."""
        method, evidence, choice = frame.method, self.evidence, self.choice
        if not method.has_attention:
            evidence = evidence if evidence in evidence_of(method) else "influence"
        elif choice.head is not None and choice.head >= method.n_heads:
            choice = replace(choice, head=None)
        block = min(self.block, max(method.n_blocks - 1, 0))
        return replace(self, block=block, evidence=evidence, choice=choice)


DEFAULT_VIEW = MapView()
"""The rollout up to the last block, as weights."""


@dataclass(frozen=True, eq=False)
class PatchFindings:
    """All results for one patch of one frame.

    Parameters
    ----------
    frame : PreparedFrame
        The frame.
    patch : tuple of int
        Row and column of the patch.
    view : MapView
        The map shown; it must be one that the frame has (`MapView.on`).
    influence, reference : arrays of shape (rows, columns), optional
        See `influence.influence_map` and `influence.physical_reference`.
    knockout : array of shape (rows, columns), optional
        See `knockout.knockout_map`; the attention is replaced in all blocks.
    effects : KnockoutEffects, optional
        See `knockout.knockout_effects`.
    faithfulness : Faithfulness, optional
        Has a curve for `CHOSEN`: the chosen map of the block, or the influence if
        the method has no attention. May also have curves for the `evidence`.
    """

    frame: PreparedFrame
    patch: Patch
    view: MapView
    influence: Map | None = None
    reference: Map | None = None
    knockout: Map | None = None
    effects: KnockoutEffects | None = None
    faithfulness: Faithfulness | None = None

    @property
    def attention(self) -> FrameAttention | None:
        """Attention of the frame; None for a method without attention."""
        return self.frame.attention() if self.frame.method.has_attention else None

    @property
    def blocks(self) -> range:
        """Block indices; empty for a method without attention."""
        return range(self.frame.method.n_blocks)

    @property
    def evidence(self) -> dict[Evidence, Map]:
        """The evidence that has been computed, by name."""
        found = {name: getattr(self, name) for name in EVIDENCE}
        return {name: map_ for name, map_ in found.items() if map_ is not None}

    def map(self, block: int) -> Map:
        """The chosen map of a block, ``(rows, columns)``."""
        return self.frame.attention().map(block, *self.patch, choice=self.view.choice)

    def showing(self, **changes: Any) -> PatchFindings:
        """These results with another map shown.

        Parameters
        ----------
        **changes
            New values of attributes of `MapView`.
        """
        return replace(self, view=replace(self.view, **changes))

    @cached_property
    def shown(self) -> Map | None:
        """The map shown, ``(rows, columns)``; None until it has been computed.

        The evidence is divided by its sum, so that it sums to one like an attention
        map.
        """
        if self.view.evidence is None:
            return self.map(self.view.block)
        found = self.evidence.get(self.view.evidence)
        return None if found is None else _normalised(found)

    @cached_property
    def shares_shown(self) -> float:
        """Upper end of the colour scale, relative to uniform attention.

        It holds the other patches in the maps of all blocks, and in the evidence that
        has been computed. The patch itself is left out: its own weight in the first
        blocks is so large that nothing else could be told apart.
        """
        grid, attention = self.frame.grid, self.attention
        others = np.ones((grid.rows, grid.columns), dtype=bool)
        others[self.patch] = False
        largest = [0.0]
        if attention is not None:
            choice = self.view.choice
            largest.append(attention.largest_of_others(*self.patch, choice=choice))
        for map_ in self.evidence.values():
            largest.append(float(_normalised(map_)[others].max(initial=0)))
        return shares_shown_for(max(largest) * others.size)

    def picture(self) -> Picture | None:
        """The overlay of the map shown; None if the map has not been computed."""
        if self.shown is None:
            return None
        return picture(
            self.shown,
            self.frame.displacement,
            grid=self.frame.grid,
            kind=self.view.kind,
            scale=self.view.scale,
            unit=self.frame.field.unit,
            longest=self.frame.longest,
            shares_shown=self.shares_shown,
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
    frame: PreparedFrame,
    patch: Patch,
    *,
    view: MapView = DEFAULT_VIEW,
    with_influence: bool = False,
    with_knockout: bool = False,
    with_faithfulness: bool = False,
    inspection: InspectionConfig | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> PatchFindings:
    """Compute the attention of a patch and, optionally, tests of its map.

    Parameters
    ----------
    frame : PreparedFrame
        The frame, from `frame.prepare_frame`.
    patch : tuple of int
        Row and column of the patch.
    view : MapView, keyword-only
        The map shown. A method without attention shows the influence.
    with_influence, with_knockout, with_faithfulness : bool, keyword-only
        Whether to compute influence and physical reference, the map and the effects of
        knock-out, and faithfulness. A method without attention needs the influence for
        its faithfulness, and it is then computed in any case.
    inspection : InspectionConfig, keyword-only, optional
        Settings of influence and faithfulness.
    callbacks : Callbacks, keyword-only
        Called while influence, knock-out and faithfulness are computed.

    Returns
    -------
    PatchFindings

    Raises
    ------
    FieldError
        If influence, knock-out or faithfulness cannot be computed for this field.
    ModelError
        If a method without attention is asked for a knock-out.
    IndexError
        If the patch, block or head does not exist.
    Cancelled
        If `callbacks.is_cancelled` returned True.

    Examples
    --------
    The influence of FTTC, for the patch in row 1 and column 2 of a simulated field:

    >>> from napari_vit_tfm import ReconstructionConfig
    >>> from napari_vit_tfm.attention.frame import prepare_frame
    >>> from napari_vit_tfm.attention.patch import inspect_patch
    >>> from napari_vit_tfm.fields import DisplacementStack
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> fields = synthesise(1, seed=0, shape=(24, 32))
    >>> stack = DisplacementStack(fields.displacement, unit="field")
    >>> config = ReconstructionConfig(model="fttc", device="cpu")
    >>> frame = prepare_frame(stack, 0, config=config)
    >>> found = inspect_patch(frame, (1, 2), with_influence=True)
    >>> found.influence.shape, int(found.influence.argmax())
    ((3, 4), 6)
    """
    frame.grid.index(*patch)
    has_attention = frame.method.has_attention
    if view.block == LAST_BLOCK or not has_attention:
        view = view.on(frame)
    findings = PatchFindings(frame, patch, view)
    if has_attention:
        # Also checks that block and head exist.
        findings.map(view.block)
    if with_influence or (with_faithfulness and not has_attention):
        findings = replace(
            findings,
            influence=influence_map(
                frame, patch, inspection=inspection, callbacks=callbacks
            ),
            reference=physical_reference(frame.grid, patch),
        )
    if with_knockout:
        findings = replace(
            findings,
            effects=knockout_effects(frame, patch, callbacks=callbacks),
            knockout=knockout_map(frame, patch, callbacks=callbacks),
        )
    if with_faithfulness:
        curves = faithfulness(
            *(frame, patch, maps_to_test(findings)),
            inspection=inspection,
            callbacks=callbacks,
        )
        findings = replace(findings, faithfulness=curves)
    return findings


def maps_to_test(findings: PatchFindings) -> dict[str, Map]:
    """Maps for `faithfulness`: the chosen map (or influence), and computed evidence."""
    evidence: dict[str, Map] = dict(findings.evidence.items())
    if not findings.frame.method.has_attention:
        return {CHOSEN: evidence.pop("influence"), **evidence}
    return {CHOSEN: findings.map(findings.view.block), **evidence}
