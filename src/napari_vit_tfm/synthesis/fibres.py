"""Contractile fibres: pairs of small spots that pull towards each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from napari_vit_tfm.constraints import (
    FewRange,
    Margin,
    PositiveRange,
    Range,
    Ratio,
    StepsRange,
    check,
)
from napari_vit_tfm.synthesis.force_patches import (
    BELL,
    DOME,
    ELLIPSE,
    GAUSSIAN,
    ForcePatches,
)
from napari_vit_tfm.synthesis.noise import log_uniform


@dataclass(frozen=True)
class FibreDistribution:
    """Distribution of contractile fibres. Lengths are in grid steps.

    A fibre has a spot at each end. The forces of the two spots are opposite and equal,
    and point along the fibre.

    Parameters
    ----------
    count : tuple of int
        Range of the number of fibres, drawn log-uniformly.
    length : tuple of float
        Range of the length of a fibre, drawn log-uniformly.
    semi_axis : tuple of float
        Range of the semi-axis of a spot across the fibre, drawn log-uniformly.
    elongation : float
        Largest ratio of the axes of a spot. The longer axis lies along the fibre.
    order : float
        Smallest angular spread of the fibres around the main direction of a field, in
        radians. The spread of each field is drawn log-uniformly between this and pi.
    magnitude : tuple of float
        Range of the traction ``t / E``, drawn log-uniformly.
    margin : int
        Largest distance of a fibre from the field of view.
    """

    count: FewRange = (1, 40)
    length: StepsRange = (4.0, 50.0)
    semi_axis: StepsRange = (0.4, 2.0)
    elongation: Ratio = 5.0
    order: Annotated[float, Range(maximum=math.pi)] = 0.1
    magnitude: PositiveRange = (0.03, 0.4)
    margin: Margin = 0

    def __post_init__(self) -> None:
        check(self)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> ForcePatches:
        """Draw the fibres of one field.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        shape : tuple of int
            Rows and columns of the grid.
        """
        n = round(log_uniform(rng, self.count, 1)[0])
        size = np.array(shape[::-1])
        spread = log_uniform(rng, (self.order, np.pi), 1)[0]
        angle = rng.uniform(0, np.pi) + rng.uniform(-spread, spread, n)
        along = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        length = np.minimum(log_uniform(rng, self.length, n), 0.7 * min(shape))
        low, high = -self.margin, size - 1 + self.margin
        inset = 0.5 * length[:, None] * np.abs(along)
        middle = rng.uniform(low + inset, high - inset)
        across = np.sort(log_uniform(rng, self.semi_axis, n))[::-1]
        axes = np.stack([across * rng.uniform(1, self.elongation, n), across], axis=1)
        magnitude = log_uniform(rng, self.magnitude, n)[:, None]
        profile = rng.choice([ELLIPSE, DOME, BELL, GAUSSIAN], n)
        ends = 0.5 * length[:, None] * along
        return ForcePatches(
            centre=np.concatenate([middle - ends, middle + ends])[None],
            semi_axes=np.concatenate([axes, axes])[None],
            direction=np.concatenate([along, along])[None],
            profile=np.concatenate([profile, profile])[None],
            traction=np.concatenate([magnitude * along, -magnitude * along])[None],
            margin=self.margin,
        )
