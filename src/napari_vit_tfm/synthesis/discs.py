"""Fields of discs of uniform traction, the original training distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import REFERENCE_POISSON
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.physics.disc import disc_displacement

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SyntheticStack:
    """Displacement fields with the tractions that made them.

    Everything is in the reference form: displacement ``u / L``, traction
    ``t / E``, Poisson ratio 0.49, a half-space.

    Parameters
    ----------
    displacement, traction : arrays of shape (n, H, W, 2)
        Components ``(x, y)``, float32.
    segmentation : array of shape (n, H, W)
        Number of the patch at each node, counted from 1; 0 is background.
    """

    displacement: FloatArray
    traction: FloatArray
    segmentation: npt.NDArray[np.uint8]

    def on_gel(
        self, *, young: float, spacing: float
    ) -> tuple[DisplacementStack, TractionStack]:
        """The fields as they would be measured, with units.

        Parameters
        ----------
        young : float, keyword-only
            Young's modulus in Pa.
        spacing : float, keyword-only
            Distance between neighbouring vectors in um.

        Returns
        -------
        displacement : DisplacementStack
            In um; its metadata name the gel.
        traction : TractionStack
            In Pa.
        """
        width = (self.displacement.shape[2] - 1) * spacing
        gel = {"young_pa": young, "poisson": REFERENCE_POISSON}
        displacement = DisplacementStack(
            self.displacement * np.float32(width),
            unit="um",
            spacing=spacing,
            metadata={"attributes": gel},
        )
        traction = TractionStack(
            self.traction * np.float32(young),
            unit="Pa",
            spacing=spacing,
            young=young,
            poisson=REFERENCE_POISSON,
        )
        return displacement, traction


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


def grid_nodes(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Positions of columns and rows as fractions of the field's width.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    x : array of shape (W,)
        From 0 to 1.
    y : array of shape (H,)
        In the same steps.
    """
    height, width = shape
    step = 1 / (width - 1)
    x, y = np.arange(width) * step, np.arange(height) * step
    return x.astype(np.float32), y.astype(np.float32)


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


def stack_fields(fields: Sequence[SyntheticStack]) -> SyntheticStack:
    """Join stacks of the same grid, one after the other."""
    return SyntheticStack(
        *(
            np.concatenate([getattr(field, name) for field in fields])
            for name in ("displacement", "traction", "segmentation")
        )
    )


def synthesise_discs(
    n: int,
    *,
    seed: int,
    shape: tuple[int, int] = (104, 104),
    distribution: DiscDistribution | None = None,
) -> SyntheticStack:
    """Random fields of discs, the same for the same seed.

    Parameters
    ----------
    n : int
        Number of fields.
    seed : int, keyword-only
        Seed of the random numbers.
    shape : tuple of int, keyword-only
        Rows and columns.
    distribution : DiscDistribution, keyword-only, optional
        How the discs are drawn; None is the original work's way.

    Returns
    -------
    SyntheticStack
        Clean, in the reference form.
    """
    rng = np.random.default_rng(seed)
    distribution = distribution or DiscDistribution()
    aspect = (shape[0] - 1) / (shape[1] - 1)
    return stack_fields(
        [distribution.draw(rng, aspect=aspect).on_grid(shape) for _ in range(n)]
    )
