"""Stacks and streams of displacements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Annotated, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields.vectors import (
    DISTANCES,
    PIXEL_SIZES_UM,
    SPACINGS_UM,
    FloatArray,
    VectorStack,
    as_stack,
    check_length,
)
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.options import Choice, Number
from napari_vit_tfm.units import (
    DISPLACEMENT_UNITS,
    DisplacementUnit,
    Length,
    consistent_lengths,
    grid_steps_per_unit,
)


class FrameSource(Protocol):
    """Frames that are read when they are asked for, such as those of a file."""

    @property
    def n_frames(self) -> int:
        """Number of frames, ``T``."""

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Number of rows and columns, ``(H, W)``."""

    def frames(self, start: int, stop: int) -> FloatArray:
        """Frames from `start` to before `stop`, float32, ``(stop - start, H, W, 2)``.

        They are all there: ``0 <= start < stop <= n_frames``.
        """


@dataclass(frozen=True, eq=False, kw_only=True)
class Displacement(ABC):
    """Displacements of the gel's surface, in memory or not.

    It is a `DisplacementStack`, which is in memory, or a `DisplacementStream`, which
    is read in parts.

    Parameters
    ----------
    unit : {"um", "grid", "px", "field"}, optional
        ``um``: micrometres; ``grid``: steps of the vector grid; ``px``: camera
        pixels, which require `pixel_size_um`; ``field``: fractions of the field width
        ``L = (W - 1) * spacing_um``. None if it is unknown.
    spacing_um : float, optional
        Distance between neighbouring vectors, in micrometres.
    pixel_size_um : float, optional
        Size of a camera pixel in the specimen, in micrometres.
    gel : Gel
        The known properties of the gel.
    spacing_in_unit : float, optional
        Distance between neighbouring vectors in the unit of the displacements, where
        their positions are known. With it, displacements in ``px`` need no other
        length. Together with a pixel size it gives `spacing_um`, and together with
        `spacing_um` the pixel size.
    outline : array of shape (N, 2), optional
        Outline of the cell, ``(x, y)`` in grid steps counted from zero.
    metadata : mapping
        Other information from the file.

    Raises
    ------
    FieldError
        If the unit is unknown, a length is not positive, or the lengths contradict
        each other by more than 1%.
    """

    unit: Annotated[
        DisplacementUnit | None,
        Choice(
            label="Unit",
            help="Unit of the displacements",
            words={key: unit.words for key, unit in DISPLACEMENT_UNITS.items()},
            otherwise="choose\N{HORIZONTAL ELLIPSIS}",
            flag="units",
        ),
    ] = None
    spacing_um: Annotated[
        float | None,
        Number(
            label="Vector spacing",
            help="Distance between neighbouring displacement vectors",
            unit="\N{MICRO SIGN}m",
            minimum=SPACINGS_UM.minimum,
            maximum=SPACINGS_UM.maximum,
            step=0.1,
            usual=(0.02, 200.0),
            otherwise="not known",
        ),
    ] = None
    pixel_size_um: Annotated[
        float | None,
        Number(
            label="Pixel size",
            help="Side of a camera pixel in the specimen",
            unit="\N{MICRO SIGN}m",
            minimum=PIXEL_SIZES_UM.minimum,
            maximum=PIXEL_SIZES_UM.maximum,
            step=0.01,
            usual=(0.01, 20.0),
            otherwise="not known",
        ),
    ] = None
    gel: Gel = field(default_factory=Gel)
    spacing_in_unit: float | None = None
    outline: npt.NDArray[np.float64] | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.unit is not None and self.unit not in DISPLACEMENT_UNITS:
            raise FieldError(
                f"unknown displacement unit {self.unit!r}: "
                f"expected one of {', '.join(DISPLACEMENT_UNITS)}"
            )
        self._check_lengths(self.spacing_um, self.pixel_size_um)
        check_length("the distance of the positions", self.spacing_in_unit, DISTANCES)
        spacing, pixel_size = consistent_lengths(
            self.unit, self.spacing_in_unit, self.spacing_um, self.pixel_size_um
        )
        self._check_lengths(spacing, pixel_size)
        object.__setattr__(self, "spacing_um", spacing)
        object.__setattr__(self, "pixel_size_um", pixel_size)

    @staticmethod
    def _check_lengths(spacing_um: float | None, pixel_size_um: float | None) -> None:
        check_length("the spacing in um", spacing_um, SPACINGS_UM)
        check_length("the pixel size in um", pixel_size_um, PIXEL_SIZES_UM)

    @property
    def missing_lengths(self) -> tuple[Length, ...]:
        """Lengths that are required to convert the displacements, but not known."""
        if self.unit is None or self.spacing_in_unit is not None:
            return ()
        needs = DISPLACEMENT_UNITS[self.unit].needs
        return tuple(name for name in needs if getattr(self, name) is None)

    @property
    @abstractmethod
    def n_frames(self) -> int:
        """Number of frames, ``T``."""

    @property
    @abstractmethod
    def grid_shape(self) -> tuple[int, int]:
        """Number of rows and columns, ``(H, W)``."""

    @abstractmethod
    def frames(self, start: int, stop: int) -> FloatArray:
        """Frames from `start` to before `stop`, ``(stop - start, H, W, 2)``."""

    def part(self, start: int, stop: int) -> DisplacementStack:
        """The same frames as a stack, with all that is known about them."""
        return self.with_data(self.frames(start, stop))

    def with_data(self, data: npt.ArrayLike) -> DisplacementStack:
        """Other vectors as a stack, with all that is known about these."""
        known = {item.name: getattr(self, item.name) for item in fields(Displacement)}
        return DisplacementStack(np.asarray(data, dtype=np.float32), **known)

    def grid_steps_per_unit(self) -> float:
        """Conversion factor from the unit of this displacement to grid steps.

        Raises
        ------
        FieldError
            If the unit, or a length required to convert it, is unknown.
        """
        if self.unit is None:
            raise FieldError(
                "the displacement's unit is not known: "
                f"set it to one of {', '.join(DISPLACEMENT_UNITS)}"
            )
        if self.spacing_in_unit is not None and self.unit in ("px", "um"):
            return 1.0 / self.spacing_in_unit
        return grid_steps_per_unit(
            self.unit,
            n_columns=self.grid_shape[1],
            spacing_um=self.spacing_um,
            pixel_size_um=self.pixel_size_um,
        )


@dataclass(frozen=True, eq=False)
class DisplacementStack(VectorStack, Displacement):
    """Displacements in memory, frame after frame.

    Parameters
    ----------
    data : array of shape (T, H, W, 2) or (H, W, 2)
        Displacement vectors ``(x, y)``; kept as float32.
    unit, spacing_um, pixel_size_um, gel, spacing_in_unit, outline, metadata
        Optional, keyword-only; as for `Displacement`.

    Raises
    ------
    FieldError
        For arrays of another shape, unknown units, or lengths that are not
        positive.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import DisplacementStack
    >>> stack = DisplacementStack(np.ones((3, 16, 21, 2)), unit="um", spacing_um=0.5)
    >>> stack.n_frames, stack.grid_shape, stack.grid_steps_per_unit()
    (3, (16, 21), 2.0)
    """

    data: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", as_stack(self.data))
        super().__post_init__()

    def frames(self, start: int, stop: int) -> FloatArray:
        """Frames from `start` to before `stop`, ``(stop - start, H, W, 2)``."""
        return self.data[start:stop]

    def in_grid_steps(self) -> FloatArray:
        """Displacements in steps of the vector grid, ``(T, H, W, 2)``."""
        return self.data * np.float32(self.grid_steps_per_unit())


@dataclass(frozen=True, eq=False)
class DisplacementStream(Displacement):
    """Displacements that are read in parts, as they may not fit into memory.

    Parameters
    ----------
    source : FrameSource
        Where frames come from.
    unit, spacing_um, pixel_size_um, gel, spacing_in_unit, outline, metadata
        Optional, keyword-only; as for `Displacement`.

    Raises
    ------
    FieldError
        For unknown units, or lengths that are not positive.

    Examples
    --------
    What has `n_frames`, `grid_shape` and `frames` is a source, a stack for example:

    >>> import numpy as np
    >>> from napari_vit_tfm.fields import DisplacementStack, DisplacementStream
    >>> stream = DisplacementStream(
    ...     DisplacementStack(np.ones((90, 16, 21, 2))), unit="grid"
    ... )
    >>> stream.n_frames, stream.part(80, 88).data.shape
    (90, (8, 16, 21, 2))
    """

    source: FrameSource

    @property
    def n_frames(self) -> int:
        """Number of frames, ``T``."""
        return self.source.n_frames

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Number of rows and columns, ``(H, W)``."""
        return self.source.grid_shape

    def frames(self, start: int, stop: int) -> FloatArray:
        """Read frames from `start` to before `stop`, ``(stop - start, H, W, 2)``."""
        return self.source.frames(start, stop)
