"""Which map of which patch is looked at.

No Qt, no layer, no viewer.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.attention.frame import FrameAttention, MapChoice
from napari_vit_tfm.attention.overlay import OverlayKind, OverlayScale, Picture
from napari_vit_tfm.attention.patch import (
    EVIDENCE,
    EVIDENCE_WORDS,
    Evidence,
    PatchFindings,
)
from napari_vit_tfm.attention.patches import Patch, PatchGrid

LAST_BLOCK = sys.maxsize


@dataclass(frozen=True)
class View:
    """What is looked at.

    Parameters
    ----------
    patch : tuple of int, optional
        Row and column of the chosen patch.
    block : int
        The block, counted from zero; the last where there are fewer.
    evidence : {"influence", "reference"}, optional
        What is looked at instead of a block's map.
    maps : MapChoice
        Which of the block's maps.
    kind : {"weights", "displacement"}
        How the map is drawn.
    scale : {"share", "peak"}
        Where its colours end, as for `overlay.picture`.
    """

    patch: Patch | None = None
    block: int = LAST_BLOCK
    evidence: Evidence | None = None
    maps: MapChoice = field(default_factory=MapChoice)
    kind: OverlayKind = "weights"
    scale: OverlayScale = "share"

    def on(self, frame: Frame) -> View:
        """The nearest view that a frame has."""
        patch, evidence, maps = self.patch, self.evidence, self.maps
        if patch is not None and not frame.grid.has(*patch):
            patch = None
        if frame.attention is None:
            evidence = evidence or "influence"
        elif maps.head is not None and maps.head >= frame.n_heads:
            maps = replace(maps, head=None)
        block = min(self.block, max(frame.n_blocks - 1, 0))
        return replace(self, patch=patch, block=block, evidence=evidence, maps=maps)

    def moved(self, rows: int, columns: int, grid: PatchGrid) -> View:
        """With a patch further down and right, or the middle one if none is chosen."""
        if self.patch is None:
            patch = grid.rows // 2, grid.columns // 2
        else:
            patch = (
                min(max(self.patch[0] + rows, 0), grid.rows - 1),
                min(max(self.patch[1] + columns, 0), grid.columns - 1),
            )
        return replace(self, patch=patch)


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame whose patches can be looked at.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    model, model_sha256 : str
        Name of the model, SHA-256 of its weights.
    attention : FrameAttention, optional
        None for a model that has none.
    """

    grid: PatchGrid
    model: str
    model_sha256: str
    attention: FrameAttention | None

    @property
    def n_blocks(self) -> int:
        """Number of blocks; 0 for a model without attention."""
        return self.attention.n_blocks if self.attention else 0

    @property
    def n_heads(self) -> int:
        """Attention heads of a block; 0 for a model without attention."""
        return self.attention.n_heads if self.attention else 0


@dataclass(frozen=True, eq=False)
class Tile:
    """One of the maps that can be looked at.

    Parameters
    ----------
    name : str
        What it is.
    findings : PatchFindings
        Shows it.
    is_current : bool
        Whether it is what is looked at.
    """

    name: str
    findings: PatchFindings
    is_current: bool


def tiles(findings: PatchFindings) -> list[Tile]:
    """Every map of a patch: that of each block, and the evidence.

    Parameters
    ----------
    findings : PatchFindings
        What is known about the patch, and what of it is looked at.
    """
    all_maps = [
        (f"block {block + 1}", replace(findings, block=block, evidence=None))
        for block in findings.blocks
    ]
    all_maps += [(EVIDENCE_WORDS[e], replace(findings, evidence=e)) for e in EVIDENCE]
    looked_at = findings.block, findings.evidence
    return [
        Tile(name, one, (one.block, one.evidence) == looked_at)
        for name, one in all_maps
    ]


def coloured(
    drawn: Picture, colours: npt.NDArray[np.floating]
) -> npt.NDArray[np.uint8]:
    """A picture in colours, ``(H, W, 3)``, for a small image of it.

    Parameters
    ----------
    drawn : Picture
        The picture.
    colours : array of shape (n, 3) or more columns
        From the lowest value to the highest, each from 0 to 1.
    """
    low, high = drawn.limits
    levels = np.clip((drawn.data - low) / (high - low), 0, 1)
    table = np.round(colours[:, :3] * 255).astype(np.uint8)
    picked: npt.NDArray[np.uint8] = table[
        np.round(levels * (len(table) - 1)).astype(np.intp)
    ]
    return picked
