"""Masks of cells: whole numbers on the grid of a field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.png import is_png, read_png
from napari_vit_tfm.io.registry import PathLike, opened

_NAMES = ("labels", "mask", "masks", "cells", "segmentation")
"""Names of a mask, the first one first."""


def read_labels(
    source: PathLike | FieldFile,
    *,
    dataset: str | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> npt.NDArray[np.integer]:
    """Read the numbers of the cells from a file such as TIFF, PNG, NPY or HDF5.

    Parameters
    ----------
    source : path or FieldFile
        The file, or a `FieldFile` that is open. In a PNG, the numbers are the grey
        values, or the indices of its palette.
    dataset : str, keyword-only, optional
        Name of the array. By default it is called ``labels``, ``mask``, ``masks``,
        ``cells`` or ``segmentation``, or it is the only one of whole numbers.
    on_notice : callable, optional, keyword-only
        Called with a message for everything that the user should know, such as parts
        of the array that were never written.

    Returns
    -------
    array of int, shape (H, W) or (T, H, W)
        Number of the cell at each node, 0 in the background, in the smallest type that
        holds it. A mask of True and False is one cell, number 1.

    Raises
    ------
    FieldFileError
        If the file has no such array, or several, or other numbers, or is a PNG in
        colour.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.io import read_labels
    >>> np.save("cells.npy", np.array([[0, 1], [2, 2]]))
    >>> read_labels("cells.npy").tolist()
    [[0, 1], [2, 2]]
    """
    if not isinstance(source, FieldFile) and is_png(source):
        return _whole_numbers(read_png(Path(source)), str(source))
    with opened(source) as file:
        name = dataset or _only_mask(file)
        if on_notice is not None:
            for note in _notes(file, name):
                on_notice(f"{file.path.name}: {note}")
        values = np.squeeze(file.read(name))
        if file.frames_last and values.ndim == 3:
            values = np.moveaxis(values, -1, 0)
        where = f"{file.path}: {name}"
    if values.ndim not in (2, 3):
        raise FieldFileError(
            f"{where} has the shape {values.shape}, expected (H, W) or (T, H, W)"
        )
    return _whole_numbers(values, where)


def _notes(file: FieldFile, name: str) -> tuple[str, ...]:
    return next((entry.notes for entry in file.arrays if entry.name == name), ())


def _only_mask(file: FieldFile) -> str:
    arrays = [entry for entry in file.arrays if len(entry.shape) in (2, 3, 4)]
    masks = [
        entry.name
        for entry in arrays
        if entry.dtype.startswith(("int", "uint", "bool"))
    ]
    # MATLAB's numbers are floating-point numbers unless they are converted.
    others = [entry.name for entry in arrays if entry.dtype.startswith("float")]
    for names in (masks, others):
        for known in _NAMES:
            for name in names:
                if name.rsplit("/", 1)[-1].lower() == known:
                    return name
    if len(masks) == 1:
        return masks[0]
    if len(file.arrays) == 1:
        return file.arrays[0].name
    found = ", ".join(masks) or "none"
    raise FieldFileError(
        f"{file.path}: expected one array of whole numbers, the numbers of the cells; "
        f"found {found}"
    )


def _whole_numbers(values: npt.NDArray[Any], where: str) -> npt.NDArray[np.integer]:
    """Labels of any type of number, if they are whole, in the smallest type."""
    if values.dtype.kind not in "iubf":
        raise FieldFileError(f"{where} has {values.dtype} values, expected numbers")
    is_float = values.dtype.kind == "f"
    if is_float and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise FieldFileError(
            f"{where} has numbers that are not whole, expected the numbers of the cells"
        )
    if values.size == 0:
        raise FieldFileError(f"{where} has no pixels")
    lowest, highest = values.min(), values.max()
    if lowest < 0 or highest > 2**31:
        raise FieldFileError(
            f"{where} has numbers from {lowest:g} to {highest:g}, expected "
            "0 for the background and the numbers of the cells"
        )
    return values.astype(np.min_scalar_type(int(highest)))
