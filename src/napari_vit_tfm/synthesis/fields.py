"""Synthetic fields: displacements with the tractions that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import REFERENCE_POISSON
from napari_vit_tfm.fields import DisplacementStack, TractionStack

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


def stack_fields(fields: Sequence[SyntheticStack]) -> SyntheticStack:
    """Join stacks of the same grid, one after the other."""
    return SyntheticStack(
        *(
            np.concatenate([getattr(field, name) for field in fields])
            for name in ("displacement", "traction", "segmentation")
        )
    )


class Distribution(Protocol):
    """A way to draw random fields."""

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, int]
    ) -> SyntheticStack:
        """Draw one field, a stack of one, with `shape` rows and columns."""
        ...
