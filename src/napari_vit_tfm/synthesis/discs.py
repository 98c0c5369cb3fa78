"""Fields of discs of uniform traction, the original training distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.physics.disc import disc_displacement
from napari_vit_tfm.synthesis.fields import Array, grid_nodes, padded


@dataclass(frozen=True)
class Discs:
    """Discs of uniform traction, lengths as fractions of the field's width.

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
            Rows and columns; the columns span the field's width.
        window : float, keyword-only
            Zero: the closed form is that of the nodes themselves.

        Raises
        ------
        ConfigError
            For another window.

        Notes
        -----
        The displacement is exact. Where discs overlap, tractions add up.
        """
        if window:
            raise ConfigError("discs are measured at the nodes: their window is 0")
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
        """The fields of several patterns as one."""
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


@dataclass(frozen=True)
class DiscDistribution:
    """How discs are drawn; lengths are fractions of the field's width.

    The defaults are the original work's training distribution.

    Parameters
    ----------
    count : tuple of float
        A disc is added while the number of discs is below a number drawn
        uniformly from this range, anew for each disc.
    radius : tuple of float
        Range of the radii, drawn uniformly.
    magnitude : float
        Largest traction ``t / E``; drawn uniformly from 0.
    margin : float
        Least distance of a disc's rim from the field's border; negative to
        have discs outside the field of view.
    """

    count: tuple[float, float] = (10.0, 50.0)
    radius: tuple[float, float] = (0.01, 0.05)
    magnitude: float = 0.5
    margin: float = 0.05

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
            If the field is too flat for the largest discs.

        Notes
        -----
        A disc is kept if its centre is farther from every other centre than
        its own diameter and 0.001, so large discs drawn first may be
        overlapped by small ones.
        """
        aspect = (shape[0] - 1) / (shape[1] - 1)
        room = 2 * (self.radius[1] + self.margin)
        if room > min(1.0, aspect):
            raise ConfigError(
                f"discs of radius {self.radius[1]:g} at least {self.margin:g} from the "
                f"border do not fit into {shape[0]} x {shape[1]} vectors"
            )
        centres = np.empty((0, 2))
        radii: list[float] = []
        # In a crowded field most discs are rejected; give up in the end.
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
