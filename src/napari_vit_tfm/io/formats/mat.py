"""MATLAB files: those of DL-TFM, and the input of Bayesian FTTC packages.

All arrays in them are taken in the order of DL-TFM: the first index is x, the
second y, component 0 points along the first, and outlines count from 1.
"""

from __future__ import annotations

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
    FileFormat,
    Layout,
    checked_outline,
    field_layout,
    register,
)

STRUCT_NAME = "input_data"
STRUCT_ENTRY = "input_data.displacement"
OUTLINE_NAMES = ("brdx", "brdy")

# What MATLAB calls its number types; its complex arrays are told by their
# values alone, so they show when they are read.
_DTYPES = {"double": "float64", "single": "float32", "logical": "bool"}


def _claims(path: Path, head: bytes) -> bool:
    return head.startswith(b"MATLAB ")


def _is_hdf5(path: Path) -> bool:
    """Whether this is version 7.3, which is HDF5 inside."""
    return bool(h5py.is_hdf5(path))


def _layout(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Layout | None:
    return "(X, Y, 2)" if field_layout(shape, dtype) == "(H, W, 2)" else None


def _entry(name: str, shape: tuple[int, ...], dtype_name: str) -> ArrayEntry:
    try:
        dtype = np.dtype(dtype_name)
    except TypeError:  # struct, cell, char and other things without numbers
        dtype = np.dtype(object)
    return ArrayEntry(
        name=name,
        shape=shape,
        dtype=dtype_name,
        layout=_layout(shape, dtype),
        # DL-TFM documents its tractions as pascal; the file does not say so.
        attributes={"units": "Pa"} if name == "trac" else {},
    )


def _entries(path: Path) -> tuple[ArrayEntry, ...]:
    if _is_hdf5(path):
        with h5py.File(path, "r") as file:
            return tuple(
                # MATLAB stores the last axis first.
                _entry(name, tuple(item.shape or ())[::-1], str(item.dtype))
                if isinstance(item, h5py.Dataset)
                else _entry(name, (), "struct")
                for name, item in file.items()
                if not name.startswith("#")
            )
    from scipy.io import whosmat

    entries = [
        _entry(name, tuple(map(int, shape)), _DTYPES.get(kind, kind))
        for name, shape, kind in whosmat(path)
    ]
    if any(entry.name == STRUCT_NAME and entry.dtype == "struct" for entry in entries):
        shape = _struct_stack(path).shape
        entries.append(
            ArrayEntry(STRUCT_ENTRY, shape, "float64", layout="(T, H, W, 2)")
        )
    return tuple(entries)


def _read(path: Path, name: str) -> AnyArray:
    if name == STRUCT_ENTRY:
        return _struct_stack(path)
    if _is_hdf5(path):
        with h5py.File(path, "r") as file:
            return np.asarray(file[name][...]).T
    from scipy.io import loadmat, whosmat

    array = np.asarray(loadmat(path, variable_names=[name])[name])
    declared = {name: kind for name, _, kind in whosmat(path)}[name]
    # MATLAB stores doubles that are whole numbers in fewer bytes, and scipy
    # leaves them so: a field of zeros arrives as uint8.
    if declared in ("double", "single") and array.dtype.kind in "iu":
        return array.astype(_DTYPES[declared])
    return array


def _struct_stack(path: Path) -> npt.NDArray[np.float64]:
    """Frames of ``input_data.displacement``: lists of positions and of vectors."""
    from scipy.io import loadmat

    content = loadmat(path, variable_names=[STRUCT_NAME], simplify_cells=True)
    try:
        displacement = content[STRUCT_NAME]["displacement"]
        positions, vectors = displacement["pos"], displacement["vec"]
    except (KeyError, TypeError, IndexError) as error:
        raise FieldFileError(
            f"{path}: the struct {STRUCT_NAME} has no displacement.pos and "
            "displacement.vec, as the input of Bayesian FTTC packages has"
        ) from error
    if isinstance(positions, np.ndarray) and positions.dtype != object:
        positions, vectors = [positions], [vectors]
    return np.stack(
        [
            _gridded(path, np.asarray(pos), np.asarray(vec))
            for pos, vec in zip(positions, vectors, strict=True)
        ]
    )


def _gridded(path: Path, positions: AnyArray, vectors: AnyArray) -> AnyArray:
    """Put vectors at positions ``(x, y)``, in whatever order, on their grid."""
    expected = "expected one vector (x, y) for every node of a regular grid"
    for array in (positions, vectors):
        if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "fiu":
            raise FieldFileError(
                f"{path}: {STRUCT_NAME} holds {positions.dtype} positions of shape "
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
            f"{path}: {STRUCT_NAME} holds {len(vectors)} vectors at {len(positions)} "
            f"positions on {rows.size} rows and {columns.size} columns; {expected}"
        )
    grid = np.empty((rows.size, columns.size, 2))
    grid[row, column] = vectors
    return grid


def _outline(
    path: Path, entries: tuple[ArrayEntry, ...]
) -> npt.NDArray[np.float64] | None:
    names = {entry.name for entry in entries}
    if not names.issuperset(OUTLINE_NAMES):
        return None
    # They may be stored as uint8: to float before anything is subtracted.
    x, y = (
        np.asarray(_read(path, name), dtype=np.float64).ravel()
        for name in OUTLINE_NAMES
    )
    if x.size != y.size:
        raise FieldFileError(
            f"{path}: {' and '.join(OUTLINE_NAMES)} are not a cell's outline: "
            f"found {x.size} and {y.size} numbers, expected equally many"
        )
    return checked_outline(path, ", ".join(OUTLINE_NAMES), np.stack([x, y], axis=1) - 1)


register(
    FileFormat(
        name="MATLAB",
        endings=(".mat",),
        expects=(
            "dspl or trac of DL-TFM, floating-point numbers in the shape (X, Y, 2), "
            f"at least {MIN_SIDE} vectors a side, or the struct {STRUCT_NAME}"
        ),
        claims=_claims,
        entries=_entries,
        read=_read,
        outline=_outline,
        rows_first=False,
    )
)
