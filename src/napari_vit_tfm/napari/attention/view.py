"""The view: which map of which patch is shown, and how.

It uses no Qt, no layer and no viewer.
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
    """Which map of which patch is shown, and how.

    Parameters
    ----------
    patch : tuple of int, optional
        Row and column of the chosen patch.
    block : int
        Block index, counted from zero; the last block if there are fewer.
    evidence : {"influence", "reference"}, optional
        Shown instead of an attention map.
    maps : MapChoice
        The chosen map of the block.
    kind : {"weights", "displacement"}
        Kind of overlay.
    scale : {"share", "peak"}
        Colour scale, as for `overlay.picture`.
    """

    patch: Patch | None = None
    block: int = LAST_BLOCK
    evidence: Evidence | None = None
    maps: MapChoice = field(default_factory=MapChoice)
    kind: OverlayKind = "weights"
    scale: OverlayScale = "share"

    def on(self, frame: Frame) -> View:
        """The view restricted to the patches, blocks and heads of a frame."""
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
        """The view of another patch, or of the middle patch if none is chosen."""
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
    """A computed frame.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    model, model_sha256 : str
        Name of the model, and SHA-256 of its weights.
    attention : FrameAttention, optional
        None for a model without attention.
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
        """Number of heads in a block; 0 for a model without attention."""
        return self.attention.n_heads if self.attention else 0


@dataclass(frozen=True, eq=False)
class Tile:
    """One of the maps of a patch, as shown in the gallery.

    Parameters
    ----------
    name : str
        Name of the map.
    findings : PatchFindings
        The results, with this map as the one shown.
    is_current : bool
        Whether this map is the one shown over the field.
    """

    name: str
    findings: PatchFindings
    is_current: bool


def tiles(findings: PatchFindings) -> list[Tile]:
    """All maps of a patch: one for each block, influence and physical reference.

    Parameters
    ----------
    findings : PatchFindings
        The results for the patch, with the map that is shown.
    """
    all_maps = [
        (f"block {block + 1}", replace(findings, block=block, evidence=None))
        for block in findings.blocks
    ]
    all_maps += [(EVIDENCE_WORDS[e], replace(findings, evidence=e)) for e in EVIDENCE]
    shown = findings.block, findings.evidence
    return [
        Tile(name, item, (item.block, item.evidence) == shown)
        for name, item in all_maps
    ]


def coloured(
    drawn: Picture, colours: npt.NDArray[np.floating]
) -> npt.NDArray[np.uint8]:
    """Convert a picture to RGB, ``(H, W, 3)``.

    Parameters
    ----------
    drawn : Picture
        The picture.
    colours : array of shape (n, 3) or (n, 4)
        Colours from the lowest value to the highest, with components from 0 to 1.
    """
    low, high = drawn.limits
    levels = np.clip((drawn.data - low) / (high - low), 0, 1)
    table = np.round(colours[:, :3] * 255).astype(np.uint8)
    pixels: npt.NDArray[np.uint8] = table[
        np.round(levels * (len(table) - 1)).astype(np.intp)
    ]
    return pixels
