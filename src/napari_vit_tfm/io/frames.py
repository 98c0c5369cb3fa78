"""`FileFrames`: the frames of a vector field in an open file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import FloatArray
from napari_vit_tfm.io.base import AnyArray, ArrayEntry, to_stack
from napari_vit_tfm.io.field_file import FieldFile

LARGEST, SMALLEST = 1e18, 1e-30
"""Range of numbers in fields. The square of larger ones is not in float32."""


@dataclass(frozen=True, eq=False)
class FileFrames:
    """A `FrameSource`: frames of an array in a file, which has to be open.

    Parameters
    ----------
    file : FieldFile
        The open file.
    entry : ArrayEntry
        The array; its layout is not None.
    factor : float
        Factor by which the numbers in the file are multiplied.
    y : {"down", "up"}
        Direction of the y axis in the file.
    """

    file: FieldFile
    entry: ArrayEntry
    factor: float = 1.0
    y: YDirection = "down"

    @property
    def n_frames(self) -> int:
        """Number of frames, ``T``."""
        return self.entry.n_frames

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Number of rows and columns, ``(H, W)``."""
        return self.entry.grid_shape

    def all(self) -> FloatArray:
        """All frames."""
        return self.frames(0, self.n_frames)

    def frames(self, start: int, stop: int) -> FloatArray:
        """Read the frames from `start` to before `stop`, as float32.

        Vectors that are not finite are holes: both components are NaN.

        Raises
        ------
        FieldFileError
            If the numbers have another type than in the header, or the file is
            damaged.
        """
        assert self.entry.layout is not None
        array = self.file.read(
            self.entry.name, slice(start, stop) if self.entry.has_frames else None
        )
        if array.dtype.kind != "f":
            raise FieldFileError(
                f"{self.file.path}: {self.entry.name} has {array.dtype} numbers, "
                f"expected {self.file.expects}"
            )
        self._check_range(array)
        # Numbers that exceed float32 become infinite, which is a hole.
        with np.errstate(over="ignore", under="ignore"):
            vectors = np.array(
                to_stack(array, self.entry.layout, y=self.y),
                dtype=np.float32,
                order="C",
            )
            if self.factor != 1:
                vectors = vectors * np.float32(self.factor)
        vectors[~np.isfinite(vectors).all(axis=-1)] = np.nan
        # Rounding leaves such numbers, of which float32 has few digits.
        vectors[np.abs(vectors) < SMALLEST] = 0
        return vectors

    def _check_range(self, array: AnyArray) -> None:
        """Raise an error if a number is larger than any displacement or traction."""
        sizes = np.abs(array)
        is_float32 = sizes <= np.finfo(np.float32).max
        largest = float(sizes.max(initial=0, where=is_float32)) * abs(self.factor)
        if largest > LARGEST:
            raise FieldFileError(
                f"{self.file.path}: {self.entry.name} has the number {largest:.3g}, "
                "which no field has in any unit: the file is damaged, or the number "
                "marks a missing vector and must be NaN"
            )
