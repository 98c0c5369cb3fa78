"""The file formats, and the format of a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from napari_vit_tfm.config import ReadingConfig
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import formats
from napari_vit_tfm.io.components import component_of
from napari_vit_tfm.io.exporter import EXPORTERS, Exporter
from napari_vit_tfm.io.field_file import READERS, FieldFile
from napari_vit_tfm.io.pair_file import with_partner

PathLike = str | os.PathLike[str]

HEAD_BYTES = 1 << 16
"""Number of bytes that are read to recognise the format of a file.

The signature of an HDF5 file may follow a user block.
"""


@cache
def readers() -> tuple[type[FieldFile], ...]:
    """All formats that can be read, in the order in which they are tried.

    Examples
    --------
    >>> from napari_vit_tfm import io
    >>> [reader.name for reader in io.readers()]
    ['MATLAB', 'NPY', 'TIFF', 'Text', 'HDF5', 'NPZ']
    """
    _import_formats()
    return tuple(
        sorted(READERS.values(), key=lambda reader: (reader.is_container, reader.name))
    )


@cache
def exporters(*, any_array: bool = False) -> tuple[type[Exporter], ...]:
    """The formats in which tractions can be written; those for any array come first.

    Parameters
    ----------
    any_array : bool, keyword-only
        Whether the formats have to take arrays of any name and shape, too.

    Examples
    --------
    >>> from napari_vit_tfm import io
    >>> [exporter.name for exporter in io.exporters()]
    ['HDF5', 'NPZ', 'CSV', 'MATLAB', 'OME-TIFF']
    >>> [exporter.suffixes for exporter in io.exporters(any_array=True)]
    [('.h5', '.hdf5'), ('.npz',)]
    """
    _import_formats()
    found = sorted(EXPORTERS.values(), key=lambda one: (one.only_tractions, one.name))
    return tuple(one for one in found if not (any_array and one.only_tractions))


def open_field_file(
    path: PathLike, *, allow_links: bool = ReadingConfig.allow_links
) -> FieldFile:
    """Recognise the format of a file by its content, and prepare to open it.

    Parameters
    ----------
    path : path
        A file of any format. If it is one of two files with one component each, such
        as u.npy and v.npy, or u.npy and v.txt, it stands for both.
    allow_links : bool, keyword-only
        Whether parts of the data may be in other files that an HDF5 file names.

    Returns
    -------
    FieldFile
        The file. In a ``with`` block, it is open and can be passed to the functions of
        this package instead of a path.

    Raises
    ------
    FieldFileError
        If the file cannot be read, or its format is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import io
    >>> np.savez("cell.npz", displacement=np.zeros((3, 16, 24, 2)))
    >>> with io.open_field_file("cell.npz") as file:
    ...     [str(entry) for entry in file.arrays]
    ...     io.read_displacement(file).n_frames
    ['displacement (float64, shape (3, 16, 24, 2))']
    3
    """
    path = Path(path)
    file = _recognised(path)
    if file is None:
        hint = (
            "; MATLAB files of version 4 are not read: save it again with -v7"
            if path.suffix.lower() == ".mat"
            else ""
        )
        raise FieldFileError(
            f"{path}: found {_description_of(_head(path))}, expected one of the "
            f"formats {_names_of_readers()}{hint}"
        )
    file.allow_links = allow_links
    partners = map(_recognised, partner_paths(path)) if file.may_be_component else ()
    return with_partner(file, [partner for partner in partners if partner is not None])


def partner_paths(path: Path) -> list[Path]:
    """Files beside `path` that may have the other component of its field.

    They have the name of the other component and the suffix of any format that can be
    one component. If one has the suffix of `path`, it is the only one.

    Parameters
    ----------
    path : Path
        A file.

    Returns
    -------
    list of Path
        Empty if the file's name is not that of one component.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from napari_vit_tfm.io.registry import partner_paths
    >>> np.save("a_u.npy", np.zeros((8, 9)))
    >>> np.savetxt("a_v.txt", np.zeros((8, 9)))
    >>> [path.name for path in partner_paths(Path("a_u.npy"))]
    ['a_v.txt']
    """
    component = component_of(path.stem)
    if component is None:
        return []
    same = path.with_name(component.partner + path.suffix)
    if same.is_file():
        return [same]
    suffixes = {
        suffix
        for reader in readers()
        if reader.may_be_component
        for suffix in reader.suffixes
    }
    others = (path.with_name(component.partner + suffix) for suffix in sorted(suffixes))
    return [other for other in others if other.is_file()]


@contextmanager
def opened(
    source: PathLike | FieldFile, *, allow_links: bool = ReadingConfig.allow_links
) -> Iterator[FieldFile]:
    """A given open file, or the file at a path, which is opened for the block."""
    if isinstance(source, FieldFile):
        yield source
    else:
        with open_field_file(source, allow_links=allow_links) as file:
            yield file


def _recognised(path: Path) -> FieldFile | None:
    """The file at a path, which is not open; None if its format is not known."""
    head = _head(path)
    for reader in readers():
        if reader.recognises(path, head):
            return reader(path, head)
    return None


@cache
def _import_formats() -> None:
    for module in iter_modules(formats.__path__):
        import_module(f"{formats.__name__}.{module.name}")


def _names_of_readers() -> str:
    return ", ".join(reader.name for reader in readers())


def _head(path: Path) -> bytes:
    if not path.exists():
        raise FieldFileError(f"{path}: there is no such file")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "a special file"
        raise FieldFileError(
            f"{path}: found {what}, expected a file of {_names_of_readers()}"
        )
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError as error:
        raise FieldFileError(f"{path}: cannot be opened ({error.strerror})") from error


def _description_of(head: bytes) -> str:
    if not head:
        return "an empty file"
    words = head.decode(errors="ignore").split()
    if words and b"\0" not in head and all(word.isprintable() for word in words):
        return f"text that begins with {words[0][:20]!r}"
    return f"data that begins with the bytes {head[:8].hex(' ')}"
