"""Maps over patches, drawn over the field, and where their colours end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from skimage.transform import resize

from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.fields import FloatArray
from napari_vit_tfm.resample import resample_nodes
from napari_vit_tfm.units import DisplacementUnit, unit_label

OverlayKind = Literal["weights", "displacement"]
OVERLAY_KINDS: tuple[OverlayKind, ...] = get_args(OverlayKind)

OverlayScale = Literal["share", "peak"]
OVERLAY_SCALES: tuple[OverlayScale, ...] = get_args(OverlayScale)

SHARES_SHOWN = 4.0
"""Where the colours of maps end, in even shares."""

DISPLACEMENTS_SHOWN = 2.0
"""Where those of weighted displacements end, in longest displacements."""

_TIMES = "\N{MULTIPLICATION SIGN}"


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


def overlay(
    weights: npt.ArrayLike,
    displacement: npt.NDArray[np.floating],
    *,
    grid: PatchGrid,
    kind: OverlayKind = "weights",
) -> FloatArray:
    """A map over patches, drawn over the field.

    Parameters
    ----------
    weights : array of shape (rows, columns)
        A map of one patch, not negative.
    displacement : array of shape (H, W, 2)
        The frame's displacement vectors.
    grid : PatchGrid, keyword-only
        The patches.
    kind : {"weights", "displacement"}, keyword-only
        ``weights``: the map divided by its maximum and resized bilinearly to
        the field. ``displacement``: that map times the displacement vectors,
        as magnitude; the form of the original work.

    Returns
    -------
    array of shape (H, W)
        Dimensionless (0 to 1), or in the displacement's unit.
    """
    weights = np.asarray(weights, dtype=np.float64)
    peak = weights.max()
    scaled = weights / peak if peak > 0 else weights
    covered = (grid.rows * grid.patch_size, grid.columns * grid.patch_size)
    smooth: npt.NDArray[np.floating] = resize(  # type: ignore[no-untyped-call]
        scaled, covered, order=1, mode="edge", anti_aliasing=False
    )[: grid.shape[0], : grid.shape[1]]
    if grid.shape != grid.field_shape:
        smooth = resample_nodes(smooth, grid.field_shape)
    if kind == "displacement":
        smooth = smooth * np.hypot(displacement[..., 0], displacement[..., 1])
    return smooth.astype(np.float32)


def picture(
    weights: npt.NDArray[np.floating],
    displacement: npt.NDArray[np.floating],
    *,
    grid: PatchGrid,
    kind: OverlayKind,
    scale: OverlayScale,
    unit: DisplacementUnit | None,
    longest: float,
) -> Picture:
    """Draw a map over the field, on a fixed colour scale.

    Parameters
    ----------
    weights, displacement, grid, kind
        As for `overlay`.
    scale : {"share", "peak"}, keyword-only
        ``share``: in even shares, one over the number of patches, so that
        colours mean the same for every patch, block and frame. ``peak``:
        `overlay` as it is, divided by the map's maximum.
    unit : str, keyword-only
        The displacement's; None where nobody knows it.
    longest : float, keyword-only
        Longest displacement of all frames, in `unit`: the colours of weighted
        displacements end there, or at twice that.

    Returns
    -------
    Picture
    """
    data = overlay(weights, displacement, grid=grid, kind=kind)
    high, values = 1.0, "share of the maximum"
    if scale == "share":
        data = data * np.float32(float(weights.max()) * weights.size)
        high, values = SHARES_SHOWN, "even shares"
    if kind == "weights":
        return Picture(data, (0.0, high), values)
    high = (DISPLACEMENTS_SHOWN if scale == "share" else 1.0) * longest
    return Picture(data, (0.0, high or 1.0), f"{unit_label(unit)} {_TIMES} {values}")
