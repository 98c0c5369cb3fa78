"""Files of limits of detection."""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_vit_tfm import __version__
from napari_vit_tfm.constraints import Range
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import (
    FieldFile,
    Maker,
    gel_attributes,
    open_field_file,
    write_arrays,
)
from napari_vit_tfm.io.attributes import (
    gel_of,
    lengths_of,
    text_attribute,
    unit_name,
)
from napari_vit_tfm.io.base import ArrayEntry, Attributes
from napari_vit_tfm.io.frames import LARGEST
from napari_vit_tfm.trust.limits import DetectionMap

_IN_NN, _IN_UM = "smallest_force_nN", "resolution_um"
_FORCES = {_IN_NN: "nN", "smallest_force": "E steps^2"}
_WIDTHS = {_IN_UM: "um", "resolution_steps": "steps"}
_OTHERS = ("surviving_share", "noise_share", "row", "column")
_ATTRIBUTES = ("size_steps", "direction_deg", "spacing_um")

_SIZES = Range(minimum=0.0, maximum=1e4)
_ANGLES = Range(minimum=-360.0, maximum=360.0, excludes_minimum=False)
_LAST_PLACE = 10**6
"""Rows and columns that are possible."""


def write_detection_map(
    path: str | os.PathLike[str], found: DetectionMap, *, maker: Maker | None = None
) -> None:
    """Write limits of detection to an HDF5 or NPZ file.

    Forces are ``smallest_force_nN``, or ``smallest_force`` in ``E`` times a squared
    grid step if Young's modulus or the spacing is not known; widths are
    ``resolution_um`` or ``resolution_steps``. The attribute ``units`` says the same.

    Parameters
    ----------
    path : path
        The file; an existing file is replaced.
    found : DetectionMap
        The limits.
    maker : Maker, keyword-only, optional
        The command that computed them, which is written into the file.

    Raises
    ------
    FieldFileError
        If the extension is unknown, or the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.limits import DetectionMap
    >>> from napari_vit_tfm.trust.limits_file import (
    ...     read_detection_map,
    ...     write_detection_map,
    ... )
    >>> place, one = np.array([8]), np.ones((1, 1, 1))
    >>> numbers = (one, 0.5 * one, 4 * one, np.array([0.05]))
    >>> found = DetectionMap(place, place, *numbers, size_steps=4.0)
    >>> write_detection_map("limits.npz", found)
    >>> read_detection_map("limits.npz").smallest_force
    array([[[1.]]])
    """
    spacing = found.spacing_um
    force, width = (
        "smallest_force" if found.nn_per_unit is None else "smallest_force_nN",
        "resolution_steps" if spacing is None else "resolution_um",
    )
    arrays = {
        force: found.in_known_units()[0],
        "surviving_share": found.surviving_share,
        width: found.resolution_steps * (spacing or 1.0),
        "noise_share": found.noise_share,
        "row": found.row,
        "column": found.column,
    }
    attributes: dict[str, Attributes] = {
        "": {
            **{name: _or_nan(getattr(found, name)) for name in _ATTRIBUTES},
            **gel_attributes(found.gel),
            "model": found.model,
            "model_sha256": found.model_sha256,
            "version": __version__,
            **({} if maker is None else maker.attributes(Path(path).parent)),
        },
        force: {"units": _FORCES[force]},
        "surviving_share": {"units": "1"},
        "noise_share": {"units": "1"},
        width: {"units": _WIDTHS[width]},
        "row": {"units": "steps"},
        "column": {"units": "steps"},
    }
    write_arrays(path, arrays, attributes)


def read_detection_map(source: str | os.PathLike[str]) -> DetectionMap:
    """Read limits of detection.

    Parameters
    ----------
    source : path
        A file of `write_detection_map`, or of ``vit-tfm limits``.

    Returns
    -------
    DetectionMap

    Raises
    ------
    FieldFileError
        If the file cannot be read, or has no limits of detection.
    """
    with open_field_file(source) as file:
        return detection_map_in(file)


def has_detection_map(file: FieldFile) -> bool:
    """Whether an open file has limits of detection."""
    names = {entry.name for entry in file.arrays}
    return (
        names.issuperset(_OTHERS)
        and not names.isdisjoint(_FORCES)
        and not names.isdisjoint(_WIDTHS)
    )


def detection_map_in(file: FieldFile) -> DetectionMap:
    """The limits of detection in an open file; see `read_detection_map`."""
    if not has_detection_map(file):
        raise FieldFileError(f"{file.path}: has no limits of detection")
    force, width = _only(file, _FORCES), _only(file, _WIDTHS)
    entry = next(one for one in file.arrays if one.name == force)
    spacing = lengths_of(file.path, entry, {}, nan_is_unknown=True)[0]["spacing_um"]
    row, column = _places(file, "row"), _places(file, "column")
    noise_share = _numbers(file, "noise_share", (None,))
    shape = len(noise_share), len(row), len(column)
    size = _attribute(file, entry, "size_steps", _SIZES)
    if size is None:
        raise FieldFileError(f"{file.path}: has no size of the test adhesion")
    found = DetectionMap(
        row=row,
        column=column,
        smallest_force=_numbers(file, force, shape, infinite=True),
        surviving_share=_numbers(
            file, "surviving_share", shape, infinite=True, negative=True
        ),
        resolution_steps=_numbers(file, width, shape, infinite=True),
        noise_share=noise_share,
        size_steps=size,
        direction_deg=_attribute(file, entry, "direction_deg", _ANGLES),
        spacing_um=spacing,
        gel=gel_of(file.path, entry, Gel())[0],
        model=text_attribute(entry, "model"),
        model_sha256=text_attribute(entry, "model_sha256"),
    )
    if (force == _IN_NN) != (found.nn_per_unit is not None) or (
        (width == _IN_UM) != (spacing is not None)
    ):
        raise FieldFileError(
            f"{file.path}: {force} and {width} are not in the units that follow from "
            "spacing and Young's modulus in the same file: it is damaged"
        )
    _check_known(file.path, found)
    return replace(
        found,
        smallest_force=found.smallest_force / (found.nn_per_unit or 1.0),
        resolution_steps=found.resolution_steps / (spacing or 1.0),
    )


def _check_known(path: Path, found: DetectionMap) -> None:
    """Raise an error if numbers are missing that belong to others."""
    has_places = not np.isnan(found.smallest_force).all()
    without_noise = has_places and bool(np.isnan(found.noise_share).all())
    is_found = np.isfinite(found.smallest_force)
    response = found.surviving_share, found.resolution_steps
    without_response = is_found & ~np.isfinite(response).all(axis=0)
    if without_noise or without_response.any():
        raise FieldFileError(
            f"{path}: some limits of detection lack their noise, surviving share or "
            "resolution: the file is damaged"
        )


def _only(file: FieldFile, units: Mapping[str, str]) -> str:
    """The array in one of several units, which must be the one in its name."""
    names = [entry.name for entry in file.arrays if entry.name in units]
    if len(names) > 1:
        raise FieldFileError(f"{file.path}: has both {' and '.join(names)}")
    (name,) = names
    entry = next(one for one in file.arrays if one.name == name)
    if unit_name(entry) != units[name]:
        raise FieldFileError(
            f"{file.path}: {name} has the unit {unit_name(entry)!r}, expected "
            f"{units[name]}"
        )
    return name


def _places(file: FieldFile, name: str) -> npt.NDArray[np.int_]:
    """Rows or columns, which increase."""
    values = _numbers(file, name, (None,))
    if (
        not ((values == np.rint(values)) & (values <= _LAST_PLACE)).all()
        or (np.diff(values) <= 0).any()
    ):
        raise FieldFileError(
            f"{file.path}: {name} is not a list of increasing whole numbers"
        )
    return values.astype(np.int_)


def _numbers(
    file: FieldFile,
    name: str,
    shape: tuple[int | None, ...],
    *,
    infinite: bool = False,
    negative: bool = False,
) -> npt.NDArray[np.float64]:
    """An array of a shape, whose numbers are possible; NaN means not known."""
    values = file.read(name)
    fits = values.ndim == len(shape) and all(
        side in (None, found) for side, found in zip(shape, values.shape, strict=True)
    )
    if values.dtype.kind not in "fiu" or not fits or values.size == 0:
        raise FieldFileError(
            f"{file.path}: {name} has {values.dtype} numbers in the shape "
            f"{values.shape}, which limits of detection do not have"
        )
    numbers = values.astype(np.float64)
    known = numbers[~np.isnan(numbers)]
    is_infinite = not infinite and bool(np.isinf(known).any())
    if is_infinite or (not negative and (known < 0).any()):
        raise FieldFileError(
            f"{file.path}: {name} has {'infinite' if is_infinite else 'negative'} "
            "numbers: the file is damaged"
        )
    largest = float(np.abs(known).max(initial=0, where=np.isfinite(known)))
    if largest > LARGEST:
        raise FieldFileError(
            f"{file.path}: {name} has the number {largest:.3g}, which no limit of "
            "detection has in any unit: the file is damaged"
        )
    return numbers


def _attribute(
    file: FieldFile, entry: ArrayEntry, name: str, possible: Range
) -> float | None:
    """A number of the whole file; None if it is missing or NaN."""
    value = entry.attributes.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and math.isnan(value):
        return None
    if not is_number or not possible.allows(float(value)):
        raise FieldFileError(
            f"{file.path}: has {name} = {reprlib.repr(value)}, expected a number "
            f"{possible.range_in_words}"
        )
    return float(value)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
