"""What all file formats share: headers and layouts of arrays, kinds, errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.errors import FieldFileError, TFMError

AnyArray = npt.NDArray[Any]
Attributes = Mapping[str, Any]
Kind = Literal["displacement", "traction", "other"]
Layout = Literal[
    "(T, H, W, 2)",
    "(T, 2, H, W)",
    "(H, W, 2)",
    "(2, H, W)",
    "(X, Y, 2)",
    "(T, H, W, 3)",
    "(H, W, 3)",
]

MIN_SIDE = 3
"""Minimum number of vectors along a side of a field in a file.

An axis of length 2 is therefore always the axis of the components.
"""

EXPECTED_ARRAY = (
    "floating-point numbers in the shape (T, H, W, 2), (T, 2, H, W) or (H, W, 2), "
    f"at least {MIN_SIDE} vectors a side"
)
"""Description of a vector field in an HDF5 or NPZ file, for messages."""

SPACING_IN_UNIT = "spacing_in_unit"
"""Name of the attribute with the distance between neighbouring vectors, in the unit of
the displacements. Readers set it where a file has the positions of the vectors, but
neither the unit of the positions nor that of the displacements."""

POSITIONS_PX = "spacing_of_positions_px"
"""Name of the attribute with this distance in camera pixels, where readers know it."""

POSITIONS_UM = "spacing_of_positions_um"
"""Name of the attribute with this distance in um, where readers know it."""

FIRST_POSITION = "first_position"
"""Name of the attribute with the smallest position ``(x, y)``, in grid steps. Readers
set it where a file has the positions of the vectors."""

TRACTION_NAME = "traction"
"""Name of the array of the tractions in the files of this package."""

OUTLINE_NAME = "outline"
"""Name of the array of the cell's outline in the files of this package."""

DRIFT_NAME = "drift"
"""Name of the array of the subtracted mean displacements in these files."""

PARTIAL_SUFFIX = ".partial.h5"
"""End of the name of a partial file; see `io.partial`."""

FRAMES_DONE = "frames_done"
RUN = "unfinished_run"
"""Names of the number of finished frames, and of the attribute with what determines
the tractions, in a partial file; see `io.partial`."""

NOT_OF_FRAMES = (OUTLINE_NAME, FRAMES_DONE)
"""Names of arrays in a partial file that have no axis of frames."""

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
    kind : {"displacement", "traction", "other"}, optional
        Kind of field, according to the array's name, its unit or the file's name;
        None if none of them tells. "other" is neither of the two, such as a velocity.
    what : str
        What an array of the kind "other" has, for messages, such as "a velocity".
    y : {"down", "up"}, optional
        Direction of the y axis in the file: of increasing row numbers or positions,
        and of positive y components. None if the file may have either.
    notes : tuple of str
        What a user must know about how the array is read, one sentence each, without
        the name of the file.
    y_notes : tuple of str
        The same about the direction of y; of no interest if the user sets it.
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
    what: str = ""
    y: YDirection | None = "down"
    notes: tuple[str, ...] = ()
    y_notes: tuple[str, ...] = ()
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
    def has_third_component(self) -> bool:
        """Whether the vectors of the field have a third component."""
        return self.layout is not None and self.layout.endswith(", 3)")

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
    the second. Three axes are one frame whose last axis has the components. A third
    component, along the optical axis, is allowed where the components are the last
    axis. ``(2, H, W)`` is not accepted, since it could also be two images.

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
        if shape[3] == 3 and min(shape[1:3]) > MIN_SIDE:
            return "(T, H, W, 3)"
    if len(shape) == 3 and min(shape[:2]) >= MIN_SIDE:
        if shape[2] == 2:
            return "(H, W, 2)"
        if shape[2] == 3 and min(shape[:2]) > MIN_SIDE:
            return "(H, W, 3)"
    return None


def has_components_first(shape: tuple[int, ...], dtype: str) -> bool:
    """Whether an array can be one frame in the layout ``(2, H, W)``."""
    return (
        "float" in dtype
        and len(shape) == 3
        and shape[0] == 2
        and min(shape[1:]) >= MIN_SIDE
    )


def to_stack(array: AnyArray, layout: Layout, *, y: YDirection = "down") -> AnyArray:
    """Reorder an array to ``(T, H, W, 2)``, with rows and y components downwards.

    Parameters
    ----------
    array : array
        Values of the array.
    layout : str
        Order of its axes. A third component is left out.
    y : {"down", "up"}, keyword-only
        Direction of the y axis in the file.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.io.base import to_stack
    >>> field = np.array([[[1, 2]], [[3, 4]]])
    >>> to_stack(field, "(H, W, 2)", y="up")[0, :, 0].tolist()
    [[3, -4], [1, -2]]
    """
    if layout == "(T, 2, H, W)":
        array = np.moveaxis(array, 1, -1)
    elif layout == "(2, H, W)":
        array = np.moveaxis(array, 0, -1)[np.newaxis]
    elif layout == "(X, Y, 2)":
        array = array.transpose(1, 0, 2)[np.newaxis]
    elif layout in ("(H, W, 2)", "(H, W, 3)"):
        array = array[np.newaxis]
    array = array[..., :2]
    return array[:, ::-1] * np.array([1, -1], array.dtype) if y == "up" else array


def unless_given(y: YDirection) -> str:
    """How to set another direction of y than the assumed one, for notes."""
    return f'otherwise y="{y}", --y {y}'


def header_of_rows(
    y: AnyArray, *, otherwise: YDirection | None = "down"
) -> dict[str, Any]:
    """Direction of y for an `ArrayEntry`, with a note if it is up.

    Parameters
    ----------
    y : array of shape (H, W)
        Positions along y. They point up if the first row has the largest.
    otherwise : {"down", "up"}, optional, keyword-only
        The direction if the first row does not have the largest; None if the file may
        have either.
    """
    if np.nanmean(y[0]) <= np.nanmean(y[-1]):
        return {"y": otherwise, "y_notes": ()}
    note = (
        "the first row has the largest y: y is taken as pointing up "
        f"({unless_given('down')})"
    )
    return {"y": "up", "y_notes": (note,)}


_UNCERTAINTIES = ("sd", "std", "sem", "err", "error", "errors", "uncertainty")
"""Words in the names of the uncertainties of any kind of field."""

_OTHER_WORDS = {
    **dict.fromkeys(["force", "forces"], "a force"),
    **dict.fromkeys(["stress", "stresses"], "a stress"),
    **dict.fromkeys(["velocity", "velocities", "vel"], "a velocity"),
    **dict.fromkeys(
        ["pos", "position", "positions", "coord", "coords", "coordinates", "grid"],
        "positions",
    ),
    **dict.fromkeys(["xy", "points", "meshgrid"], "positions"),
    **dict.fromkeys(["noise"], "noise"),
    **dict.fromkeys([*_UNCERTAINTIES, "sigma"], "an uncertainty"),
    **dict.fromkeys(["strain", "shear", "grad", "gradient"], "a gradient"),
    **dict.fromkeys(["speed"], "a speed"),
}
"""Words in the names of arrays that are neither displacements nor tractions."""


def kind_of_name(name: str) -> tuple[Kind | None, str]:
    """Kind of field according to a name, and what a field of the kind "other" is.

    Only whole words are compared: ``contraction`` is not a traction. The kind is None
    if the name has no such word, or words of both kinds. The uncertainty of a
    displacement is not one.

    Examples
    --------
    >>> from napari_vit_tfm.io.base import kind_of_name
    >>> kind_of_name("displacement_um"), kind_of_name("cell 3")
    (('displacement', ''), (None, ''))
    >>> kind_of_name("force_field")
    ('other', 'a force')
    >>> kind_of_name("displacement_sd")
    ('other', 'an uncertainty')
    """
    if not set(_words(name)).isdisjoint(_UNCERTAINTIES):
        return "other", "an uncertainty"
    return kind_of_file_name(name)


def kind_of_file_name(stem: str) -> tuple[Kind | None, str]:
    """Kind of field according to a file's name, as `kind_of_name` has it.

    The uncertainty in the name, such as ``displacement_sd_0.1``, may be that of any
    array in the file: the kind is that of the other words.

    Examples
    --------
    >>> from napari_vit_tfm.io.base import kind_of_file_name
    >>> kind_of_file_name("traction_error")
    ('traction', '')
    """
    words = _words(stem)
    displacement = any(
        word.startswith("displ") or word in {"disp", "dspl"} for word in words
    )
    traction = any(
        word.startswith("traction") or word in {"trac", "tracs"} for word in words
    )
    if displacement or traction:
        if displacement and traction:
            return None, ""
        return ("displacement" if displacement else "traction"), ""
    for word in words:
        if word in _OTHER_WORDS:
            return "other", _OTHER_WORDS[word]
    return None, ""


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


MOST_COMPRESSED = 1100
"""How many times smaller than its values an array in a file can be.

Zeros, which are compressed most, become 1,032 times smaller in gzip.
"""


def check_size(path: Path, name: str, n_bytes: int, n_stored: int) -> None:
    """Check that an array is not much larger than what is stored of it.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        Name of the array.
    n_bytes : int
        Size of its values, according to the header.
    n_stored : int
        Size of what is in the file.

    Raises
    ------
    FieldFileError
        If the values cannot be there.

    Examples
    --------
    >>> from pathlib import Path
    >>> from napari_vit_tfm.io.base import check_size
    >>> check_size(Path("cell.h5"), "u", n_bytes=10**12, n_stored=1000)
    Traceback (most recent call last):
    ...
    napari_vit_tfm.errors.FieldFileError: cell.h5: u has 1e+12 bytes according to its \
header, but the file has 1000 bytes of it: the file is damaged or incomplete
    """
    if n_bytes > _ANY_SIZE_BYTES and n_bytes > MOST_COMPRESSED * n_stored:
        raise FieldFileError(
            f"{path}: {name} has {n_bytes:.3g} bytes according to its header, but the "
            f"file has {n_stored} bytes of it: the file is damaged or incomplete"
        )


_ANY_SIZE_BYTES = 2**26
"""Size up to which an array needs no space in a file, such as one of zeros."""


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
    except TFMError as error:
        raise FieldFileError(f"{path}: {error}") from error
    except MemoryError as error:
        raise FieldFileError(f"{path}: does not fit into memory") from error
    except Exception as error:
        # On truncated files, h5py, zipfile, zlib and scipy's MATLAB reader raise
        # exceptions of almost any type.
        # numpy repeats the whole header of an array.
        reason = shorten(str(error), 300, placeholder="…") or type(error).__name__
        raise FieldFileError(
            f"{path}: cannot be read as {format_name}, the file is probably damaged or "
            f"incomplete: copy it again, or save it again ({reason})"
        ) from error
