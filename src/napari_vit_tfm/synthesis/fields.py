"""Synthetic fields: displacements with the tractions that cause them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import REFERENCE_GEL

FloatArray = npt.NDArray[np.float32]

Array = Any
"""A numpy array or a torch tensor."""


@dataclass(frozen=True)
class SyntheticStack:
    """Displacement fields with the tractions that cause them.

    Both are in the reference form: displacement ``u / L`` and traction ``t / E`` on a
    half-space of Poisson ratio 0.49.

    Parameters
    ----------
    displacement, traction : arrays of shape (n, H, W, 2)
        Components ``(x, y)``, float32.
    segmentation : array of shape (n, H, W)
        Number of the patch at each node, counted from 1; 0 is background.
    """

    displacement: FloatArray
    traction: FloatArray
    segmentation: npt.NDArray[np.uint16]

    def on_gel(
        self, *, young_pa: float, spacing_um: float
    ) -> tuple[DisplacementStack, TractionStack]:
        """Convert the fields to physical units.

        Parameters
        ----------
        young_pa : float, keyword-only
            Young's modulus in Pa.
        spacing_um : float, keyword-only
            Distance between neighbouring vectors in um.

        Returns
        -------
        displacement : DisplacementStack
            In um.
        traction : TractionStack
            In Pa.
        """
        width = (self.displacement.shape[2] - 1) * spacing_um
        gel = replace(REFERENCE_GEL, young_pa=young_pa)
        displacement = DisplacementStack(
            self.displacement * np.float32(width),
            unit="um",
            spacing_um=spacing_um,
            gel=gel,
        )
        traction = TractionStack(
            self.traction * np.float32(young_pa),
            unit="Pa",
            spacing_um=spacing_um,
            gel=gel,
        )
        return displacement, traction


class ForcePattern(Protocol):
    """Tractions of several fields, as arrays with a leading axis of fields.

    All arrays belong to one namespace (numpy or torch) and one device, as do the
    results.
    """

    def on_grid(
        self, shape: tuple[int, int], *, window: float = 0.0
    ) -> tuple[Array, Array]:
        """Displacement ``u / L`` and traction ``t / E`` at the nodes.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns of the grid.
        window : float, keyword-only
            Side of the square around a node over which the displacement is averaged,
            in grid steps, as in image correlation. With 0 it is the displacement at
            the node.

        Returns
        -------
        displacement, traction : arrays of shape (N, H, W, 2)
        """
        ...

    def segmentation(self, shape: tuple[int, int]) -> npt.NDArray[np.uint16]:
        """Number of the patch at each node, ``(N, H, W)``; 0 is background.

        Where patches overlap, it is the number of the last one. numpy only.
        """
        ...

    @classmethod
    def join(cls, patterns: Sequence[Self]) -> Self:
        """Concatenate the fields of several patterns; numpy only."""
        ...


class Distribution(Protocol):
    """A random distribution of force patterns."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> ForcePattern:
        """Draw the pattern of one field with `shape` rows and columns."""
        ...


def render(
    pattern: ForcePattern, shape: tuple[int, int], *, window: float = 0.0
) -> SyntheticStack:
    """Compute the fields of a pattern of numpy arrays; see `ForcePattern.on_grid`."""
    displacement, traction = pattern.on_grid(shape, window=window)
    return SyntheticStack(
        displacement.astype(np.float32),
        traction.astype(np.float32),
        pattern.segmentation(shape),
    )


def grid_nodes(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Positions of columns and rows, as fractions of the field width.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    x : array of shape (W,)
        From 0 to 1.
    y : array of shape (H,)
        With the same step.
    """
    height, width = shape
    step = 1 / (width - 1)
    x, y = np.arange(width) * step, np.arange(height) * step
    return x.astype(np.float32), y.astype(np.float32)


def padded(parts: Sequence[npt.NDArray[Any]], fill: float) -> npt.NDArray[Any]:
    """Concatenate arrays along the first axis, padding the second axis.

    Parameters
    ----------
    parts : sequence of arrays of shape (N, D, ...)
        D may differ between the arrays.
    fill : float
        Value of the padding.
    """
    longest = max(part.shape[1] for part in parts)
    return np.concatenate(
        [
            np.pad(
                part,
                [(0, 0), (0, longest - part.shape[1]), *[(0, 0)] * (part.ndim - 2)],
                constant_values=fill,
            )
            for part in parts
        ]
    )
