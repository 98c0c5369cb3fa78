"""NPY files, each with one array without attributes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from napari_vit_tfm.io.base import EXPECTED_ARRAY, AnyArray, ArrayEntry, field_layout
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.npy_header import read_header


class NpyFile(FieldFile):
    """One array, from which single frames are read."""

    name = "NPY"
    suffixes = (".npy",)
    expects = (
        f"{EXPECTED_ARRAY}, or two files with one component each, such as u.npy and "
        "v.npy"
    )
    reads_frames = True
    may_be_component = True

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether the file begins as NPY files do."""
        return head.startswith(b"\x93NUMPY")

    def open(self, resources: ExitStack) -> None:
        """Map the array into memory; pickled objects are refused."""
        with self.path.open("rb") as stream:
            read_header(stream)
        self._array: AnyArray = np.load(self.path, mmap_mode="r", allow_pickle=False)

    def entries(self) -> tuple[ArrayEntry, ...]:
        """The array, named after the file."""
        return (
            ArrayEntry(
                name=self.path.stem,
                shape=self._array.shape,
                dtype=self._array.dtype.name,
                layout=field_layout(self._array.shape, self._array.dtype),
            ),
        )

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Values of the array, or of some of its frames."""
        return np.asarray(self._array if frames is None else self._array[frames])
