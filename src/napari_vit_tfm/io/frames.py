"""`FileFrames`: the frames of a vector field in an open file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import FloatArray
from napari_vit_tfm.io.base import ArrayEntry, to_stack
from napari_vit_tfm.io.field_file import FieldFile


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
    """

    file: FieldFile
    entry: ArrayEntry
    factor: float = 1.0

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

        Raises
        ------
        FieldFileError
            If the numbers have another type than in the header, vectors are NaN or
            infinite, or the file is damaged.
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
        # Numbers that exceed float32 become infinite; `_check_finite` finds them.
        with np.errstate(over="ignore"):
            vectors = np.ascontiguousarray(
                to_stack(array, self.entry.layout), dtype=np.float32
            )
            if self.factor != 1:
                vectors = vectors * np.float32(self.factor)
        self._check_finite(vectors, start)
        return vectors

    def _check_finite(self, vectors: FloatArray, start: int) -> None:
        bad = np.logical_not(np.isfinite(vectors).all(axis=-1))
        if not bad.any():
            return
        frame, row, column = np.argwhere(bad)[0]
        frames = int(bad.reshape(len(bad), -1).any(axis=1).sum())
        raise FieldFileError(
            f"{self.file.path}: {int(bad.sum())} of {bad.size} vectors of "
            f"{self.entry.name} are NaN or infinite, in {frames} of {len(bad)} frames, "
            f"the first at frame {start + frame}, row {row}, column {column}; expected "
            "finite numbers everywhere; fill the gaps first"
        )
