"""Elongated adhesions anywhere in the field, pulled along their long axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_vit_tfm.constraints import (
    FewRange,
    Flag,
    Margin,
    Positive,
    Ratio,
    Share,
    StepsRange,
    check,
)
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.synthesis.force_patches import (
    BELL,
    DOME,
    ELLIPSE,
    GAUSSIAN,
    ForcePatches,
)
from napari_vit_tfm.synthesis.noise import log_uniform


@dataclass(frozen=True)
class AdhesionDistribution:
    """Distribution of elongated adhesions. Lengths are in grid steps.

    Adhesions are ellipses with independent positions and directions. The traction
    points along the long axis.

    Parameters
    ----------
    count : tuple of int
        Range of the number of adhesions, drawn log-uniformly.
    semi_axis : tuple of float
        Range of the longer semi-axis, drawn log-uniformly.
    elongation : float
        Largest ratio of the axes, drawn uniformly from 1.
    dome_share, bell_share, gaussian_share : float
        Fractions of the adhesions with the profiles `DOME`, `BELL` and `GAUSSIAN` of
        `synthesis.force_patches`. The others are uniform.
    is_pulled : bool
        Whether the traction points along the long axis. If False, its direction is
        random.
    magnitude : float
        Largest mean traction ``t / E``, drawn uniformly from 0.
    margin : int
        Largest distance of an adhesion from the field of view.
    """

    count: FewRange = (5, 80)
    semi_axis: StepsRange = (0.6, 8.0)
    elongation: Ratio = 6.0
    dome_share: Share = 0.3
    bell_share: Share = 0.0
    gaussian_share: Share = 0.0
    is_pulled: Flag = True
    magnitude: Positive = 0.3
    margin: Margin = 0

    def __post_init__(self) -> None:
        check(self)
        if self.dome_share + self.bell_share + self.gaussian_share > 1 + 1e-9:
            raise ConfigError("dome_share, bell_share and gaussian_share exceed 1")

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> ForcePatches:
        """Draw the adhesions of one field.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        shape : tuple of int
            Rows and columns of the grid.
        """
        n = round(log_uniform(rng, self.count, 1)[0])
        low, high = -self.margin, np.array(shape[::-1]) - 1 + self.margin
        # Sorted by size: patches of a chunk share one window size in `ForcePatches`.
        longer = np.sort(log_uniform(rng, self.semi_axis, n))[::-1]
        shorter = np.maximum(longer / rng.uniform(1, self.elongation, n), 0.3)
        angle = rng.uniform(0, 2 * np.pi, n)
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        magnitude = rng.uniform(0, self.magnitude, n)
        shares = [self.dome_share, self.bell_share, self.gaussian_share]
        profile = rng.choice(
            [DOME, BELL, GAUSSIAN, ELLIPSE], n, p=[*shares, max(0.0, 1 - sum(shares))]
        )
        pull = direction
        if not self.is_pulled:
            pull_angle = rng.uniform(0, 2 * np.pi, n)
            pull = np.stack([np.cos(pull_angle), np.sin(pull_angle)], axis=1)
        return ForcePatches(
            centre=rng.uniform(low, high, (n, 2))[None],
            semi_axes=np.stack([np.maximum(longer, shorter), shorter], axis=1)[None],
            direction=direction[None],
            profile=profile[None],
            traction=(magnitude[:, None] * pull)[None],
            margin=self.margin,
        )
