"""Files of limits of detection."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_vit_tfm import __version__
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import (
    FieldFile,
    Maker,
    gel_attributes,
    open_field_file,
    write_arrays,
)
from napari_vit_tfm.io.base import Attributes
from napari_vit_tfm.trust.limits import DetectionMap

_FORCES = {"smallest_force_nN": "nN", "smallest_force": "E steps^2"}
_WIDTHS = {"resolution_um": "um", "resolution_steps": "steps"}
_OTHERS = ("surviving_share", "noise_share", "row", "column")
_GEL = tuple(gel_attributes(Gel()))
_NUMBERS = ("size_steps", "direction_deg", "spacing_um")


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
            **{name: _or_nan(getattr(found, name)) for name in _NUMBERS},
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
    entries = {entry.name: entry for entry in file.arrays}
    force = next(name for name in _FORCES if name in entries)
    width = next(name for name in _WIDTHS if name in entries)
    of_file = entries[force].attributes
    known = {name: _or_none(of_file.get(name)) for name in (*_NUMBERS, *_GEL)}
    size_steps, spacing_um = known["size_steps"], known["spacing_um"]
    if size_steps is None:
        raise FieldFileError(f"{file.path}: has no size of the test adhesion")
    found = DetectionMap(
        row=file.read("row").astype(np.int_),
        column=file.read("column").astype(np.int_),
        smallest_force=file.read(force),
        surviving_share=file.read("surviving_share"),
        resolution_steps=file.read(width),
        noise_share=file.read("noise_share"),
        size_steps=size_steps,
        direction_deg=known["direction_deg"],
        spacing_um=spacing_um,
        gel=Gel(**{name: known[name] for name in _GEL}),
        model=str(of_file.get("model", "")),
        model_sha256=str(of_file.get("model_sha256", "")),
    )
    return replace(
        found,
        smallest_force=found.smallest_force / (found.nn_per_unit or 1.0),
        resolution_steps=found.resolution_steps / (spacing_um or 1.0),
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _or_none(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
