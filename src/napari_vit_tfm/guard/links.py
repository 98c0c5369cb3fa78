"""Parts of an HDF5 file that are in other files: links, storage, virtual datasets.

They are opened only if the user allows it. HDF5 itself reads zeros where a source of a
virtual dataset is missing, or waits for ever for a file that is a pipe; here, both are
errors.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from napari_vit_tfm.errors import FieldFileError

MOST_SOURCES = 100_000
"""Most sources of a virtual dataset."""

_MOST_NESTED = 8
"""Most virtual datasets that are sources of each other."""


def is_elsewhere(dataset: h5py.Dataset) -> bool:
    """Whether the values of a dataset may be in another file."""
    properties = dataset.id.get_create_plist()
    is_virtual = properties.get_layout() == h5py.h5d.VIRTUAL
    return bool(is_virtual or properties.get_external_count())


def elsewhere(path: Path, name: str) -> FieldFileError:
    """The error about a part of the data in another file."""
    return FieldFileError(
        f"{path}: {name} is in another file, which is opened only if you allow it "
        "(--allow-links, allow_links=True)"
    )


def target(
    path: Path, group: h5py.Group, raw: bytes, name: str
) -> h5py.Group | h5py.Dataset:
    """The group or dataset to which an external link points.

    Parameters
    ----------
    path : Path
        The file, for messages.
    group : h5py.Group
        The group with the link.
    raw : bytes
        Name of the link in the group.
    name : str
        Its whole name, for messages.

    Raises
    ------
    FieldFileError
        If there is no such file, or it is no ordinary file, or does not have it.
    """
    filename, inner = group.id.links.get_val(raw)
    _existing(path, name, _beside(group.file.filename, filename))
    try:
        return group[raw]
    except (KeyError, OSError) as error:
        raise FieldFileError(
            f"{path}: {name} is {os.fsdecode(inner)} in {os.fsdecode(filename)}, which "
            "cannot be read"
        ) from error


def check_whole(path: Path, name: str, dataset: h5py.Dataset) -> None:
    """Check that all values of a dataset that is elsewhere are there.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        Name of the dataset, for messages.
    dataset : h5py.Dataset
        A virtual dataset, or one with external storage.

    Raises
    ------
    FieldFileError
        If a file is missing, or is too short, or no ordinary file, or if a part of the
        dataset has no source.
    """
    if dataset.is_virtual:
        _check_virtual(path, name, dataset, [])
    else:
        _check_storage(path, name, dataset)


def _check_virtual(
    path: Path, name: str, dataset: h5py.Dataset, within: list[tuple[str, str]]
) -> None:
    own = (os.path.realpath(dataset.file.filename), dataset.name)
    if own in within or len(within) >= _MOST_NESTED:
        raise FieldFileError(f"{path}: {name} is a source of itself")
    properties = dataset.id.get_create_plist()
    n_sources = properties.get_virtual_count()
    if n_sources > MOST_SOURCES:
        raise FieldFileError(
            f"{path}: {name} has {n_sources} sources, expected at most {MOST_SOURCES}"
        )
    n_values = 0
    for number in range(n_sources):
        filename = properties.get_virtual_filename(number)
        inner = properties.get_virtual_dsetname(number)
        region = properties.get_virtual_vspace(number)
        is_all = region.get_select_type() == h5py.h5s.SEL_ALL
        n_mapped = math.prod(dataset.shape) if is_all else region.get_select_npoints()
        n_values += n_mapped
        selected = properties.get_virtual_srcspace(number)
        with _source_file(path, name, dataset.file, filename) as file:
            source = file.get(inner)
            if not isinstance(source, h5py.Dataset):
                raise FieldFileError(
                    f"{path}: {name} is in {filename}, which has no array {inner!r}"
                )
            if not _has_all(source, selected, n_mapped):
                raise FieldFileError(
                    f"{path}: {name} needs other values of {inner!r} in {filename} "
                    f"than those that are there, {source.shape}"
                )
            if is_elsewhere(source):
                if source.is_virtual:
                    _check_virtual(path, name, source, [*within, own])
                else:
                    _check_storage(path, name, source)
    if n_values < math.prod(dataset.shape):
        raise FieldFileError(
            f"{path}: {n_values} of {math.prod(dataset.shape)} values of {name} have a "
            "source; the others would be read as zeros"
        )


def _has_all(source: h5py.Dataset, selected: h5py.h5s.SpaceID, n_mapped: int) -> bool:
    """Whether a source has all values that are read from it."""
    shape = source.shape or ()
    if selected.get_select_type() == h5py.h5s.SEL_ALL:
        return math.prod(shape) == n_mapped
    last = selected.get_select_bounds()[1]
    return len(last) == len(shape) and all(
        number < side for number, side in zip(last, shape, strict=True)
    )


@contextmanager
def _source_file(
    path: Path, name: str, file: h5py.File, filename: str
) -> Iterator[h5py.File]:
    """The file of a source, which is open in a block: another one, or the same."""
    if filename == ".":
        yield file
        return
    beside = _beside(file.filename, filename)
    _existing(path, name, beside)
    try:
        other = h5py.File(beside, "r")
    except OSError as error:
        raise FieldFileError(
            f"{path}: {name} is in {beside}, which cannot be read"
        ) from error
    with other:
        yield other


def _check_storage(path: Path, name: str, dataset: h5py.Dataset) -> None:
    properties = dataset.id.get_create_plist()
    missing = math.prod(dataset.shape) * dataset.dtype.itemsize
    for number in range(properties.get_external_count()):
        raw, offset, size = properties.get_external(number)
        # HDF5 looks for it in the current folder.
        file = Path(os.fsdecode(raw)).absolute()
        _existing(path, name, file)
        there = max(file.stat().st_size - offset, 0)
        wanted = min(missing, size)
        if there < wanted:
            raise FieldFileError(
                f"{path}: {name} is in {file}, which is too short: {there} of {wanted} "
                "bytes are there, and the others would be read as zeros"
            )
        missing -= wanted


def _beside(filename: str, other: bytes | str) -> Path:
    """A file that is named in another one: relative to the folder of that one."""
    return Path(filename).absolute().parent / os.fsdecode(other)


def _existing(path: Path, name: str, file: Path) -> None:
    """Raise an error if there is no such ordinary file. A pipe would block."""
    if file.is_file():
        return
    what = "is no ordinary file" if file.exists() else "is missing"
    raise FieldFileError(f"{path}: {name} is in {file}, which {what}")
