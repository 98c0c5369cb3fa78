"""What all file formats share: headers and layouts of arrays, kinds, errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.units import displacement_unit, traction_unit

AnyArray = npt.NDArray[Any]
Attributes = Mapping[str, Any]
Kind = Literal["displacement", "traction"]
Layout = Literal["(T, H, W, 2)", "(T, 2, H, W)", "(H, W, 2)", "(X, Y, 2)"]

MIN_SIDE = 3
"""Minimum number of vectors along a side of a field in a file.

An axis of length 2 is therefore always the axis of the components.
"""

EXPECTED_ARRAY = (
    "floating-point numbers in the shape (T, H, W, 2), (T, 2, H, W) or (H, W, 2), "
    f"at least {MIN_SIDE} vectors a side"
)
"""Description of a vector field in an HDF5 or NPZ file, for messages."""

OUTLINE_NAME = "outline"
"""Name of the array of the cell's outline in the files of this package."""

DRIFT_NAME = "drift"
"""Name of the array of the subtracted mean displacements in these files."""

SEGMENTATION_NAME = "segmentation"
"""Name of the array of the adhesions' numbers in these files."""


@dataclass(frozen=True)
class ArrayEntry:
    """The header of an array in a file.

    Parameters
    ----------
    name : str
        An HDF5 path, a MATLAB variable or an NPZ key.
    shape : tuple of int
        Shape in the program that wrote the array, before any axes are reordered.
    dtype : str
        Name of the element type.
    layout : str, optional
        Order of the axes; None if the array is not a vector field.
    kind : {"displacement", "traction"}, optional
        Kind of field, according to the array's name, its unit or the file's name;
        None if none of them tells.
    is_original : bool
        Whether it is the array ``data`` of the original work, which has no unit:
        displacements are fractions of the field's width, tractions ``t / E``.
    attributes : mapping
        Attributes of the array, by name.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: Layout | None = None
    kind: Kind | None = None
    is_original: bool = False
    attributes: Attributes = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        shape = ", ".join(map(str, self.shape))
        return f"{self.name} ({self.dtype}, shape ({shape}))"

    @property
    def has_frames(self) -> bool:
        """Whether the first axis is the axis of frames; else there is one frame."""
        return self.layout is not None and self.layout.startswith("(T, ")

    @property
    def n_frames(self) -> int:
        """Number of frames of a vector field."""
        return self.shape[0] if self.has_frames else 1

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Number of rows and columns of a vector field."""
        assert self.layout is not None
        axes = self.layout.strip("()").split(", ")
        rows, columns = ("Y", "X") if "X" in axes else ("H", "W")
        return self.shape[axes.index(rows)], self.shape[axes.index(columns)]


class _Named(Protocol):
    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]


NamedT = TypeVar("NamedT", bound=_Named)


def register(registered: dict[str, type[NamedT]], added: type[NamedT]) -> None:
    """Register the class of a format under the format's name.

    Parameters
    ----------
    registered : dict of str to class
        The registered classes: either those that read or those that write.
    added : class
        The new class, with `name` and `suffixes`.

    Raises
    ------
    ValueError
        If a registered class has the same name or one of the suffixes.
    """
    for other in registered.values():
        shared = {other.name, *other.suffixes} & {added.name, *added.suffixes}
        if shared:
            raise ValueError(f"there are two formats for {', '.join(sorted(shared))}")
    registered[added.name] = added


def format_in_words(file_format: type[_Named]) -> str:
    """Name and suffixes of a format, such as ``HDF5 (.h5, .hdf5)``."""
    return f"{file_format.name} ({', '.join(file_format.suffixes)})"


def field_layout(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Layout | None:
    """Order of the axes of an array, if it can be a stack of vector fields.

    Of four axes, the first is the axis of frames; the components are the last axis or
    the second. Three axes are one frame whose last axis has the components.
    ``(2, H, W)`` is not accepted, since it could also be two images.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    dtype : numpy.dtype
        Type of its elements. Vectors are floating-point numbers.

    Returns
    -------
    str or None
        The layout; None if the array is not a vector field.
    """
    if dtype.kind != "f" or 0 in shape:
        return None
    if len(shape) == 4:
        if shape[3] == 2 and min(shape[1:3]) >= MIN_SIDE:
            return "(T, H, W, 2)"
        if shape[1] == 2 and min(shape[2:]) >= MIN_SIDE:
            return "(T, 2, H, W)"
    if len(shape) == 3 and shape[2] == 2 and min(shape[:2]) >= MIN_SIDE:
        return "(H, W, 2)"
    return None


def to_stack(array: AnyArray, layout: Layout) -> AnyArray:
    """Reorder the axes of an array from its layout to ``(T, H, W, 2)``."""
    if layout == "(T, 2, H, W)":
        return np.moveaxis(array, 1, -1)
    if layout == "(X, Y, 2)":
        return array.transpose(1, 0, 2)[np.newaxis]
    if layout == "(H, W, 2)":
        return array[np.newaxis]
    return array


def kind_of_name(name: str) -> Kind | None:
    """Kind of field according to a name; None if the name has neither kind or both.

    Only whole words are compared: ``contraction`` is not a traction.
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    displacement = any(
        word.startswith("displ") or word in {"disp", "dspl"}
        for word in map(str.lower, words)
    )
    traction = any(
        word.startswith("traction") or word in {"trac", "tracs"}
        for word in map(str.lower, words)
    )
    if displacement == traction:
        return None
    return "displacement" if displacement else "traction"


def kind_of_entry(entry: ArrayEntry, path: Path) -> Kind | None:
    """Kind of field according to the array's name, its unit, or the file's name.

    They are used in this order. If the name does not tell, the name of the group
    around the array is used.
    """
    for part in reversed(re.split(r"[/.]", entry.name)):
        by_name = kind_of_name(part)
        if by_name is not None:
            return by_name
    unit = entry.attributes.get("units")
    if traction_unit(unit) == "Pa":
        return "traction"
    if displacement_unit(unit) is not None:
        return "displacement"
    return kind_of_name(path.stem)


def checked_outline(path: Path, name: str, points: AnyArray) -> npt.NDArray[np.float64]:
    """The points as float64; a FieldFileError is raised if they are not an outline."""
    if (
        points.ndim != 2
        or points.shape[1] != 2
        or points.dtype.kind not in "fiu"
        or not np.isfinite(points).all()
    ):
        raise FieldFileError(
            f"{path}: {name} is not a cell outline: found {points.dtype} of shape "
            f"{points.shape}, expected finite numbers (x, y) for every point"
        )
    return points.astype(np.float64)


@contextmanager
def convert_errors(path: Path, format_name: str) -> Iterator[None]:
    """Convert any error that a library raises on a damaged file to a FieldFileError."""
    try:
        yield
    except FieldFileError:
        raise
    except MemoryError as error:
        raise FieldFileError(f"{path}: does not fit into memory") from error
    except Exception as error:
        # On truncated files, h5py, zipfile, zlib and scipy's MATLAB reader raise
        # exceptions of almost any type.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FieldFileError(
            f"{path}: cannot be read as {format_name}, "
            f"the file is probably damaged or incomplete ({reason})"
        ) from error
