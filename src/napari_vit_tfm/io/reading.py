"""Displacement and traction stacks out of files of any format."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.fields import DisplacementStack, FloatArray, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io.base import (
    DRIFT_NAME,
    SEGMENTATION_NAME,
    ArrayEntry,
    damage_reported,
    to_stack,
)
from napari_vit_tfm.io.registry import OpenedFile, choose, look_inside
from napari_vit_tfm.units import (
    DISPLACEMENT_UNITS,
    TRACTION_UNITS,
    DisplacementUnit,
    TractionUnit,
    displacement_unit,
    traction_unit,
)


def read_displacement(
    path: str | os.PathLike[str],
    *,
    dataset: str | None = None,
    unit: DisplacementUnit | None = None,
    spacing_um: float | None = None,
    pixel_size_um: float | None = None,
    gel: Gel | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> DisplacementStack:
    """Read a displacement stack from a file, such as HDF5, MATLAB or NPZ.

    Parameters
    ----------
    path : path
        The file; its format is told by its content.
    dataset : str, optional, keyword-only
        Name of the array; it is then believed to be a displacement, whatever
        its name says. Without it the array is found by its name.
    unit : {"um", "grid", "px", "field"}, optional, keyword-only
        Unit of the displacements. Without it a file that names its unit is
        believed, and the original work's unnamed ``data`` is in ``field``.
        Other units of length are converted to ``um``.
    spacing_um, pixel_size_um : float, optional, keyword-only
        Distance between vectors and size of a camera pixel, in micrometres;
        without them, what the file says.
    gel : Gel, optional, keyword-only
        What is known about the gel; the rest is what the file says.
    on_notice : callable, optional, keyword-only
        Told, in a sentence, what the file says about the gel that no gel can
        have; it is then left unknown. Without it that is an error.

    Returns
    -------
    DisplacementStack
        The stack ``(T, H, W, 2)``. Its unit is None where nothing names it.

    Raises
    ------
    FieldFileError
        If the file is no displacement field or names a unit that is none of
        displacements, vectors in it are NaN or infinite, or there is no such
        gel.
    FieldError
        If `unit` is none of these, or a length is not positive.

    Examples
    --------
    A file of another program, whose array says nothing about itself:

    >>> import numpy as np
    >>> from napari_vit_tfm import read_displacement
    >>> np.savez("cell.npz", displacement=np.zeros((3, 16, 24, 2)))
    >>> read_displacement("cell.npz").unit is None
    True
    >>> stack = read_displacement("cell.npz", unit="px", pixel_size_um=0.1)
    >>> stack.n_frames, stack.grid_shape, stack.unit
    (3, (16, 24), 'px')
    """
    file = look_inside(path)
    entry = choose(file, "displacement", dataset=dataset)
    kept_unit, factor = unit, 1.0
    if unit is None:
        kept_unit, factor = _displacement_unit(file.path, entry)
    return DisplacementStack(
        data=_read_vectors(file, entry, factor),
        unit=kept_unit,
        spacing_um=_length(file.path, entry, "spacing_um", spacing_um),
        pixel_size_um=_length(file.path, entry, "pixel_size_um", pixel_size_um),
        gel=_read_gel(file.path, entry, gel or Gel(), on_notice),
        outline=_read_outline(file),
        metadata=_metadata(file, entry),
    )


def read_traction(
    path: str | os.PathLike[str],
    *,
    dataset: str | None = None,
    unit: TractionUnit | None = None,
) -> TractionStack:
    """Read a traction stack from a file, such as HDF5, MATLAB or NPZ.

    Parameters
    ----------
    path : path
        The file; its format is told by its content.
    dataset : str, optional, keyword-only
        Name of the array; it is then believed to be a traction, whatever its
        name says. Without it the array is found by its name.
    unit : {"Pa", "1"}, optional, keyword-only
        Unit of the tractions. Without it a file that names its unit is
        believed, the original work's unnamed ``data`` is ``t / E``, unit "1",
        and ``trac`` in MATLAB files is in Pa.

    Returns
    -------
    TractionStack
        The stack ``(T, H, W, 2)`` with what the file says about its origin.

    Raises
    ------
    FieldFileError
        If the file is no traction field or nothing names its unit, vectors in
        it are NaN or infinite, or there is no such gel.
    FieldError
        If `unit` is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import TractionStack, read_traction, write_traction
    >>> write_traction("t.h5", TractionStack(np.zeros((3, 16, 24, 2)), unit="Pa"))
    >>> traction = read_traction("t.h5")
    >>> traction.n_frames, traction.grid_shape, traction.unit
    (3, (16, 24), 'Pa')
    """
    file = look_inside(path)
    entry = choose(file, "traction", dataset=dataset)
    data = _read_vectors(file, entry)
    return TractionStack(
        data=data,
        unit=_traction_unit(file.path, entry) if unit is None else unit,
        spacing_um=_known_number(file.path, entry, "spacing_um"),
        gel=_read_gel(file.path, entry, Gel(), None),
        model=str(entry.attributes.get("model", "")),
        model_sha256=str(entry.attributes.get("model_sha256", "")),
        outline=_read_outline(file),
        drift=_read_drift(file, n_frames=len(data)),
        metadata=_metadata(file, entry),
    )


def read_segmentation(
    path: str | os.PathLike[str],
) -> npt.NDArray[np.integer] | None:
    """Read where the patches are, from a file such as HDF5 or NPZ.

    Parameters
    ----------
    path : path
        The file; its array ``segmentation`` is read, ``(T, H, W)`` or
        ``(H, W)``.

    Returns
    -------
    array of whole numbers, shape (T, H, W), or None
        The patch's number at each node, 0 in the background. None where the
        file has no such array; MATLAB files are not asked.

    Raises
    ------
    FieldFileError
        If the array holds anything but whole numbers, or has another shape.
    """
    file = look_inside(path)
    names = [entry.name for entry in file.arrays]
    if not file.format.rows_first or SEGMENTATION_NAME not in names:
        return None
    with damage_reported(file.path, file.format.name):
        labels = file.format.read(file.path, SEGMENTATION_NAME)
    if labels.dtype.kind not in "iu" or labels.ndim not in (2, 3):
        raise FieldFileError(
            f"{file.path}: {SEGMENTATION_NAME} holds {labels.dtype} numbers in the "
            f"shape {labels.shape}, expected whole numbers in the shape (T, H, W)"
        )
    return labels.reshape(-1, *labels.shape[-2:])


def _read_vectors(
    file: OpenedFile, entry: ArrayEntry, factor: float = 1.0
) -> FloatArray:
    """The vectors times a factor, float32 and finite."""
    assert entry.layout is not None
    with damage_reported(file.path, file.format.name):
        array = file.format.read(file.path, entry.name)
    if array.dtype.kind != "f":
        raise FieldFileError(
            f"{file.path}: {entry.name} holds {array.dtype} numbers, "
            f"expected {file.format.expects}"
        )
    # Numbers beyond float32 become infinite and are found below.
    with np.errstate(over="ignore"):
        stack = np.ascontiguousarray(to_stack(array, entry.layout), dtype=np.float32)
        if factor != 1:
            stack = stack * np.float32(factor)
    bad = np.logical_not(np.isfinite(stack).all(axis=-1))
    if bad.any():
        frame, row, column = np.argwhere(bad)[0]
        frames = int(bad.reshape(len(bad), -1).any(axis=1).sum())
        raise FieldFileError(
            f"{file.path}: {int(bad.sum())} of {bad.size} vectors of {entry.name} are "
            f"NaN or infinite, in {frames} of {len(stack)} frames, the first at frame "
            f"{frame}, row {row}, column {column}; expected finite numbers everywhere: "
            "fill the gaps first"
        )
    return stack


def _read_outline(file: OpenedFile) -> npt.NDArray[np.float64] | None:
    with damage_reported(file.path, file.format.name):
        return file.format.outline(file.path, file.arrays)


def _read_drift(file: OpenedFile, *, n_frames: int) -> npt.NDArray[np.float64] | None:
    """The mean displacements that were taken off, where a file has them.

    An array of this name that is not in grid steps is somebody else's.
    """
    entries = [
        entry
        for entry in file.arrays
        if entry.name == DRIFT_NAME and entry.attributes.get("units") == "grid"
    ]
    if not entries:
        return None
    with damage_reported(file.path, file.format.name):
        drift = file.format.read(file.path, DRIFT_NAME)
    expected = (n_frames, 2)
    if (
        drift.shape != expected
        or drift.dtype.kind != "f"
        or not np.isfinite(drift).all()
    ):
        raise FieldFileError(
            f"{file.path}: {DRIFT_NAME} is not what was taken off: found {drift.dtype} "
            f"of shape {drift.shape}, expected finite numbers in the shape {expected}"
        )
    return drift


def _displacement_unit(
    path: Path, entry: ArrayEntry
) -> tuple[DisplacementUnit | None, float]:
    """The unit to keep displacements in, and what makes it of the file's numbers."""
    said = entry.attributes.get("units")
    if said is None:
        return ("field" if entry.original else None), 1.0
    understood = displacement_unit(said)
    if understood is None:
        raise FieldFileError(
            f"{path}: {entry.name} names the unit {said!r}, expected one of "
            f"{', '.join(DISPLACEMENT_UNITS)}; "
            "convert it, or name the right one (unit=, --units)"
        )
    return understood


def _traction_unit(path: Path, entry: ArrayEntry) -> TractionUnit:
    said = entry.attributes.get("units", "1" if entry.original else None)
    understood = traction_unit(said)
    if understood is None:
        found = "names no unit" if said is None else f"names the unit {said!r}"
        raise FieldFileError(
            f"{path}: {entry.name} {found}, expected one of "
            f"{', '.join(TRACTION_UNITS)}; name the right one (unit=)"
        )
    return understood


def _length(
    path: Path, entry: ArrayEntry, name: str, told: float | None
) -> float | None:
    return _number(path, entry, name) if told is None else told


def _number(path: Path, entry: ArrayEntry, name: str) -> float | None:
    value: Any = entry.attributes.get(name)
    if value is None:
        return None
    number = _as_float(value)
    if number is None or not 0 < number < math.inf:
        raise FieldFileError(
            f"{path}: {entry.name} says {name} = {value!r}, expected a positive number"
        )
    return number


def _known_number(path: Path, entry: ArrayEntry, name: str) -> float | None:
    """As `_number`; but NaN is how this package writes what is not known."""
    value: Any = entry.attributes.get(name)
    if isinstance(value, float) and math.isnan(value):
        return None
    return _number(path, entry, name)


def _read_gel(
    path: Path,
    entry: ArrayEntry,
    told: Gel,
    on_notice: Callable[[str], None] | None,
) -> Gel:
    """A gel, with what a file says where nothing else was told."""
    in_file = {}
    for name, value in dataclasses.asdict(told).items():
        if value is not None:
            continue
        try:
            in_file[name] = _gel_value(path, entry, name)
        except FieldFileError as error:
            if on_notice is None:
                raise
            on_notice(f"{error}; it is ignored")
    return told.filled_from(Gel(**in_file))


def _gel_value(path: Path, entry: ArrayEntry, name: str) -> float | None:
    """One of a gel's values; NaN is how this package writes what is not known."""
    value: Any = entry.attributes.get(name)
    if value is None:
        return None
    says = f"{path}: {entry.name} says {name} = {value!r}"
    number = _as_float(value)
    if number is None:
        raise FieldFileError(f"{says}, expected a number")
    if math.isnan(number):
        return None
    try:
        Gel(**{name: number})
    except FieldError as error:
        raise FieldFileError(f"{says}: {error}") from error
    return number


def _as_float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _metadata(file: OpenedFile, entry: ArrayEntry) -> dict[str, Any]:
    return {
        "source": str(file.path),
        "dataset": entry.name,
        "layout": entry.layout,
        "attributes": dict(entry.attributes),
    }
