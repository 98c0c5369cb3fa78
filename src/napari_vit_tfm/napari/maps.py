"""Which map of which patch is looked at, as a picture and in words.

No Qt, no layer, no viewer: arrays and choices in, arrays and sentences out.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.fields import UNIT_LABELS, DisplacementStack, FloatArray
from napari_vit_tfm.findings import Map, PatchFindings
from napari_vit_tfm.inspection import FrameAttention, MapChoice, Patch
from napari_vit_tfm.patches import OverlayKind, PatchGrid, overlay

Evidence = Literal["influence", "reference"]
EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
EVIDENCE_WORDS: dict[Evidence, str] = {
    "influence": "influence",
    "reference": "physical reference",
}

Scale = Literal["share", "peak"]
SCALES: tuple[Scale, ...] = get_args(Scale)

SHARES_SHOWN = 4.0
"""Where the fixed colour scale ends, in even shares."""

DISPLACEMENTS_SHOWN = 2.0
"""Where that of weighted displacements ends, in longest displacements."""

_TIMES = "\N{MULTIPLICATION SIGN}"

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
        ``share``: in even shares, one over the number of patches, so that
        colours mean the same for every patch, block and frame. ``peak``:
        divided by the map's maximum.
    """

    patch: Patch | None = None
    block: int = LAST_BLOCK
    evidence: Evidence | None = None
    maps: MapChoice = field(default_factory=MapChoice)
    kind: OverlayKind = "weights"
    scale: Scale = "share"

    def on(self, frame: Frame) -> View:
        """The nearest view that a frame has."""
        patch, evidence, maps = self.patch, self.evidence, self.maps
        if patch is not None and not contains(frame.grid, patch):
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
    number : int
        The frame, counted from zero.
    stack : DisplacementStack
        The displacements that it is one of.
    grid : PatchGrid
        The patches.
    model, model_sha256 : str
        Name of the model, SHA-256 of its weights.
    attention : FrameAttention, optional
        None for a model that has none.
    """

    number: int
    stack: DisplacementStack
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


@dataclass(frozen=True)
class Tile:
    """One of the maps that can be looked at.

    Parameters
    ----------
    name : str
        What it is.
    view : View
        Looks at it.
    weights : array of shape (rows, columns), optional
        The map, where it is known.
    """

    name: str
    view: View
    weights: Map | None


@dataclass(frozen=True, eq=False)
class Picture:
    """A map over the field, and the ends of its colour scale.

    Parameters
    ----------
    data : array of shape (H, W)
        What is drawn.
    limits : tuple of float
        Values at the ends of the scale.
    title : str
        What the values are, with their unit.
    """

    data: FloatArray
    limits: tuple[float, float]
    title: str


def contains(grid: PatchGrid, patch: Patch) -> bool:
    """Whether a grid has a patch."""
    return 0 <= patch[0] < grid.rows and 0 <= patch[1] < grid.columns


def weights(frame: Frame, view: View, evidence: PatchFindings | None) -> Map | None:
    """The map that a view looks at, or None as long as it is not known.

    Parameters
    ----------
    frame : Frame
        The frame.
    view : View
        One that the frame has.
    evidence : PatchFindings, optional
        Influence and physical reference of the view's patch, where known.
    """
    if view.patch is None:
        return None
    if view.evidence is None:
        assert frame.attention is not None
        return frame.attention.map(view.block, *view.patch, choice=view.maps)
    return None if evidence is None else as_shares(getattr(evidence, view.evidence))


def tiles(frame: Frame, view: View, evidence: PatchFindings | None) -> list[Tile]:
    """Every map of the view's patch: that of each block, and the evidence.

    Parameters
    ----------
    frame, view, evidence
        As for `weights`.
    """
    views = [
        (f"block {block + 1}", replace(view, block=block, evidence=None))
        for block in range(frame.n_blocks)
    ]
    views += [(EVIDENCE_WORDS[e], replace(view, evidence=e)) for e in EVIDENCE]
    return [Tile(name, one, weights(frame, one, evidence)) for name, one in views]


def are_tested(view: View, evidence: PatchFindings | None) -> bool:
    """Whether the faithfulness that is known is that of the view's map."""
    if evidence is None:
        return False
    if view.evidence is not None or evidence.attention is None:
        return True
    return (evidence.block, evidence.choice) == (view.block, view.maps)


def as_shares(map_: Map) -> Map:
    """A map that is not negative, divided by its sum."""
    total = map_.sum()
    shares: Map = map_ / total if total > 0 else map_
    return shares


def picture(
    weights: Map, frame: Frame, *, kind: OverlayKind, scale: Scale, longest: float
) -> Picture:
    """Draw a map over the field, on a fixed colour scale.

    Parameters
    ----------
    weights : array of shape (rows, columns)
        The map, not negative.
    frame : Frame
        The frame that it belongs to.
    kind : {"weights", "displacement"}, keyword-only
        As for `patches.overlay`.
    scale : {"share", "peak"}, keyword-only
        As for `View`: ``peak`` is `patches.overlay` as it is, ``share`` the
        same map in even shares.
    longest : float, keyword-only
        Longest displacement of all frames.
    """
    displacement = frame.stack.data[frame.number]
    data = overlay(weights, displacement, grid=frame.grid, kind=kind)
    high, unit = 1.0, "the map's maximum"
    if scale == "share":
        data = data * np.float32(float(weights.max()) * weights.size)
        high, unit = SHARES_SHOWN, "even shares"
    if kind == "weights":
        return Picture(data, (0.0, high), unit)
    high = (DISPLACEMENTS_SHOWN if scale == "share" else 1.0) * longest
    length = UNIT_LABELS[frame.stack.unit]
    return Picture(data, (0.0, high or 1.0), f"{length} {_TIMES} {unit}")


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
