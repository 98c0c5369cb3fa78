"""Overlays: maps of patches resized to the field, and their colour scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import skimage

from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.fields import FloatArray
from napari_vit_tfm.resample import resample_nodes
from napari_vit_tfm.units import DisplacementUnit, unit_label

OverlayKind = Literal["weights", "displacement"]
OverlayScale = Literal["share", "peak"]

LEAST_SHARES_SHOWN = 4.0
"""Least upper end of the colour scale, relative to uniform attention."""

TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, eq=False)
class Picture:
    """An overlay, and the limits of its colour scale.

    Parameters
    ----------
    data : array of shape (H, W)
        The overlay.
    limits : tuple of float
        Lowest and highest value of the colour scale.
    title : str
        The quantity that is drawn, with its unit.
    """

    data: FloatArray
    limits: tuple[float, float]
    title: str


def shares_shown_for(largest: float) -> float:
    """Upper end of a colour scale that holds a weight.

    It is a power of two, so that the scales of most patches are the same.

    Parameters
    ----------
    largest : float
        The largest weight, relative to uniform attention.

    Examples
    --------
    >>> from napari_vit_tfm.attention.overlay import shares_shown_for
    >>> shares_shown_for(0.5), shares_shown_for(11.8)
    (4.0, 16.0)
    """
    return max(LEAST_SHARES_SHOWN, 2.0 ** math.ceil(math.log2(max(largest, 1.0))))


def overlay(
    weights: npt.ArrayLike,
    displacement: npt.NDArray[np.floating],
    *,
    grid: PatchGrid,
    kind: OverlayKind = "weights",
) -> FloatArray:
    """Resize a map of patches to the field.

    Parameters
    ----------
    weights : array of shape (rows, columns)
        The map of one patch; not negative.
    displacement : array of shape (H, W, 2)
        The frame's displacement vectors.
    grid : PatchGrid, keyword-only
        The patches.
    kind : {"weights", "displacement"}, keyword-only
        ``weights``: the map divided by its maximum and resized bilinearly to
        the field. ``displacement``: the magnitude of the displacement vectors
        times that map, as in the original work.

    Returns
    -------
    array of shape (H, W)
        Dimensionless, from 0 to 1, or in the displacement's unit.
    """
    weights = np.asarray(weights, dtype=np.float64)
    peak = weights.max()
    scaled = weights / peak if peak > 0 else weights
    covered = (grid.rows * grid.patch_size, grid.columns * grid.patch_size)
    smooth: npt.NDArray[np.floating] = skimage.transform.resize(  # type: ignore[no-untyped-call]
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
    shares_shown: float = LEAST_SHARES_SHOWN,
) -> Picture:
    """Compute an overlay and its colour scale.

    Parameters
    ----------
    weights, displacement, grid, kind
        As for `overlay`.
    scale : {"share", "peak"}, keyword-only
        ``share``: relative to uniform attention, which is one over the number of
        patches; colours then mean the same for every patch, block and frame.
        ``peak``: relative to the map's maximum.
    unit : str, keyword-only
        Unit of the displacement; None if it is not known.
    longest : float, keyword-only
        Longest displacement of all frames, in `unit`. The colour scale of
        weighted displacements ends at this value (``peak``) or at
        `shares_shown` times it (``share``).
    shares_shown : float, keyword-only
        Upper end of the colour scale, relative to uniform attention (``share``).

    Returns
    -------
    Picture
    """
    data = overlay(weights, displacement, grid=grid, kind=kind)
    high, title, factor = 1.0, "fraction of the maximum", "fraction of the maximum"
    if scale == "share":
        data = data * np.float32(float(weights.max()) * weights.size)
        high, factor = shares_shown, "uniform attention"
        title = f"{TIMES} {factor}"
    if kind == "weights":
        return Picture(data, (0.0, high), title)
    high = (high * longest) or 1.0
    return Picture(data, (0.0, high), f"{unit_label(unit)} {TIMES} {factor}")
