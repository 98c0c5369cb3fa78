"""Contractile cells: many small adhesions along an outline, forces in balance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.synthesis.fields import SyntheticStack

FloatArray = npt.NDArray[np.float64]

_SUBSAMPLES = 4


@dataclass(frozen=True)
class CellDistribution:
    """How cells are drawn; lengths are grid steps unless said otherwise.

    A random outline, adhesions in a band along it, tractions that point
    inwards, stronger in some directions than in others, and balanced: net
    force and torque vanish.

    Parameters
    ----------
    adhesions : tuple of int
        Range of their number, drawn log-uniformly; at most 255.
    semi_axis : tuple of float
        Range of an adhesion's longer semi-axis, drawn log-uniformly.
    elongation : float
        Largest ratio of the axes; the longer one lies along the traction.
    square_share : float
        Share of the adhesions that are squares of 1 to 3 whole nodes.
    extent : tuple of float
        Range of the cell's mean radius over the field's shorter side.
    magnitude : tuple of float
        Range of the typical traction ``t / E``, drawn log-uniformly.
    """

    adhesions: tuple[int, int] = (15, 250)
    semi_axis: tuple[float, float] = (0.5, 4.0)
    elongation: float = 4.0
    square_share: float = 0.4
    extent: tuple[float, float] = (0.12, 0.36)
    magnitude: tuple[float, float] = (0.01, 0.3)

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, int]
    ) -> SyntheticStack:
        """Draw one cell, a stack of one.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        shape : tuple of int
            Rows and columns.
        """
        n = round(_log_uniform(rng, self.adhesions))
        position, inward = self._positions(rng, n, shape)
        traction = self._tractions(rng, inward)
        covers = [
            self._cover(rng, point, vector, shape)
            for point, vector in zip(position, traction, strict=True)
        ]
        area = np.array([cover.sum() for _, _, cover in covers])
        centroid = np.array([_centroid(*cover) for cover in covers])
        traction = balance_forces(centroid, area, traction)
        field = np.zeros((*shape, 2))
        segmentation = np.zeros(shape, dtype=np.uint8)
        for label, ((rows, columns, cover), vector) in enumerate(
            zip(covers, traction, strict=True), start=1
        ):
            field[rows, columns] += cover[..., None] * vector
            segmentation[rows, columns][cover > 0] = label
        steps = np.stack(raster_displacement(field[..., 0], field[..., 1]), axis=-1)
        displacement = (steps / (shape[1] - 1)).astype(np.float32)
        return SyntheticStack(
            displacement[None], field[None].astype(np.float32), segmentation[None]
        )

    def _positions(
        self, rng: np.random.Generator, n: int, shape: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        """Where adhesions are, ``(x, y)``, and the unit vectors inwards."""
        height, width = shape
        mean = rng.uniform(*self.extent) * min(shape)
        order = np.arange(2, 7)
        wave = rng.normal(0, 0.25, order.size) / order * 2
        phase = rng.uniform(0, 2 * np.pi, order.size)
        angle = rng.uniform(0, 2 * np.pi, n)
        rim = mean * (1 + np.cos(order * angle[:, None] + phase) @ wave)
        depth = np.clip(np.abs(rng.normal(0, rng.uniform(0.03, 0.3), n)), 0, 0.9)
        outward = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        middle = np.array([width - 1, height - 1]) / 2
        centre = middle + rng.uniform(-0.1, 0.1, 2) * min(shape)
        position = centre + np.maximum(rim * (1 - depth), 1.0)[:, None] * outward
        return np.clip(position, 1.0, np.array([width, height]) - 2.0), -outward

    def _tractions(self, rng: np.random.Generator, inward: FloatArray) -> FloatArray:
        n = len(inward)
        turn = rng.normal(0, 0.25, n)
        cos, sin = np.cos(turn), np.sin(turn)
        direction = np.stack(
            [
                cos * inward[:, 0] - sin * inward[:, 1],
                sin * inward[:, 0] + cos * inward[:, 1],
            ],
            axis=1,
        )
        axis = rng.uniform(0, np.pi)
        polarity = 1 + rng.uniform(0, 0.9) * np.cos(
            2 * (np.arctan2(inward[:, 1], inward[:, 0]) - axis)
        )
        strength = rng.lognormal(0, rng.uniform(0.1, 0.7), n) * polarity
        return (_log_uniform(rng, self.magnitude) * strength)[:, None] * direction

    def _cover(
        self,
        rng: np.random.Generator,
        point: FloatArray,
        vector: FloatArray,
        shape: tuple[int, int],
    ) -> tuple[slice, slice, FloatArray]:
        """Rows, columns, and how much of each node's square an adhesion covers."""
        if rng.random() < self.square_share:
            side = int(rng.integers(1, 4))
            left, top = (round(float(c)) - side // 2 for c in point)
            rows, columns = _window(left, top, left + side, top + side, shape)
            return (
                rows,
                columns,
                np.ones((rows.stop - rows.start, columns.stop - columns.start)),
            )
        longer = _log_uniform(rng, self.semi_axis)
        shorter = longer / rng.uniform(1, self.elongation)
        x, y = point
        reach = int(np.ceil(longer)) + 1
        left, top = int(x) - reach, int(y) - reach
        rows, columns = _window(
            left, top, int(x) + reach + 2, int(y) + reach + 2, shape
        )
        offset = (np.arange(_SUBSAMPLES) + 0.5) / _SUBSAMPLES - 0.5
        dx = (np.arange(columns.start, columns.stop)[:, None] + offset).ravel() - x
        dy = (np.arange(rows.start, rows.stop)[:, None] + offset).ravel()[:, None] - y
        along_x, along_y = vector / np.linalg.norm(vector)
        along = dx * along_x + dy * along_y
        across = dy * along_x - dx * along_y
        inside = (along / longer) ** 2 + (across / shorter) ** 2 < 1
        height, width = rows.stop - rows.start, columns.stop - columns.start
        cover = inside.reshape(height, _SUBSAMPLES, width, _SUBSAMPLES).mean(
            axis=(1, 3)
        )
        if not cover.any():
            # Smaller than a subsample: all of it lies in its node's square.
            cover[round(float(y)) - rows.start, round(float(x)) - columns.start] = (
                np.pi * longer * shorter
            )
        return rows, columns, cover


def balance_forces(
    position: FloatArray, area: FloatArray, traction: FloatArray
) -> FloatArray:
    """Smallest change of tractions after which force and torque vanish.

    Parameters
    ----------
    position : array of shape (D, 2)
        Centres of the patches, ``(x, y)``.
    area : array of shape (D,)
        Their areas; a patch's force is its traction times its area.
    traction : array of shape (D, 2)
        Tractions before.

    Returns
    -------
    array of shape (D, 2)
        Tractions after.
    """
    zero = np.zeros_like(area)
    x, y = (position - position.mean(axis=0)).T
    sums = np.stack(
        [
            np.stack([area, zero], axis=1).ravel(),
            np.stack([zero, area], axis=1).ravel(),
            np.stack([-y * area, x * area], axis=1).ravel(),
        ]
    )
    excess = sums @ traction.ravel()
    change, *_ = np.linalg.lstsq(sums, excess, rcond=None)
    balanced: FloatArray = traction - change.reshape(traction.shape)
    return balanced


def _centroid(rows: slice, columns: slice, cover: FloatArray) -> tuple[float, float]:
    """Centre ``(x, y)`` of what is covered."""
    x, y = np.arange(columns.start, columns.stop), np.arange(rows.start, rows.stop)
    total = cover.sum()
    return float((cover @ x).sum() / total), float((y @ cover).sum() / total)


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))


def _window(
    left: int, top: int, right: int, bottom: int, shape: tuple[int, int]
) -> tuple[slice, slice]:
    """Rows and columns of a window, cut at the field's border."""
    rows = slice(max(top, 0), min(bottom, shape[0]))
    columns = slice(max(left, 0), min(right, shape[1]))
    return rows, columns
