"""Noise of every vector, from a file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.attributes import check_units, unit_name
from napari_vit_tfm.io.base import ArrayEntry
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.registry import PathLike, opened
from napari_vit_tfm.units import DisplacementUnit, displacement_unit

_NAMES = ("displacement_sd", "sd")
"""Names of the array, the first one first."""


_SMALLEST, _LARGEST = 1e-30, 1e18
"""Standard deviations that are possible in some unit, as for fields."""


def read_vector_noise(
    source: PathLike, *, unit: DisplacementUnit | None = None
) -> npt.NDArray[np.float64]:
    """Read the standard deviation of every displacement vector.

    Parameters
    ----------
    source : path
        NPY, NPZ, HDF5 or TIFF file. The array is called ``displacement_sd`` or ``sd``,
        or it is the only one. It has one number for each vector; or two, of the
        components, whose root mean square is taken.
    unit : str, optional, keyword-only
        Unit of the displacements. If the file has a unit, it must be this one, or a
        multiple of it, which is converted.

    Returns
    -------
    array of shape (T, H, W)
        Standard deviation per component, in the unit of the displacements. NaN where it
        is not known. T is 1 if it is the same for all frames.

    Raises
    ------
    FieldFileError
        If the file has no such array, another unit, or numbers that are no standard
        deviations.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.io.vector_noise import read_vector_noise
    >>> np.save("sd.npy", np.full((16, 24), 0.1))
    >>> read_vector_noise("sd.npy").shape
    (1, 16, 24)
    """
    with opened(source) as file:
        entry = _array_of(file)
        name, factor = entry.name, _factor(file, entry, unit)
        values = file.read(name)
        if file.frames_last and values.ndim == 3:
            values = np.moveaxis(values, -1, 0)
        where = f"{file.path}: {name}"
    if values.dtype.kind not in "iuf":
        raise FieldFileError(f"{where} has {values.dtype} values, expected numbers")
    numbers = values.astype(np.float64) * factor
    known = numbers[~np.isnan(numbers)]
    if (numbers <= 0).any() or np.isinf(known).any():
        raise FieldFileError(
            f"{where} has numbers that are no standard deviations, which are positive"
        )
    if (known < _SMALLEST).any() or (known > _LARGEST).any():
        raise FieldFileError(
            f"{where} has standard deviations from {known.min():.3g} to "
            f"{known.max():.3g}, which no measurement has in any unit"
        )
    if numbers.ndim in (3, 4) and numbers.shape[-1] == 2:
        numbers = np.sqrt(np.square(numbers).mean(axis=-1))
    if numbers.ndim == 2:
        numbers = numbers[None]
    if numbers.ndim != 3:
        raise FieldFileError(
            f"{where} has the shape {values.shape}, expected the standard deviation of "
            "every vector, (H, W), (T, H, W), (H, W, 2) or (T, H, W, 2)"
        )
    if np.isnan(numbers).all(axis=(1, 2)).any():
        raise FieldFileError(f"{where} has a frame without any standard deviation")
    return numbers


def _factor(file: FieldFile, entry: ArrayEntry, unit: DisplacementUnit | None) -> float:
    """From the unit in the file to that of the displacements."""
    check_units(file.path, entry)
    name = unit_name(entry)
    if name is None or unit is None:
        return 1.0
    found = displacement_unit(name)
    if found is None or found[0] != unit:
        raise FieldFileError(
            f"{file.path}: {entry.name} is in {name!r}, but the displacements are in "
            f"{unit}: convert it"
        )
    return found[1]


def _array_of(file: FieldFile) -> ArrayEntry:
    for known in _NAMES:
        for entry in file.arrays:
            if entry.name.rsplit("/", 1)[-1].lower() == known:
                return entry
    if len(file.arrays) == 1:
        return file.arrays[0]
    found = ", ".join(entry.name for entry in file.arrays) or "none"
    raise FieldFileError(
        f"{file.path}: expected an array {_NAMES[0]}, the standard deviation of every "
        f"vector; found {found}"
    )
