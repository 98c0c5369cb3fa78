"""What a file holds according to its headers, and which array is read as what."""

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
    """What a file holds, known without reading its arrays.

    Parameters
    ----------
    path : Path
        The file.
    format : str
        Name of its format.
    arrays : tuple of ArrayEntry
        Everything in it, with shape, type, layout and kind.
    displacement, traction : str, optional
        Names of the arrays that `read_displacement` and `read_traction` take
        when they are not told which; None where there is none, or no clear one.
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
    """Look inside a file.

    Parameters
    ----------
    source : path or FieldFile
        A file of any format, or one that is open.

    Returns
    -------
    FileSummary
        What the file holds, whether or not there is a field in it.

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
            displacement=_taken(file, "displacement"),
            traction=_taken(file, "traction"),
        )


def choose(file: FieldFile, kind: Kind, *, dataset: str | None = None) -> ArrayEntry:
    """The array to read as displacement or traction.

    One that is asked for by name is believed to be what it is read as. Else it
    is the one said to be of this kind. For displacements, where none is said
    to be, it is the original work's ``data``, else the only vector field that
    nothing is said about.

    Raises
    ------
    FieldFileError
        If there is none, or no clear one, or it is no vector field.
    """
    if dataset is not None:
        return _named(file, dataset)
    fields = [entry for entry in file.arrays if entry.layout is not None]
    candidates = [entry for entry in fields if entry.kind == kind]
    if not candidates and kind == "displacement":
        unsaid = [entry for entry in fields if entry.kind is None]
        candidates = [entry for entry in unsaid if entry.original] or unsaid
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise FieldFileError(
            f"{file.path}: several arrays may be the {kind}: {_listed(candidates)}; "
            "say which (dataset=, --dataset)"
        )
    if fields:
        raise FieldFileError(
            f"{file.path}: holds no {kind} by its names and units: found "
            f"{_listed(fields)}; if that is {kind} all the same, name it "
            "(dataset=, --dataset)"
        )
    raise FieldFileError(
        f"{file.path}: holds no {kind} field: found {_listed(file.arrays)}; "
        f"expected {file.expects}"
    )


def _taken(file: FieldFile, kind: Kind) -> str | None:
    try:
        return choose(file, kind).name
    except FieldFileError:
        return None


def _named(file: FieldFile, dataset: str) -> ArrayEntry:
    for entry in file.arrays:
        if entry.name != dataset.strip("/"):
            continue
        if entry.layout is None:
            raise FieldFileError(
                f"{file.path}: {entry} is no vector field: expected {file.expects}"
            )
        return entry
    raise FieldFileError(
        f"{file.path}: there is no array {dataset!r}: found {_listed(file.arrays)}"
    )


def _listed(entries: Sequence[ArrayEntry], most: int = 3) -> str:
    if not entries:
        return "no arrays"
    text = ", ".join(_described(entry) for entry in entries[:most])
    rest = len(entries) - most
    return f"{text} and {rest} more" if rest > 0 else text


def _described(entry: ArrayEntry) -> str:
    return f"{entry}, {entry.kind}" if entry.kind else str(entry)
