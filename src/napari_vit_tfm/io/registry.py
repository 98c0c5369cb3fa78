"""The formats, and what a file holds according to its headers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import formats
from napari_vit_tfm.io.base import (
    REGISTERED,
    ArrayEntry,
    FileFormat,
    Kind,
    damage_reported,
    kind_of_entry,
)

_HEAD_BYTES = 128


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


@dataclass(frozen=True)
class OpenedFile:
    """A file with its format and its arrays' headers."""

    path: Path
    format: FileFormat
    arrays: tuple[ArrayEntry, ...]


@cache
def registered_formats() -> tuple[FileFormat, ...]:
    """All formats, in the order in which they are asked whether a file is theirs.

    The first call imports every module of `io.formats`.

    Examples
    --------
    >>> from napari_vit_tfm.io.registry import registered_formats
    >>> [str(known) for known in registered_formats()]
    ['MATLAB (.mat)', 'HDF5 (.h5, .hdf5)', 'NPZ (.npz)']
    """
    for module in iter_modules(formats.__path__):
        import_module(f"{formats.__name__}.{module.name}")
    return tuple(
        sorted(REGISTERED.values(), key=lambda known: (known.is_container, known.name))
    )


def written_formats() -> tuple[FileFormat, ...]:
    """Formats that files can be written in."""
    return tuple(known for known in registered_formats() if known.write is not None)


def summarise(path: str | os.PathLike[str]) -> FileSummary:
    """Look inside a file.

    Parameters
    ----------
    path : path
        A file of any format.

    Returns
    -------
    FileSummary
        What the file holds, whether or not there is a field in it.

    Raises
    ------
    FieldFileError
        If the file cannot be read, or its format is unknown.
    """
    file = look_inside(path)

    def taken(kind: Kind) -> str | None:
        try:
            return choose(file, kind).name
        except FieldFileError:
            return None

    return FileSummary(
        path=file.path,
        format=file.format.name,
        arrays=file.arrays,
        displacement=taken("displacement"),
        traction=taken("traction"),
    )


def look_inside(path: str | os.PathLike[str]) -> OpenedFile:
    """The format of a file and its arrays, each with the kind it is said to be."""
    path = Path(path)
    file_format = _format_of(path)
    with damage_reported(path, file_format.name):
        entries = file_format.entries(path)
    arrays = tuple(replace(item, kind=kind_of_entry(item, path)) for item in entries)
    return OpenedFile(path, file_format, arrays)


def choose(file: OpenedFile, kind: Kind, *, dataset: str | None = None) -> ArrayEntry:
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
        f"expected {file.format.expects}"
    )


def _named(file: OpenedFile, dataset: str) -> ArrayEntry:
    for entry in file.arrays:
        if entry.name != dataset.strip("/"):
            continue
        if entry.layout is None:
            raise FieldFileError(
                f"{file.path}: {entry} is no vector field: "
                f"expected {file.format.expects}"
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


def _format_of(path: Path) -> FileFormat:
    if not path.exists():
        raise FieldFileError(f"{path}: there is no such file")
    names = ", ".join(file_format.name for file_format in registered_formats())
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no ordinary file"
        raise FieldFileError(f"{path}: found {what}, expected a file of {names}")
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise FieldFileError(f"{path}: cannot be opened ({error.strerror})") from error
    for file_format in registered_formats():
        if file_format.claims(path, head):
            return file_format
    raise FieldFileError(f"{path}: found {_look_of(head)}, expected one of {names}")


def _look_of(head: bytes) -> str:
    if not head:
        return "an empty file"
    words = head.decode(errors="ignore").split()
    if words and b"\0" not in head and all(word.isprintable() for word in words):
        return f"text that begins with {words[0][:20]!r}"
    return f"data that begins with the bytes {head[:8].hex(' ')}"
