"""Discs of uniform traction, the training distribution of the original work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from napari_vit_tfm.constraints import Increasing, Positive, PositiveRange, Range, check
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.physics.disc import disc_displacement
from napari_vit_tfm.synthesis.fields import Array, grid_nodes, padded


@dataclass(frozen=True)
class Discs:
    """Discs of uniform traction. Lengths are fractions of the field width.

    Parameters
    ----------
    centre : array of shape (N, D, 2)
        Centres ``(x, y)`` of D discs in each of N fields.
    radius : array of shape (N, D)
        Radii, positive.
    traction : array of shape (N, D, 2)
        Traction ``t / E``, ``(x, y)``.
    """

    centre: Array
    radius: Array
    traction: Array

    def on_grid(
        self, shape: tuple[int, int], *, window: float = 0.0
    ) -> tuple[Array, Array]:
        """Displacement and traction at the nodes, ``(N, H, W, 2)``.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns; the columns span the field width.
        window : float, keyword-only
            Must be 0, because the closed form is the displacement at the nodes.

        Raises
        ------
        ConfigError
            If the window is not 0.

        Notes
        -----
        The displacement is exact. The tractions of overlapping discs add up.
        """
        if window:
            raise ConfigError("discs have displacements at the nodes: set window to 0")
        xp = array_namespace(self.centre)
        x, y = (xp.asarray(n, device=device(self.centre)) for n in grid_nodes(shape))
        centre, radius, traction = (
            xp.astype(part, xp.float32)
            for part in (self.centre, self.radius, self.traction)
        )
        displacement = disc_displacement(x, y, centre, radius, traction)
        inside = xp.astype(_inside(x, y, centre, radius), xp.float32)
        flat = xp.reshape(inside, (*inside.shape[:2], -1))
        sums = xp.matmul(xp.moveaxis(flat, 1, 2), traction)
        return displacement, xp.reshape(sums, displacement.shape)

    def segmentation(self, shape: tuple[int, int]) -> npt.NDArray[np.uint16]:
        """Number of the disc at each node, ``(N, H, W)``; 0 is background."""
        inside = _inside(
            *grid_nodes(shape),
            self.centre.astype(np.float32),
            self.radius.astype(np.float32),
        )
        number = np.arange(1, self.radius.shape[1] + 1, dtype=np.uint16)
        numbers: npt.NDArray[np.uint16] = np.max(
            inside * number[:, None, None], axis=1, initial=0
        )
        return numbers

    @classmethod
    def join(cls, patterns: Sequence[Self]) -> Self:
        """Concatenate the fields of several patterns."""
        return cls(
            padded([pattern.centre for pattern in patterns], 0.5),
            padded([pattern.radius for pattern in patterns], 1e-6),
            padded([pattern.traction for pattern in patterns], 0.0),
        )


def _inside(x: Array, y: Array, centre: Array, radius: Array) -> Array:
    """Whether a node is inside a disc, ``(N, D, H, W)``."""
    dx = x - centre[..., 0, None, None]
    dy = y[:, None] - centre[..., 1, None, None]
    return dx * dx + dy * dy < (radius * radius)[..., None, None]


_Limit = Annotated[float, Range(maximum=10_000.0, excludes_minimum=False)]


@dataclass(frozen=True)
class DiscDistribution:
    """Distribution of discs. Lengths are fractions of the field width.

    The defaults are those of the original work.

    Parameters
    ----------
    count : tuple of float
        Discs are added while their number is below a limit, which is drawn
        uniformly from this range before each disc.
    radius : tuple of float
        Range of the radii, drawn uniformly.
    magnitude : float
        Largest traction ``t / E``, drawn uniformly from 0.
    margin : float
        Smallest distance of the rim of a disc from the border of the field. If
        negative, discs may lie outside the field of view.
    """

    count: Annotated[tuple[_Limit, _Limit], Increasing()] = (10.0, 50.0)
    radius: PositiveRange = (0.01, 0.05)
    magnitude: Positive = 0.5
    margin: Annotated[float, Range(minimum=-10.0, maximum=0.5)] = 0.05

    def __post_init__(self) -> None:
        check(self)

    def check_room(self, shape: tuple[int, int]) -> None:
        """Raise a ConfigError if the largest discs do not fit into a field.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns of the grid.
        """
        aspect = (shape[0] - 1) / (shape[1] - 1)
        room = 2 * (self.radius[1] + self.margin)
        if room > min(1.0, aspect):
            raise ConfigError(
                f"discs of radius {self.radius[1]:g} at least {self.margin:g} from the "
                f"border do not fit into {shape[0]} x {shape[1]} vectors"
            )

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> Discs:
        """Draw the discs of one field.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        shape : tuple of int
            Rows and columns of the grid.

        Raises
        ------
        ConfigError
            If the largest discs do not fit into the field.

        Notes
        -----
        A disc is kept if the distance of its centre to every other centre exceeds
        its own diameter plus 0.001. A small disc may therefore overlap a large one
        that was drawn before.
        """
        self.check_room(shape)
        aspect = (shape[0] - 1) / (shape[1] - 1)
        centres = np.empty((0, 2))
        radii: list[float] = []
        # In a crowded field most discs are rejected, so the number of trials is
        # limited.
        for _ in range(10_000):
            if len(radii) >= rng.uniform(*self.count):
                break
            radius = rng.uniform(*self.radius)
            low = radius + self.margin
            centre = rng.uniform((low, low), (1 - low, aspect - low))
            if np.all(np.hypot(*(centres - centre).T) > 2 * radius + 0.001):
                centres = np.concatenate([centres, centre[np.newaxis]])
                radii.append(radius)
        magnitude = rng.uniform(0, self.magnitude, len(radii))
        angle = rng.uniform(0, 2 * np.pi, len(radii))
        traction = magnitude[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return Discs(centres[None], np.array(radii)[None], traction[None])
