"""Force patches of any size and direction, rasterised on a grid of finer squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from napari_vit_tfm.synthesis.fields import Array, padded
from napari_vit_tfm.synthesis.squares import OVERSAMPLING, measured

_SUBSAMPLES = 2
"""Sampling points along each side of a square, to compute how much is covered."""

_CHUNK = 16
"""Number of patches rasterised together, on windows of the size of the largest."""

ELLIPSE, DOME, RECTANGLE, BELL, GAUSSIAN = 0.0, 1.0, 2.0, 3.0, 4.0
"""Profiles of the traction: uniform in an ellipse; ``2 (1 - r^2)`` in an ellipse;
uniform in a rectangle; ``3 (1 - r^2)^2`` in an ellipse, which is smooth at the rim;
and a Gaussian with a standard deviation of 3/8 of the semi-axes, cut off at four
standard deviations. ``r`` is 0 at the centre and 1 at the rim."""

_REACH = 1.5
"""Reach of a patch in semi-axes: the end of a Gaussian. The corner of a rectangle is
nearer."""

_NARROWNESS = 0.5 * (8 / 3) ** 2
"""The Gaussian is ``exp(-_NARROWNESS r^2)``."""


@dataclass(frozen=True)
class ForcePatches:
    """Patches of traction. Lengths are in grid steps.

    Parameters
    ----------
    centre : array of shape (N, D, 2)
        Centres ``(x, y)`` of D patches in each of N fields; the first node
        is at ``(0, 0)``.
    semi_axes : array of shape (N, D, 2)
        Semi-axes along and across the direction of the patch.
    direction : array of shape (N, D, 2)
        Unit vectors ``(x, y)``.
    profile : array of shape (N, D)
        `ELLIPSE`, `DOME`, `RECTANGLE`, `BELL` or `GAUSSIAN`.
    traction : array of shape (N, D, 2)
        Mean traction ``t / E``, ``(x, y)``.
    is_balanced : bool
        Whether to make net force and torque of each field zero, by the smallest
        change of the tractions.
    margin : int
        Width of the border around the field that also has traction, in nodes. Parts
        of patches outside it are ignored.
    """

    centre: Array
    semi_axes: Array
    direction: Array
    profile: Array
    traction: Array
    is_balanced: bool = False
    margin: int = 0

    def on_grid(
        self, shape: tuple[int, int], *, window: float = 0.0
    ) -> tuple[Array, Array]:
        """Displacement and traction at the nodes, ``(N, H, W, 2)``.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns.
        window : float, keyword-only
            Side of the square over which the displacement is averaged, in grid
            steps.
        """
        return measured(
            *self.fine_traction(shape), shape, margin=self.margin, window=window
        )

    def fine_traction(self, shape: tuple[int, int]) -> tuple[Array, Array]:
        """Traction on squares of a third of a grid step, including the margin.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns of the grid.

        Returns
        -------
        x, y : arrays of shape (N, 3 (H + 2 margin), 3 (W + 2 margin))
        """
        xp, s, m = array_namespace(self.centre), OVERSAMPLING, self.margin
        canvas = (s * (shape[0] + 2 * m), s * (shape[1] + 2 * m))
        chunks = []
        for start in range(0, self.profile.shape[1], _CHUNK):
            rows, columns, cover = self._cover(slice(start, start + _CHUNK), s)
            index, is_inside = _flat_index(rows + s * m, columns + s * m, canvas)
            chunks.append((rows, columns, index, cover * is_inside))
        traction = self._tractions(chunks)
        x, y = (
            xp.zeros(
                (self.profile.shape[0], *canvas),
                dtype=traction.dtype,
                device=device(traction),
            )
            for _ in range(2)
        )
        for number, (_, _, index, cover) in enumerate(chunks):
            part = traction[:, number * _CHUNK : (number + 1) * _CHUNK, :]
            x, y = (
                total + _sum_at(index, cover * part[..., i, None, None], canvas)
                for i, total in enumerate((x, y))
            )
        return x, y

    def segmentation(self, shape: tuple[int, int]) -> npt.NDArray[np.uint16]:
        """Number of the patch at each node, ``(N, H, W)``; 0 is background."""
        all_patches = slice(0, self.profile.shape[1])
        rows, columns, cover = self._cover(all_patches, OVERSAMPLING)
        rows, columns = rows // OVERSAMPLING, columns // OVERSAMPLING
        index, is_inside = _flat_index(rows, columns, shape)
        number = np.arange(1, cover.shape[1] + 1)[:, None, None]
        numbers = np.zeros(len(cover) * shape[0] * shape[1], dtype=np.uint16)
        covering = (number * (cover > 0) * is_inside).astype(np.uint16)
        np.maximum.at(numbers, index.ravel(), covering.ravel())
        return numbers.reshape(-1, *shape)

    @classmethod
    def join(cls, patterns: Sequence[Self]) -> Self:
        """Concatenate the fields of several patterns."""

        def joined(name: str, fill: float) -> npt.NDArray[Any]:
            return padded([getattr(pattern, name) for pattern in patterns], fill)

        # The patches used as padding are so small that they cover nothing.
        return replace(
            patterns[0],
            centre=joined("centre", 0.0),
            semi_axes=joined("semi_axes", 1e-3),
            direction=joined("direction", 1.0),
            profile=joined("profile", 0.0),
            traction=joined("traction", 0.0),
        )

    def _cover(self, chosen: slice, scale: int) -> tuple[Array, Array, Array]:
        """How much of each square a patch covers, in a window around the patch.

        Parameters
        ----------
        chosen : slice
            The patches.
        scale : int
            Number of squares per grid step.

        Returns
        -------
        rows : array of shape (N, D, K, 1)
        columns : array of shape (N, D, 1, K)
            Indices of the squares. The squares of the first node start at 0.
        cover : array of shape (N, D, K, K)
            Covered fraction times the profile of the patch.
        """
        xp, place = array_namespace(self.centre), device(self.centre)
        # In squares: the first node is the centre of its own squares.
        centre = self.centre[:, chosen, :] * scale + (scale - 1) / 2
        semi_axes = self.semi_axes[:, chosen, :] * scale
        reach = int(np.ceil(_REACH * float(xp.max(semi_axes)))) + 1
        window = xp.arange(-reach, reach + 2, device=place)
        corner = xp.floor(centre)
        fine = (np.arange(_SUBSAMPLES) + 0.5) / _SUBSAMPLES - 0.5
        points = (np.arange(-reach, reach + 2)[:, None] + fine).ravel()
        points = xp.asarray(points, dtype=centre.dtype, device=place)
        dx, dy = (
            points - (centre - corner)[..., i, None] for i in (0, 1)
        )  # (N, D, K * subsamples)
        weight = self._weight(dx[..., None, :], dy[..., :, None], semi_axes, chosen, xp)
        n, k = _SUBSAMPLES, 2 * reach + 2
        cover = xp.mean(
            xp.reshape(weight, (*weight.shape[:2], k, n, k, n)), axis=(-3, -1)
        )
        corner = xp.astype(corner, xp.int64)
        rows = corner[..., 1, None, None] + window[:, None]
        columns = corner[..., 0, None, None] + window[None, :]
        return rows, columns, cover

    def _weight(
        self, dx: Array, dy: Array, semi_axes: Array, chosen: slice, xp: Any
    ) -> Array:
        """Traction relative to the mean of the patch, at points around its centre."""
        x, y = (self.direction[:, chosen, i, None, None] for i in (0, 1))
        a, b = (semi_axes[..., i, None, None] for i in (0, 1))
        profile = self.profile[:, chosen, None, None]
        along, across = (dx * x + dy * y) / a, (dy * x - dx * y) / b
        squared = along * along + across * across
        distance = xp.where(
            profile == RECTANGLE, xp.maximum(xp.abs(along), xp.abs(across)), squared
        )
        end = xp.where(profile == GAUSSIAN, _REACH**2, 1.0)
        uniform = xp.astype(distance < end, dx.dtype)
        falling = xp.where(profile == DOME, 2 * (1 - squared), 1.0)
        falling = xp.where(profile == BELL, 3 * (1 - squared) ** 2, falling)
        gaussian = _NARROWNESS * xp.exp(-_NARROWNESS * squared)
        falling = xp.where(profile == GAUSSIAN, gaussian, falling)
        return uniform * falling

    def _tractions(self, chunks: Sequence[tuple[Array, ...]]) -> Array:
        if not self.is_balanced:
            return self.traction
        xp = array_namespace(self.traction)
        areas, positions = [], []
        for rows, columns, _, cover in chunks:
            area = xp.sum(cover, axis=(-2, -1))
            safe = xp.where(area > 0, area, 1.0)
            position = [
                xp.sum(cover * xp.astype(where, cover.dtype), axis=(-2, -1)) / safe
                for where in (columns, rows)
            ]
            areas.append(area)
            positions.append(xp.stack(position, axis=-1))
        return balance_forces(
            xp.concat(positions, axis=1), xp.concat(areas, axis=1), self.traction
        )


def balance_forces(position: Array, area: Array, traction: Array) -> Array:
    """Make net force and torque zero by the smallest change of the tractions.

    Parameters
    ----------
    position : array of shape (..., D, 2)
        Centres of the patches, ``(x, y)``.
    area : array of shape (..., D)
        Areas of the patches. Force is traction times area.
    traction : array of shape (..., D, 2)
        The tractions.

    Returns
    -------
    array of shape (..., D, 2)
        Balanced tractions. The sum of the squared changes is minimal.

    Notes
    -----
    Translation and rotation are orthogonal around the mean position weighted with the
    squared areas. Force and torque can therefore be removed one after the other.
    """
    xp = array_namespace(position, area, traction)
    squared = area * area
    total = xp.sum(squared, axis=-1, keepdims=True)
    mean = xp.sum(squared[..., None] * position, axis=-2, keepdims=True)
    x, y = (
        (position - mean / total[..., None])[..., 0],
        (position - mean / total[..., None])[..., 1],
    )
    force = xp.sum(area[..., None] * traction, axis=-2, keepdims=True)
    moved = traction - area[..., None] * force / total[..., None]
    torque = xp.sum(
        area * (x * moved[..., 1] - y * moved[..., 0]), axis=-1, keepdims=True
    )
    lever = xp.sum(squared * (x * x + y * y), axis=-1, keepdims=True)
    # A single patch has no lever arm and no torque around its own centre.
    turn = area * torque / xp.where(lever > 0, lever, 1.0)
    return moved - xp.stack([-y * turn, x * turn], axis=-1)


def _flat_index(
    rows: Array, columns: Array, shape: tuple[int, int]
) -> tuple[Array, Array]:
    """Flat index of the nodes of each window, and whether they are on the grid."""
    xp = array_namespace(rows)
    height, width = shape
    is_inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    field = xp.arange(rows.shape[0], device=device(rows))[:, None, None, None]
    index = field * (height * width) + rows * width + columns
    return xp.where(is_inside, index, 0), is_inside


def _sum_at(index: Array, values: Array, shape: tuple[int, int]) -> Array:
    """Sum of the values at each node, ``(N, H, W)``."""
    xp = array_namespace(values)
    size = index.shape[0] * shape[0] * shape[1]
    sums = xp.bincount(
        xp.reshape(index, (-1,)), xp.reshape(values, (-1,)), minlength=size
    )
    return xp.astype(xp.reshape(sums, (-1, *shape)), values.dtype)
