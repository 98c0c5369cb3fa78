"""MATLAB files: those of DL-TFM, and the input of Bayesian FTTC packages.

All arrays are read in the axis order of DL-TFM: the first index is x, the second
is y, and component 0 is along x. Outlines are counted from 1.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.base import (
    MIN_SIDE,
    AnyArray,
    ArrayEntry,
    Layout,
    field_layout,
)
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.formats.hdf5 import has_signature

STRUCT_NAME = "input_data"
STRUCT_ENTRY = "input_data.displacement"
OUTLINE_NAMES = ("brdx", "brdy")

# MATLAB's names of number types. The header does not tell whether an array is
# complex; this is found when the values are read.
_DTYPES = {"double": "float64", "single": "float32", "logical": "bool"}


class MatFile(FieldFile):
    """Arrays are variables. A variable is always read as a whole.

    Files of version 7.3 are HDF5 files and are read by h5py, all others by scipy.
    """

    name = "MATLAB"
    suffixes = (".mat",)
    expects = (
        "dspl or trac of DL-TFM, floating-point numbers in the shape (X, Y, 2), "
        f"at least {MIN_SIDE} vectors a side, or the struct {STRUCT_NAME}"
    )
    rows_first = False

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether the file begins with the header of a MATLAB file."""
        return head.startswith(b"MATLAB ")

    def open(self, resources: ExitStack) -> None:
        """Open the file; before version 7.3, also list the headers of its variables."""
        self._hdf5: h5py.File | None = None
        if has_signature(self.head):
            self._hdf5 = resources.enter_context(h5py.File(self.path, "r"))
            return
        from scipy.io import whosmat

        # scipy also accepts open files, which its type annotations lack.
        stream: Any = resources.enter_context(self.path.open("rb"))
        self._stream = stream
        self._declared = whosmat(self._stream)

    def entries(self) -> tuple[ArrayEntry, ...]:
        """All variables, and the frames in the struct, if there is one."""
        if self._hdf5 is not None:
            return tuple(
                # MATLAB stores the last axis first.
                _entry(name, tuple(item.shape or ())[::-1], item.dtype.name)
                if isinstance(item, h5py.Dataset)
                else _entry(name, (), "struct")
                for name, item in self._hdf5.items()
                if not name.startswith("#")
            )
        entries = [
            _entry(name, tuple(map(int, shape)), _DTYPES.get(kind, kind))
            for name, shape, kind in self._declared
        ]
        if any(
            entry.name == STRUCT_NAME and entry.dtype == "struct" for entry in entries
        ):
            shape = self._struct_stack.shape
            entries.append(
                ArrayEntry(STRUCT_ENTRY, shape, "float64", layout="(T, H, W, 2)")
            )
        return tuple(entries)

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Values of a variable, indexed as in MATLAB, or the frames of the struct."""
        array = self._struct_stack if name == STRUCT_ENTRY else self._variable(name)
        return array if frames is None else array[frames]

    def outline_points(self) -> tuple[str, AnyArray] | None:
        """The arrays `brdx` and `brdy`, which are counted from 1 in the file."""
        if not {entry.name for entry in self.arrays}.issuperset(OUTLINE_NAMES):
            return None
        # They may be stored as uint8, so convert them before the subtraction.
        x, y = (
            np.asarray(self._variable(name), dtype=np.float64).ravel()
            for name in OUTLINE_NAMES
        )
        if x.size != y.size:
            raise FieldFileError(
                f"{self.path}: {' and '.join(OUTLINE_NAMES)} are not a cell outline: "
                f"found {x.size} and {y.size} numbers, expected equal lengths"
            )
        return ", ".join(OUTLINE_NAMES), np.stack([x, y], axis=1) - 1

    def _variable(self, name: str) -> AnyArray:
        if self._hdf5 is not None:
            return np.asarray(self._hdf5[name][...]).T
        from scipy.io import loadmat

        array = np.asarray(loadmat(self._stream, variable_names=[name])[name])
        declared = {name: kind for name, _, kind in self._declared}[name]
        # MATLAB stores doubles that are whole numbers as integers, and scipy does not
        # convert them back: a field of zeros is read as uint8.
        if declared in ("double", "single") and array.dtype.kind in "iu":
            return array.astype(_DTYPES[declared])
        return array

    @cached_property
    def _struct_stack(self) -> npt.NDArray[np.float64]:
        """Frames in ``input_data.displacement``, which has positions and vectors."""
        from scipy.io import loadmat

        content = loadmat(
            self._stream, variable_names=[STRUCT_NAME], simplify_cells=True
        )
        try:
            displacement = content[STRUCT_NAME]["displacement"]
            positions, vectors = displacement["pos"], displacement["vec"]
        except (KeyError, TypeError, IndexError) as error:
            raise FieldFileError(
                f"{self.path}: the struct {STRUCT_NAME} does not have displacement.pos "
                "and displacement.vec, as in the input of Bayesian FTTC packages"
            ) from error
        if isinstance(positions, np.ndarray) and positions.dtype != object:
            positions, vectors = [positions], [vectors]
        return np.stack(
            [
                _on_grid(self.path, np.asarray(pos), np.asarray(vec))
                for pos, vec in zip(positions, vectors, strict=True)
            ]
        )


def _layout(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Layout | None:
    return "(X, Y, 2)" if field_layout(shape, dtype) == "(H, W, 2)" else None


def _entry(name: str, shape: tuple[int, ...], dtype_name: str) -> ArrayEntry:
    try:
        dtype = np.dtype(dtype_name)
    except TypeError:  # struct, cell, char and other types without numbers
        dtype = np.dtype(object)
    return ArrayEntry(
        name=name,
        shape=shape,
        dtype=dtype_name,
        layout=_layout(shape, dtype),
        # According to the documentation of DL-TFM; the file itself has no unit.
        attributes={"units": "Pa"} if name == "trac" else {},
    )


def _on_grid(path: Path, positions: AnyArray, vectors: AnyArray) -> AnyArray:
    """Arrange vectors at positions ``(x, y)``, in any order, on a regular grid."""
    expected = "expected one vector (x, y) for every node of a regular grid"
    for array in (positions, vectors):
        if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "fiu":
            raise FieldFileError(
                f"{path}: {STRUCT_NAME} has {positions.dtype} positions of shape "
                f"{positions.shape} and {vectors.dtype} vectors of shape "
                f"{vectors.shape}; {expected}"
            )
    columns, column = np.unique(positions[:, 0], return_inverse=True)
    rows, row = np.unique(positions[:, 1], return_inverse=True)
    steps = np.concatenate([np.diff(columns), np.diff(rows)])
    nodes = np.unique(row * columns.size + column).size
    complete = len(positions) == len(vectors) == nodes == rows.size * columns.size
    if not complete or not np.allclose(steps, steps[:1], rtol=1e-3):
        raise FieldFileError(
            f"{path}: {STRUCT_NAME} has {len(vectors)} vectors at {len(positions)} "
            f"positions on {rows.size} rows and {columns.size} columns; {expected}"
        )
    grid = np.empty((rows.size, columns.size, 2))
    grid[row, column] = vectors
    return grid
