"""Fields of discs of uniform traction, the original training distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.physics.disc import disc_displacement
from napari_vit_tfm.synthesis.fields import SyntheticStack, grid_nodes


@dataclass(frozen=True)
class Discs:
    """The discs of one field, lengths as fractions of the field's width.

    Parameters
    ----------
    centre : array of shape (D, 2)
        Centres ``(x, y)``.
    radius : array of shape (D,)
        Radii.
    traction : array of shape (D, 2)
        Traction ``t / E``, ``(x, y)``.
    """

    centre: npt.NDArray[np.float64]
    radius: npt.NDArray[np.float64]
    traction: npt.NDArray[np.float64]

    def on_grid(self, shape: tuple[int, int]) -> SyntheticStack:
        """The field of these discs, a stack of one.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns; the columns span the field's width.

        Notes
        -----
        Where discs overlap, tractions add up and the segmentation names the
        later disc.
        """
        x, y = grid_nodes(shape)
        displacement = disc_displacement(
            x,
            y,
            self.centre.astype(np.float32),
            self.radius.astype(np.float32),
            self.traction.astype(np.float32),
        )
        traction = np.zeros((*shape, 2), dtype=np.float32)
        segmentation = np.zeros(shape, dtype=np.uint8)
        for label, (centre, radius, vector) in enumerate(
            zip(self.centre, self.radius, self.traction, strict=True), start=1
        ):
            inside = (x - centre[0]) ** 2 + (y[:, None] - centre[1]) ** 2 < radius**2
            traction[inside] += vector.astype(np.float32)
            segmentation[inside] = label
        return SyntheticStack(
            displacement[np.newaxis], traction[np.newaxis], segmentation[np.newaxis]
        )


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
        Least distance of a disc's rim from the field's border.
    """

    count: tuple[float, float] = (10.0, 50.0)
    radius: tuple[float, float] = (0.01, 0.05)
    magnitude: float = 0.5
    margin: float = 0.05

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, int]
    ) -> SyntheticStack:
        """Draw one field, a stack of one.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        shape : tuple of int
            Rows and columns.
        """
        aspect = (shape[0] - 1) / (shape[1] - 1)
        return self.draw(rng, aspect=aspect).on_grid(shape)

    def draw(self, rng: np.random.Generator, *, aspect: float = 1.0) -> Discs:
        """Draw the discs of one field.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        aspect : float, keyword-only
            The field's height over its width.

        Notes
        -----
        A disc is kept if its centre is farther from every other centre than
        its own diameter and 0.001, so large discs drawn first may be
        overlapped by small ones.
        """
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
        return Discs(centres, np.array(radii), traction)
