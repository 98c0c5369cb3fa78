"""Displacements and tractions: arrays with units, lengths and gel.

Every stack is a float32 array of shape ``(T, H, W, 2)``. The last axis is
``(x, y)``: component 0 points along the columns, component 1 along the rows,
and rows are counted downwards as in an image. The vectors are at the nodes of
a regular grid whose ``W`` columns span ``L = (W - 1) * spacing_um``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Annotated, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.constraints import Range, shown
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.options import Choice, Number
from napari_vit_tfm.units import (
    DISPLACEMENT_UNITS,
    TRACTION_UNITS,
    DisplacementUnit,
    Length,
    TractionUnit,
    consistent_lengths,
    grid_steps_per_unit,
)

FloatArray = npt.NDArray[np.float32]

Records = Mapping[str, npt.NDArray[Any]]
"""Numbers of each frame: arrays of shape ``(T, ...)``, by name."""

Companions = Mapping[str, FloatArray]
"""Vectors that belong to tractions: arrays ``(T, H, W, 2)`` on their grid, by name."""

Checks = npt.NDArray[np.void]
"""What checks found in each frame, ``(T,)``; see `displacement.doctor.as_checks`."""


RECORD_NAMES = (
    "holes",
    "outliers_replaced",
    "drift_removed",
    "explained",
    "relative_noise",
    "noise_length",
    "chi_squared",
    "allowance",
    "unfamiliar",
    "unfamiliar_score",
    "unfamiliar_reason",
)
"""Names of the records of tractions.

``holes``, ``(T,)``: number of vectors without displacement; ``outliers_replaced``,
``(T,)``: their number; ``drift_removed``, ``(T, 3)``: drift ``(x, y)`` in grid steps,
and rotation in radians, before binning and reversal. ``explained`` and
``chi_squared``, ``(T,)``: share of the squared displacement that the tractions explain,
and their residual relative to the noise. ``relative_noise`` and ``noise_length``,
``(T,)``: estimated noise per component relative to the root mean square of the
displacement about its mean, and its correlation length in grid steps. ``allowance``,
``(T,)``: residual that the method leaves, relative to the bundled network.
``unfamiliar``, ``unfamiliar_score`` and ``unfamiliar_reason``, ``(T,)``: whether the
field is unlike those that the network has learnt, 0 or 1, by how much, and the number
of the most probable reason, see `trust.gauge.REASONS`.
"""

SIZE_RECORDS = (
    "holes",
    "outliers_replaced",
    "relative_noise",
    "noise_length",
    "chi_squared",
)
"""Records that are numbers of vectors, shares or lengths, which are not negative."""

COMPANION_NAMES = ("displacement_model", "residual", "halfwidth_68", "halfwidth_95")
"""Names of the companions of tractions.

``displacement_model``: displacement that the tractions cause; ``residual``: the rest of
the measured displacement; both are in `TractionStack.displacement_unit`.
``halfwidth_68`` and ``halfwidth_95``: half-widths of the central 68% and 95% intervals
of each component, in the unit of the tractions.
"""

DISPLACEMENT_COMPANIONS = ("displacement_model", "residual")
"""Companions that are displacements."""


def _as_stack(data: npt.ArrayLike) -> FloatArray:
    array = np.asarray(data, dtype=np.float32)
    if array.ndim == 3:
        array = array[np.newaxis]
    if array.ndim != 4 or array.shape[-1] != 2:
        raise FieldError(
            f"a stack of vector fields must have the shape (T, H, W, 2), "
            f"not {array.shape}"
        )
    if min(array.shape) == 0:
        raise FieldError(f"the stack is empty: its shape is {array.shape}")
    return array


_SPACINGS_UM = Range(minimum=1e-3, maximum=1e5)
_PIXEL_SIZES_UM = Range(minimum=1e-4, maximum=1e5)
_DISTANCES = Range(minimum=1e-9, maximum=1e9)
"""Lengths that no field has are mistakes, such as metres instead of micrometres."""


def _check_length(name: str, value: float | None, allowed: Range) -> None:
    if value is not None and (words := allowed.expected(value)):
        raise FieldError(f"{name} must be {words}, not {shown(value)}")


def drift_of(data: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Mean vector of every frame, which includes any drift of the microscope stage.

    Parameters
    ----------
    data : array of shape (T, H, W, 2)
        Finite displacements.

    Returns
    -------
    array of shape (T, 2)
        Components ``(x, y)``, in the unit of `data`. The sum is computed in double
        precision, so that the mean of equal vectors is exact.
    """
    # Component by component, since sums over pairs of numbers are slow.
    means = [data[..., i].mean(axis=(1, 2), dtype=np.float64) for i in (0, 1)]
    return np.stack(means, axis=-1)


def without_drift(data: npt.NDArray[np.floating]) -> FloatArray:
    """Subtract the mean vector of every frame.

    Parameters
    ----------
    data : array of shape (T, H, W, 2)
        Finite displacements.

    Returns
    -------
    array of shape (T, H, W, 2)
        In the unit of `data`. The difference is computed in double precision, so that
        a small field on a large drift loses no accuracy.
    """
    left = np.empty(data.shape, dtype=np.float32)
    for i, mean in enumerate(drift_of(data).T):
        left[..., i] = data[..., i] - mean[:, None, None]
    return left


class _VectorStack:
    """Base class of displacement and traction stacks."""

    data: FloatArray

    @property
    def n_frames(self) -> int:
        """Number of frames, ``T``."""
        return int(self.data.shape[0])

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Number of rows and columns, ``(H, W)``."""
        return int(self.data.shape[1]), int(self.data.shape[2])

    def magnitude(self) -> FloatArray:
        """Length of every vector, ``(T, H, W)``, in the unit of the stack."""
        lengths: FloatArray = np.hypot(self.data[..., 0], self.data[..., 1])
        return lengths

    def longest(self) -> float:
        """Length of the longest finite vector of all frames."""
        lengths = self.magnitude()
        return float(lengths.max(where=np.isfinite(lengths), initial=0.0))


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
            minimum=_SPACINGS_UM.minimum,
            maximum=_SPACINGS_UM.maximum,
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
            minimum=_PIXEL_SIZES_UM.minimum,
            maximum=_PIXEL_SIZES_UM.maximum,
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
        _check_length("the distance of the positions", self.spacing_in_unit, _DISTANCES)
        spacing, pixel_size = consistent_lengths(
            self.unit, self.spacing_in_unit, self.spacing_um, self.pixel_size_um
        )
        self._check_lengths(spacing, pixel_size)
        object.__setattr__(self, "spacing_um", spacing)
        object.__setattr__(self, "pixel_size_um", pixel_size)

    @staticmethod
    def _check_lengths(spacing_um: float | None, pixel_size_um: float | None) -> None:
        _check_length("the spacing in um", spacing_um, _SPACINGS_UM)
        _check_length("the pixel size in um", pixel_size_um, _PIXEL_SIZES_UM)

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
class DisplacementStack(_VectorStack, Displacement):
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
        object.__setattr__(self, "data", _as_stack(self.data))
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


@dataclass(frozen=True, eq=False)
class TractionStack(_VectorStack):
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
        object.__setattr__(self, "data", _as_stack(self.data))
        if self.unit not in TRACTION_UNITS:
            raise FieldError(
                f"unknown traction unit {self.unit!r}: "
                f"expected one of {', '.join(TRACTION_UNITS)}"
            )
        _check_length("the spacing in um", self.spacing_um, _SPACINGS_UM)
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


@dataclass(frozen=True, eq=False)
class FrameResults:
    """What a reconstruction finds in each of some frames.

    Parameters
    ----------
    data : array of shape (n, H, W, 2)
        Their tractions, float32, in the unit of the run.
    drift : array of shape (n, 2), optional
        As in `TractionStack`.
    records : mapping of str to array
        As in `TractionStack`.
    companions : mapping of str to array of shape (n, H, W, 2)
        As in `TractionStack`.
    checks : structured array of shape (n,), optional
        What the checks of the displacements found; None if there were none.
    """

    data: FloatArray
    drift: npt.NDArray[np.float64] | None
    records: Records
    companions: Companions
    checks: Checks | None = None


class FinishedFrames(Protocol):
    """The first frames of a run, which were computed before."""

    @property
    def n_frames(self) -> int:
        """Their number."""

    def results(self, start: int, stop: int) -> FrameResults:
        """Results of the frames from `start` to before `stop`.

        They are all there: ``0 <= start < stop <= n_frames``.
        """


def frames_in_words(numbers: Iterable[int]) -> str:
    """Numbers of frames in a sentence.

    Parameters
    ----------
    numbers : iterable of int
        At least one number; counted from 0, in increasing order.

    Examples
    --------
    >>> frames_in_words([1, 2, 3, 7])
    'frames 1 to 3, 7'
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], number]
        else:
            ranges.append([number])
    words = ", ".join(" to ".join(map(str, ends)) for ends in ranges)
    is_one = len(ranges) == len(ranges[0]) == 1
    return f"frame {words}" if is_one else f"frames {words}"
