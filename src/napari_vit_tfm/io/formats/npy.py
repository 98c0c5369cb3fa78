"""NPY files, each with one array without attributes."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from napari_vit_tfm.errors import FieldFileError
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
        """Open the file, and read the header.

        The file is not mapped into memory: if another process cut it off, that would
        end this one.
        """
        self._stream = resources.enter_context(self.path.open("rb"))
        self._header = read_header(self._stream)
        self._start = self._stream.tell()
        if self._header.dtype.hasobject:
            raise ValueError("it has pickled objects, which are never loaded")
        n_bytes = self._stream.seek(0, 2) - self._start
        if n_bytes != self._header.n_bytes:
            raise FieldFileError(
                f"{self.path}: has {n_bytes} bytes after its header, which says "
                f"{self._header.n_bytes}: the file is damaged or incomplete"
            )

    def entries(self) -> tuple[ArrayEntry, ...]:
        """The array, named after the file."""
        header = self._header
        return (
            ArrayEntry(
                name=self.path.stem,
                shape=header.shape,
                dtype=header.dtype.name,
                layout=field_layout(header.shape, header.dtype),
            ),
        )

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Values of the array, or of some of its frames."""
        header = self._header
        if frames is None or header.is_fortran_order:
            array = self._read(0, header.shape)
            return array if frames is None else array[frames]
        first, stop, _ = frames.indices(header.shape[0])
        shape = (max(stop - first, 0), *header.shape[1:])
        return self._read(first * math.prod(shape[1:]), shape)

    def _read(self, first: int, shape: tuple[int, ...]) -> AnyArray:
        """Numbers from one on, in a shape."""
        header = self._header
        values = np.empty(math.prod(shape), header.dtype)
        self._stream.seek(self._start + first * header.dtype.itemsize)
        if self._stream.readinto(values.view(np.uint8).data) < values.nbytes:
            raise ValueError("it ends within the numbers")
        return values.reshape(shape, order="F" if header.is_fortran_order else "C")
