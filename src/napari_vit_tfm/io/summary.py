"""Contents of a file according to its headers, and the choice of the array to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.base import ArrayEntry, Kind
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.registry import PathLike, opened


@dataclass(frozen=True)
class FileSummary:
    """Contents of a file according to its headers.

    Parameters
    ----------
    path : Path
        The file.
    format : str
        Name of its format.
    arrays : tuple of ArrayEntry
        Headers of all arrays, with shape, type, layout and kind.
    displacement, traction : str, optional
        Names of the arrays that `read_displacement` and `read_traction` read by
        default; None if there is no such array, or several.
    """

    path: Path
    format: str
    arrays: tuple[ArrayEntry, ...]
    displacement: str | None
    traction: str | None

    @property
    def has_field(self) -> bool:
        """Whether there is a displacement or a traction field in the file."""
        return self.displacement is not None or self.traction is not None


def summarise(source: PathLike | FieldFile) -> FileSummary:
    """Summarise the contents of a file.

    Parameters
    ----------
    source : path or FieldFile
        A file of any format, or a `FieldFile` that is open.

    Returns
    -------
    FileSummary
        The contents of the file, which may have no field.

    Raises
    ------
    FieldFileError
        If the file cannot be read, or its format is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import io
    >>> np.savez("cell.npz", displacement=np.zeros((3, 16, 24, 2)))
    >>> summary = io.summarise("cell.npz")
    >>> summary.format, summary.displacement, summary.traction
    ('NPZ', 'displacement', None)
    """
    with opened(source) as file:
        return FileSummary(
            path=file.path,
            format=file.name,
            arrays=file.arrays,
            displacement=_chosen_name(file, "displacement"),
            traction=_chosen_name(file, "traction"),
        )


def choose(file: FieldFile, kind: Kind, *, dataset: str | None = None) -> ArrayEntry:
    """Choose the array to read as displacement or traction.

    An array that is given by its name is chosen whatever its kind. Otherwise, the
    array of the wanted kind is chosen. If there is no displacement, it is the array
    ``data`` of the original work or, without that, the only vector field of unknown
    kind.

    Raises
    ------
    FieldFileError
        If there is no such array, or several, or if it is not a vector field.
    """
    if dataset is not None:
        return _find_by_name(file, dataset)
    fields = [entry for entry in file.arrays if entry.layout is not None]
    candidates = [entry for entry in fields if entry.kind == kind]
    if not candidates and kind == "displacement":
        unknown = [entry for entry in fields if entry.kind is None]
        candidates = [entry for entry in unknown if entry.is_original] or unknown
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise FieldFileError(
            f"{file.path}: several arrays may be the {kind}: "
            f"{_listed(candidates)}; choose one by its name (dataset=, --dataset)"
        )
    if fields:
        raise FieldFileError(
            f"{file.path}: has no {kind} according to names and units: found "
            f"{_listed(fields)}; if this is a {kind} after all, choose it by its name "
            "(dataset=, --dataset)"
        )
    raise FieldFileError(
        f"{file.path}: has no {kind} field: found {_listed(file.arrays)}; "
        f"expected {file.expects}"
    )


def _chosen_name(file: FieldFile, kind: Kind) -> str | None:
    try:
        return choose(file, kind).name
    except FieldFileError:
        return None


def _find_by_name(file: FieldFile, dataset: str) -> ArrayEntry:
    for entry in file.arrays:
        if entry.name != dataset.strip("/"):
            continue
        if entry.layout is None:
            raise FieldFileError(
                f"{file.path}: {entry} is not a vector field: expected {file.expects}"
            )
        return entry
    raise FieldFileError(
        f"{file.path}: there is no array {dataset!r}: found {_listed(file.arrays)}"
    )


def _listed(entries: Sequence[ArrayEntry], maximum: int = 3) -> str:
    if not entries:
        return "no arrays"
    text = ", ".join(_described(entry) for entry in entries[:maximum])
    rest = len(entries) - maximum
    return f"{text} and {rest} more" if rest > 0 else text


def _described(entry: ArrayEntry) -> str:
    return f"{entry}, {entry.kind}" if entry.kind else str(entry)
