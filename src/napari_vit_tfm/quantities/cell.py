"""`Cell`: the tractions of one cell in one frame, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.quantities.units import Scale
from napari_vit_tfm.quantities.windows import Windows
from napari_vit_tfm.trust.conditions import Conditions

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell in one frame.

    Sums run over `region`, which is larger than the cell, because displacements and
    tractions spread. Means and percentiles are those of `core`.

    Parameters
    ----------
    traction : array of shape (H, W, 2)
        Tractions ``(x, y)`` of the cell on the gel; NaN where they are not known.
    core, region, ring : arrays of bool, shape (H, W)
        The cell, the cell with its surroundings, and the ring around this region.
    frame, number : int
        Number of the frame, from 0, and of the cell.
    spacing : float
        Distance between neighbouring vectors, in the unit of length of `scale`.
    scale : Scale
        Units of tractions and lengths.
    is_field : bool
        Whether it is the whole field because no cell is known.
    is_balanced : bool
        Whether the method makes the forces of the whole field balance.
    displacement : array of shape (H, W, 2), optional
        Displacement that the tractions of the whole field cause, in the unit of length
        of `scale`. None if it is not known, as for tractions in Pa on a gel of unknown
        Young's modulus.
    measured : array of shape (H, W, 2), optional
        Measured displacement without drift, in the same unit.
    squares : array of shape (2, H, W), optional
        Squared lengths of the measured displacement and of what the tractions leave of
        it, both about their means; see `trust.consistency.squared_lengths`. Their unit
        does not matter.
    idle : array of shape (H, W), optional
        Mean magnitude of the tractions that are reconstructed where there is no force;
        see `control.force_free_magnitude`.
    conditions : Conditions, optional
        What the errors of the tractions depend on. None if it is not known.
    windows : Windows, optional
        Interrogation windows of the measured displacement. None if it is not known.
    method : str, optional
        Method of the tractions, if its errors are known.
    """

    traction: FloatArray
    core: Mask
    region: Mask
    ring: Mask
    frame: int
    number: int
    spacing: float
    scale: Scale
    is_field: bool = False
    is_balanced: bool = False
    displacement: FloatArray | None = None
    measured: FloatArray | None = None
    squares: FloatArray | None = None
    idle: FloatArray | None = None
    conditions: Conditions | None = None
    windows: Windows | None = None
    method: str | None = None

    @cached_property
    def computed(self) -> dict[str, float]:
        """Quantities that were computed, by name; see `Quantity.value`."""
        return {}

    @cached_property
    def known(self) -> Mask:
        """Where tractions are known, ``(H, W)``."""
        return np.asarray(np.isfinite(self.traction).all(axis=-1))

    @cached_property
    def nodes(self) -> Mask:
        """Nodes of the region with a traction, ``(H, W)``."""
        return self.region & self.known

    @property
    def touches_border(self) -> bool:
        """Whether the region of a cell reaches the border of the field."""
        ends = [0, -1]
        at_border = self.region[ends].any() or self.region[:, ends].any()
        return bool(at_border) and not self.is_field

    @property
    def area_of_node(self) -> float:
        """Area of the square of a node, in the squared unit of length."""
        return self.spacing**2

    @cached_property
    def centroid(self) -> tuple[float, float]:
        """Centroid ``(x, y)`` of the cell from the first node, in the length unit."""
        row, column = (float(part.mean()) for part in np.nonzero(self.core))
        return column * self.spacing, row * self.spacing

    @cached_property
    def positions(self) -> tuple[FloatArray, FloatArray]:
        """Positions ``(x, y)`` of `nodes` from the centroid, each ``(N,)``."""
        row, column = np.nonzero(self.nodes)
        x, y = self.centroid
        return np.asarray(column * self.spacing - x), np.asarray(row * self.spacing - y)

    @cached_property
    def forces(self) -> tuple[FloatArray, FloatArray]:
        """Forces ``(x, y)`` at `nodes`, traction times area, each ``(N,)``."""
        x, y = self.traction[self.nodes].T * self.area_of_node
        return x, y

    @cached_property
    def magnitude(self) -> FloatArray:
        """Magnitude of the tractions, ``(H, W)``."""
        return np.hypot(self.traction[..., 0], self.traction[..., 1])

    @cached_property
    def in_core(self) -> FloatArray:
        """Magnitudes of the tractions in the cell itself, ``(N,)``."""
        return self.magnitude[self.core & self.known]
