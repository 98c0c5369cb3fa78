"""Contractile cells: many small adhesions along an outline, with balanced forces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.constraints import (
    FewRange,
    Margin,
    NotNegative,
    PositiveRange,
    Ratio,
    Share,
    StepsRange,
    check,
)
from napari_vit_tfm.synthesis.force_patches import (
    DOME,
    ELLIPSE,
    RECTANGLE,
    ForcePatches,
)
from napari_vit_tfm.synthesis.noise import log_uniform

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CellDistribution:
    """Distribution of contractile cells. Lengths are in grid steps.

    A cell has a random outline and adhesions in a band along it. The tractions point
    inwards and are stronger along a random axis. Net force and torque are zero.

    Parameters
    ----------
    adhesions : tuple of int
        Range of the number of adhesions, drawn log-uniformly.
    semi_axis : tuple of float
        Range of the longer semi-axis of an adhesion, drawn log-uniformly.
    elongation : float
        Largest ratio of the axes. The longer axis is parallel to the traction.
    square_share : float
        Fraction of the adhesions that are squares of whole nodes.
    square_side : tuple of int
        Range of the side of these squares.
    dome_share : float
        Fraction of the other adhesions with the profile `DOME` of
        `synthesis.force_patches`.
    extent : tuple of float
        Range of the mean radius of the cell, relative to the shorter side of the
        field.
    offset : float
        Largest distance of the cell's centre from the centre of the field along each
        axis, relative to the shorter side of the field.
    magnitude : tuple of float
        Range of the typical traction ``t / E``, drawn log-uniformly.
    margin : int
        Largest distance of an adhesion from the field of view.
    """

    adhesions: FewRange = (15, 250)
    semi_axis: StepsRange = (0.5, 4.0)
    elongation: Ratio = 4.0
    square_share: Share = 0.4
    square_side: FewRange = (1, 3)
    dome_share: Share = 0.3
    extent: PositiveRange = (0.12, 0.36)
    offset: NotNegative = 0.1
    magnitude: PositiveRange = (0.01, 0.3)
    margin: Margin = 0

    def __post_init__(self) -> None:
        check(self)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> ForcePatches:
        """Draw the adhesions of one cell.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        shape : tuple of int
            Rows and columns of the grid.
        """
        n = round(log_uniform(rng, self.adhesions, 1)[0])
        position, inward = self._positions(rng, n, shape)
        traction = self._tractions(rng, inward)
        # Sorted by size: patches of a chunk share one window size in `ForcePatches`.
        longer = np.sort(log_uniform(rng, self.semi_axis, n))[::-1]
        shorter = np.maximum(longer / rng.uniform(1, self.elongation, n), 0.3)
        semi_axes = np.stack([np.maximum(longer, shorter), shorter], axis=1)
        direction = traction / np.linalg.norm(traction, axis=1, keepdims=True)
        profile = np.where(rng.random(n) < self.dome_share, DOME, ELLIPSE)
        square = rng.random(n) < self.square_share
        side = rng.integers(*self.square_side, n, endpoint=True)[square]
        # Squares cover whole nodes: the centre of an even one lies between two nodes.
        position[square] = np.round(position[square]) + 0.5 * (side % 2 == 0)[:, None]
        semi_axes[square] = side[:, None] / 2
        direction[square] = (1, 0)
        profile[square] = RECTANGLE
        return ForcePatches(
            centre=position[None],
            semi_axes=semi_axes[None],
            direction=direction[None],
            profile=profile[None],
            traction=traction[None],
            is_balanced=True,
            margin=self.margin,
        )

    def _positions(
        self, rng: np.random.Generator, n: int, shape: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        """Positions ``(x, y)`` of the adhesions, and inward unit vectors."""
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
        centre = middle + rng.uniform(-self.offset, self.offset, 2) * min(shape)
        position = centre + np.maximum(rim * (1 - depth), 1.0)[:, None] * outward
        # Most patches lie completely on nodes that may have traction.
        inset = 3.0
        low, high = inset - self.margin, np.array([width, height]) - 1 - inset
        return np.clip(position, low, high + self.margin), -outward

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
        scale = log_uniform(rng, self.magnitude, 1)
        return np.asarray((scale * strength)[:, None] * direction)
