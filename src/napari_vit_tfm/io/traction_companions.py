"""What a file has besides tractions: drift, records of frames, and companions."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import (
    COMPANION_NAMES,
    DISPLACEMENT_COMPANIONS,
    RECORD_NAMES,
    SIZE_RECORDS,
    FloatArray,
)
from napari_vit_tfm.io.attributes import is_true, text_attribute
from napari_vit_tfm.io.base import DRIFT_NAME
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.frames import FileFrames
from napari_vit_tfm.units import DISPLACEMENT_UNITS, TRACTION_UNITS, DisplacementUnit


def read_drift(file: FieldFile, *, n_frames: int) -> npt.NDArray[np.float64] | None:
    """The mean displacements that were subtracted; None if the file has none.

    An array of this name that is not in grid steps is from another program.
    """
    entries = [
        entry
        for entry in file.arrays
        if entry.name == DRIFT_NAME and text_attribute(entry, "units") == "grid"
    ]
    if not entries:
        return None
    drift = file.read(DRIFT_NAME)
    expected = (n_frames, 2)
    if (
        drift.shape != expected
        or drift.dtype.kind != "f"
        or not np.isfinite(drift).all()
    ):
        raise FieldFileError(
            f"{file.path}: {DRIFT_NAME} is not a subtracted drift: found {drift.dtype} "
            f"of shape {drift.shape}, expected finite numbers in the shape {expected}"
        )
    return drift


def read_records(file: FieldFile, *, n_frames: int) -> dict[str, npt.NDArray[Any]]:
    """What was done to the frames; arrays of other programs are left out."""
    names = [
        entry.name
        for entry in file.arrays
        if entry.name in RECORD_NAMES
        and is_true(entry, "is_record")
        and entry.shape[:1] == (n_frames,)
    ]
    records = {name: file.read(name) for name in names}
    for name, values in records.items():
        if name in SIZE_RECORDS and not _are_sizes(values):
            raise FieldFileError(
                f"{file.path}: {name} has numbers that are negative or infinite, or no "
                "real numbers: the file is damaged"
            )
    return records


def _are_sizes(values: npt.NDArray[Any]) -> bool:
    """Whether they are numbers of vectors, shares or lengths; NaN is not known."""
    is_real = values.dtype.kind in "fiu"
    return is_real and not ((values < 0) | np.isinf(values)).any()


def read_companions(
    file: FieldFile, shape: tuple[int, ...], y: YDirection
) -> tuple[dict[str, FloatArray], DisplacementUnit | None]:
    """Vectors that belong to tractions, and the unit of those that are displacements.

    Arrays without a unit, such as those of other programs, are left out.
    """
    found: dict[str, FloatArray] = {}
    unit = None
    for entry in file.arrays:
        own_unit = entry.attributes.get("units")
        if entry.name not in COMPANION_NAMES or entry.shape[-3:] != shape[-3:]:
            continue
        if entry.layout is None or not isinstance(own_unit, str):
            continue
        if entry.name in DISPLACEMENT_COMPANIONS:
            if own_unit not in DISPLACEMENT_UNITS:
                continue
            unit = cast("DisplacementUnit", own_unit)
        elif own_unit not in TRACTION_UNITS:
            continue
        vectors = FileFrames(file, entry, y=y).all()
        if vectors.shape == shape:
            # Half-widths have no direction, so they keep their sign.
            is_size = entry.name not in DISPLACEMENT_COMPANIONS
            down = vectors if y == "down" else vectors * (1, -1)
            if is_size and (down < 0).any():
                raise FieldFileError(
                    f"{file.path}: {entry.name} has negative numbers, which no "
                    "half-widths of intervals are: the file is damaged"
                )
            found[entry.name] = np.abs(vectors) if is_size else vectors
    return found, unit
