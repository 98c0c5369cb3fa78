"""Preparation of displacements: reversal, binning, outliers, drift and holes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.displacement.checks import FrameChecks, check_frame
from napari_vit_tfm.displacement.drift import without_motion
from napari_vit_tfm.displacement.holes import Mask, bridge, holes_of
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import (
    Displacement,
    DisplacementStack,
    DisplacementStream,
    FloatArray,
    Records,
)

LARGEST_REPLACED = 25
"""Most neighbouring outliers that are replaced; more become a hole."""

OnChecks = Callable[[int, FrameChecks], None]
"""Called with the number of a frame and what was found in it."""


def prepare(displacement: Displacement, config: PreparationConfig) -> Displacement:
    """Prepare displacements for a reconstruction.

    `napari_vit_tfm.reconstruct` does it itself, with its argument `preparation`.

    Parameters
    ----------
    displacement : DisplacementStack or DisplacementStream
        Measured displacements. Vectors that are NaN or infinite are holes.
    config : PreparationConfig
        What is done.

    Returns
    -------
    Displacement
        A stack of a stack, and a stream of a stream, whose frames are prepared when
        they are read. Holes are NaN. The mapping ``metadata["preparation"]`` has the
        options that are not at their defaults.

    Raises
    ------
    FieldError
        If fewer than 3 x 3 vectors are left by binning.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import DisplacementStack
    >>> from napari_vit_tfm.config import PreparationConfig
    >>> from napari_vit_tfm.displacement import prepare
    >>> stack = DisplacementStack(np.ones((1, 32, 40, 2)), unit="um", spacing_um=0.5)
    >>> prepared = prepare(stack, PreparationConfig(bin_size=2, remove_drift=True))
    >>> prepared.grid_shape, prepared.spacing_um, float(abs(prepared.data).max())
    ((16, 20), 1.0, 0.0)
    """
    stream = PreparedFrames(displacement, config).stream()
    if isinstance(displacement, DisplacementStack):
        return stream.part(0, stream.n_frames)
    return stream


def options_in_use(config: PreparationConfig) -> dict[str, bool | int]:
    """The options that are not at their defaults, by name.

    Examples
    --------
    >>> from napari_vit_tfm.config import PreparationConfig
    >>> from napari_vit_tfm.displacement.preparation import options_in_use
    >>> options_in_use(PreparationConfig(reverse=True, bin_size=2))
    {'reverse': True, 'bin_size': 2}
    """
    default = asdict(PreparationConfig())
    return {name: x for name, x in asdict(config).items() if x != default[name]}


@dataclass(frozen=True, eq=False)
class PreparedFrames:
    """A `FrameSource` that prepares the frames of another one.

    Parameters
    ----------
    displacement : Displacement
        The measured displacements.
    config : PreparationConfig
        What is done.
    on_checks : callable, optional
        Called for every frame that is read. It makes the checks necessary, even if
        nothing that depends on them is done.

    Raises
    ------
    FieldError
        If fewer than 3 x 3 vectors are left by binning.
    """

    displacement: Displacement
    config: PreparationConfig
    on_checks: OnChecks | None = None

    def __post_init__(self) -> None:
        if self.config.bin_size > 1 and min(self.grid_shape) < 3:
            height, width = self.displacement.grid_shape
            raise FieldError(
                f"squares of {self.config.bin_size} x {self.config.bin_size} vectors "
                f"are too large for a field of {height} x {width}"
            )

    def stream(self) -> DisplacementStream:
        """The frames with all that is known about them."""
        measured, n = self.displacement, self.config.bin_size
        known: dict[str, Any] = {
            item.name: getattr(measured, item.name) for item in fields(Displacement)
        }
        done = options_in_use(self.config)
        if done:
            known["metadata"] = {**measured.metadata, "preparation": done}
        for name in ("spacing_um", "spacing_in_unit"):
            if known[name] is not None:
                known[name] *= n
        if measured.outline is not None:
            # The first bin has its centre between its first and its last vector.
            known["outline"] = (measured.outline - (n - 1) / 2) / n
        return DisplacementStream(self, **known)

    @property
    def n_frames(self) -> int:
        """Number of frames, ``T``."""
        return self.displacement.n_frames

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Number of rows and columns after binning, ``(H, W)``."""
        height, width = self.displacement.grid_shape
        return height // self.config.bin_size, width // self.config.bin_size

    def frames(self, start: int, stop: int) -> FloatArray:
        """Frames from `start` to before `stop`, prepared."""
        return self.with_records(start, stop)[0]

    def with_records(self, start: int, stop: int) -> tuple[FloatArray, Records]:
        """Prepared frames, and what was done to each of them.

        Returns
        -------
        frames : array of shape (stop - start, H, W, 2)
        records : mapping of str to array of shape (stop - start, ...)
            ``outliers_replaced``, the number of outliers, and ``drift_removed``, the
            motion ``(x, y, rotation)`` in grid steps before binning; as far as it was
            done.
        """
        found, records = [], []
        # In a copy, since a batch may be a view of the user's data.
        for number, field in enumerate(self.displacement.frames(start, stop), start):
            prepared, record = self._prepared(field, number)
            found.append(prepared)
            records.append(record)
        joined = {
            name: np.array([record[name] for record in records]) for name in records[0]
        }
        return np.stack(found), joined

    def _prepared(
        self, field: FloatArray, number: int
    ) -> tuple[FloatArray, Mapping[str, Any]]:
        config, record = self.config, dict[str, Any]()
        needs_checks = (
            config.zeros_are_holes or config.replace_outliers or config.remove_drift
        )
        if needs_checks or self.on_checks is not None:
            checks = check_frame(field)
            if self.on_checks is not None:
                self.on_checks(number, checks)
            if config.zeros_are_holes:
                field = np.where(checks.zero_regions[..., None], np.nan, field)
            if config.replace_outliers:
                field = _replaced(field, checks)
                record["outliers_replaced"] = checks.outliers.count
            if config.remove_drift:
                field = without_motion(field, checks.motion)
                steps, motion = self._steps_per_unit, checks.motion
                record["drift_removed"] = (
                    motion.x * steps,
                    motion.y * steps,
                    motion.rotation * steps,
                )
        if config.reverse:
            field = -field
        if config.bin_size > 1:
            field = binned(field, config.bin_size) * np.float32(self.bin_factor)
        return field.astype(np.float32), record

    @property
    def _steps_per_unit(self) -> float:
        return self.displacement.grid_steps_per_unit()

    @property
    def bin_factor(self) -> float:
        """Change of the numbers in the unit of the displacements by binning.

        Grid steps and the width of the field become longer; micrometres and camera
        pixels stay.
        """
        if self.displacement.unit == "grid":
            return 1 / self.config.bin_size
        if self.displacement.unit == "field":
            before, after = self.displacement.grid_shape[1], self.grid_shape[1]
            return (before - 1) / ((after - 1) * self.config.bin_size)
        return 1.0


def binned(field: npt.NDArray[np.floating], n: int) -> FloatArray:
    """Mean over squares of vectors.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors; NaN are holes.
    n : int
        Side of a square. Rows and columns that do not fill a square are left out.

    Returns
    -------
    array of shape (H // n, W // n, 2)
        Mean of the vectors that are there; NaN if they are fewer than half.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.displacement.preparation import binned
    >>> field = np.arange(4.0)[:, None, None] * np.ones((4, 4, 2))
    >>> field[0, 0], field[0:2, 2:4] = np.nan, np.nan
    >>> binned(field, 2)[..., 0]
    array([[0.6666667,       nan],
           [2.5      , 2.5      ]], dtype=float32)
    """
    rows, columns = field.shape[0] // n, field.shape[1] // n
    squares = field[: rows * n, : columns * n].reshape(rows, n, columns, n, 2)
    there = ~holes_of(squares)
    count = there.sum(axis=(1, 3))
    total = np.where(there[..., None], squares, 0.0).sum(axis=(1, 3), dtype=np.float64)
    mean = total / np.maximum(count, 1)[..., None]
    enough = 2 * count >= n * n
    return np.where(enough[..., None], mean, np.nan).astype(np.float32)


def bridged(stack: DisplacementStack) -> tuple[DisplacementStack, Mask]:
    """Bridge the holes of a stack.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements; vectors that are NaN or infinite are holes.

    Returns
    -------
    stack : DisplacementStack
        Finite displacements.
    holes : array of bool, shape (T, H, W)
        Where they were missing.
    """
    holes = holes_of(stack.data)
    if not holes.any():
        return stack, holes
    return replace(stack, data=np.stack([bridge(field) for field in stack.data])), holes


def _replaced(field: FloatArray, checks: FrameChecks) -> FloatArray:
    """The frame with outliers replaced by values from their neighbours.

    The bridge uses only vectors that can be relied on. Holes stay holes, and large
    groups of outliers become holes.
    """
    mask = checks.outliers.mask
    if not mask.any():
        return field
    groups, _ = scipy.ndimage.label(mask, structure=np.ones((3, 3)))
    is_large = (np.bincount(groups.ravel()) > LARGEST_REPLACED)[groups] & mask
    field = np.where(mask[..., None], bridge(checks.usable), field)
    return np.where(is_large[..., None], np.float32(np.nan), field)
