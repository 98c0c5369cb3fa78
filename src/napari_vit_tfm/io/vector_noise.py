"""Noise of every vector, from a file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.registry import PathLike, opened

_NAMES = ("displacement_sd", "sd")
"""Names of the array, the first one first."""


def read_vector_noise(source: PathLike) -> npt.NDArray[np.float64]:
    """Read the standard deviation of every displacement vector.

    Parameters
    ----------
    source : path
        NPY, NPZ, HDF5 or TIFF file. The array is called ``displacement_sd`` or ``sd``,
        or it is the only one. It has one number for each vector; or two, of the
        components, whose root mean square is taken.

    Returns
    -------
    array of shape (T, H, W)
        Standard deviation per component, in the unit of the displacements. NaN where it
        is not known. T is 1 if it is the same for all frames.

    Raises
    ------
    FieldFileError
        If the file has no such array, or numbers that are no standard deviations.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.io.vector_noise import read_vector_noise
    >>> np.save("sd.npy", np.full((16, 24), 0.1))
    >>> read_vector_noise("sd.npy").shape
    (1, 16, 24)
    """
    with opened(source) as file:
        name = _array_of(file)
        values = file.read(name)
        if file.frames_last and values.ndim == 3:
            values = np.moveaxis(values, -1, 0)
        where = f"{file.path}: {name}"
    if values.dtype.kind not in "iuf":
        raise FieldFileError(f"{where} has {values.dtype} values, expected numbers")
    numbers = values.astype(np.float64)
    if numbers.ndim in (3, 4) and numbers.shape[-1] == 2:
        numbers = np.sqrt(np.square(numbers).mean(axis=-1))
    if numbers.ndim == 2:
        numbers = numbers[None]
    if numbers.ndim != 3:
        raise FieldFileError(
            f"{where} has the shape {values.shape}, expected the standard deviation of "
            "every vector, (H, W), (T, H, W), (H, W, 2) or (T, H, W, 2)"
        )
    is_unknown = np.isnan(numbers)
    if np.isinf(numbers).any() or (numbers[~is_unknown] <= 0).any():
        raise FieldFileError(
            f"{where} has numbers that are no standard deviations, which are positive"
        )
    if is_unknown.all(axis=(1, 2)).any():
        raise FieldFileError(f"{where} has a frame without any standard deviation")
    return numbers


def _array_of(file: FieldFile) -> str:
    for known in _NAMES:
        for entry in file.arrays:
            if entry.name.rsplit("/", 1)[-1].lower() == known:
                return entry.name
    if len(file.arrays) == 1:
        return file.arrays[0].name
    found = ", ".join(entry.name for entry in file.arrays) or "none"
    raise FieldFileError(
        f"{file.path}: expected an array {_NAMES[0]}, the standard deviation of every "
        f"vector; found {found}"
    )
