"""Stacks of tractions, and what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields.constants import (
    COMPANION_NAMES,
    DISPLACEMENT_COMPANIONS,
    RECORD_NAMES,
)
from napari_vit_tfm.fields.vectors import (
    SPACINGS_UM,
    FloatArray,
    VectorStack,
    as_stack,
    check_length,
)
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.units import TRACTION_UNITS, DisplacementUnit, TractionUnit

Records = Mapping[str, npt.NDArray[Any]]
"""Numbers of each frame: arrays of shape ``(T, ...)``, by name."""

Companions = Mapping[str, FloatArray]
"""Vectors that belong to tractions: arrays ``(T, H, W, 2)`` on their grid, by name."""


@dataclass(frozen=True, eq=False)
class TractionStack(VectorStack):
    """Tractions exerted by the cell on the gel, in one or more frames.

    Parameters
    ----------
    data : array of shape (T, H, W, 2) or (H, W, 2)
        Traction vectors ``(x, y)``, stored as float32.
    unit : {"Pa", "1"}
        Pascal, or the dimensionless ``t / E``.
    spacing_um : float, optional
        Distance between neighbouring vectors, in micrometres.
    gel : Gel
        The gel that the tractions were computed for.
    model : str
        Name of the reconstruction method; empty for known tractions.
    model_sha256 : str
        SHA-256 of the weights of the method; empty for methods without weights.
    outline : array of shape (N, 2), optional
        Outline of the cell, ``(x, y)`` in grid steps counted from zero.
    drift : array of shape (T, 2), optional
        Mean displacement ``(x, y)`` that was subtracted from every frame before the
        reconstruction, in grid steps, stored as float64. None if none was subtracted,
        or if it is unknown.
    records : mapping of str to array
        Numbers of each frame, such as what was done to it; see `RECORD_NAMES`.
    companions : mapping of str to array of shape (T, H, W, 2)
        Vectors on the same grid, such as the residual; see `COMPANION_NAMES`.
    displacement_unit : {"um", "grid", "px", "field"}, optional
        Unit of the companions that are displacements.
    metadata : mapping
        Other information.

    Raises
    ------
    FieldError
        If an array has another shape, the unit is unknown, or a length is not
        positive.
    """

    data: FloatArray
    unit: TractionUnit = "1"
    spacing_um: float | None = None
    gel: Gel = field(default_factory=Gel)
    model: str = ""
    model_sha256: str = ""
    outline: npt.NDArray[np.float64] | None = None
    drift: npt.NDArray[np.float64] | None = None
    records: Records = field(default_factory=lambda: MappingProxyType({}))
    companions: Companions = field(default_factory=lambda: MappingProxyType({}))
    displacement_unit: DisplacementUnit | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", as_stack(self.data))
        if self.unit not in TRACTION_UNITS:
            raise FieldError(
                f"unknown traction unit {self.unit!r}: "
                f"expected one of {', '.join(TRACTION_UNITS)}"
            )
        check_length("the spacing in um", self.spacing_um, SPACINGS_UM)
        if self.drift is not None:
            object.__setattr__(self, "drift", self._checked_drift(self.drift))
        for name, values in self.records.items():
            if name not in RECORD_NAMES or len(values) != self.n_frames:
                raise FieldError(
                    f"{name} of {len(values)} frames is not a record of a stack of "
                    f"{self.n_frames}"
                )
        for name, vectors in self.companions.items():
            if name not in COMPANION_NAMES or vectors.shape != self.data.shape:
                raise FieldError(
                    f"{name} of the shape {vectors.shape} does not belong to tractions "
                    f"of the shape {self.data.shape}"
                )

    def companion_unit(self, name: str) -> str | None:
        """Unit of a companion; None if it is not known."""
        is_displacement = name in DISPLACEMENT_COMPANIONS
        return self.displacement_unit if is_displacement else self.unit

    def first(self, n: int) -> TractionStack:
        """The first `n` frames, or all if there are fewer."""
        return self.part(0, n)

    def part(self, start: int, stop: int) -> TractionStack:
        """Frames from `start` to before `stop`, with all that is known about them."""
        frames = slice(start, stop)
        return replace(
            self,
            data=self.data[frames],
            drift=None if self.drift is None else self.drift[frames],
            records={name: values[frames] for name, values in self.records.items()},
            companions={
                name: vectors[frames] for name, vectors in self.companions.items()
            },
        )

    def _checked_drift(self, drift: npt.ArrayLike) -> npt.NDArray[np.float64]:
        array = np.asarray(drift, dtype=np.float64)
        if array.shape != (self.n_frames, 2):
            raise FieldError(
                f"the drift of {self.n_frames} frames must have the shape "
                f"({self.n_frames}, 2), not {array.shape}"
            )
        return array
