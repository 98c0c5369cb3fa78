"""HDF5 files that are not trusted: opened, and looked through within limits.

An HDF5 file may refer to other files, and a damaged one may lead in circles. The plugin
sees every HDF5 file that is opened in napari, so none of them may block or crash it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from napari_vit_tfm.errors import FieldFileError

MOST_OBJECTS = 50_000
"""Most groups and datasets in a file."""

MOST_NESTED = 32
"""Most groups that are nested in each other."""

MOST_ATTRIBUTES = 1_000
"""Most attributes of a group or a dataset."""

MOST_ATTRIBUTE_BYTES = 2**20
"""Size of the largest attribute that is read."""


def open_hdf5(path: Path, **options: Any) -> h5py.File:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path : Path
        The file.
    **options
        Options of `h5py.File`.

    Returns
    -------
    h5py.File
        The file. All of its data are in the file itself.

    Raises
    ------
    FieldFileError
        If a part of the data is in another file, or the file has too many objects.

    Examples
    --------
    >>> from pathlib import Path
    >>> import h5py
    >>> from napari_vit_tfm.io.hdf5 import open_hdf5
    >>> with h5py.File("linked.h5", "w") as file:
    ...     file["displacement"] = h5py.ExternalLink("other.h5", "/displacement")
    >>> open_hdf5(Path("linked.h5"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    napari_vit_tfm.errors.FieldFileError: linked.h5: displacement is in another file...
    """
    file = h5py.File(path, "r", **options)
    try:
        datasets_of(path, file)
    except BaseException:
        file.close()
        raise
    return file


def datasets_of(path: Path, file: h5py.File) -> dict[str, h5py.Dataset]:
    """All datasets of a file, by name; those of nested groups have their path.

    Each group is visited once, as by `h5py.Group.visititems`, and links to other
    places of the file are not followed.

    Parameters
    ----------
    path : Path
        The file, for messages.
    file : h5py.File
        The open file.

    Raises
    ------
    FieldFileError
        If a part of the data is in another file, or the file has too many objects.
    """
    search = _Search(path)
    search.visit(file, "", depth=0)
    return search.datasets


class _Search:
    """Visits the groups of a file."""

    def __init__(self, path: Path) -> None:
        self.datasets: dict[str, h5py.Dataset] = {}
        self._path = path
        self._visited: set[int] = set()
        self._n_objects = 0

    def visit(self, group: h5py.Group, prefix: str, *, depth: int) -> None:
        """Find the datasets of a group, unless it was visited before."""
        address = h5py.h5o.get_info(group.id).addr
        if address in self._visited:
            return
        self._visited.add(address)
        if depth > MOST_NESTED:
            raise FieldFileError(
                f"{self._path}: more than {MOST_NESTED} groups are nested in each "
                "other, which no file of fields needs"
            )
        for raw in self._links(group):
            link = group.id.links.get_info(raw).type
            name = prefix + raw.decode(errors="replace")
            if link == h5py.h5l.TYPE_EXTERNAL:
                raise _elsewhere(self._path, name)
            if link == h5py.h5l.TYPE_HARD:
                self._add(group[raw], name, depth)

    def _add(self, item: object, name: str, depth: int) -> None:
        if isinstance(item, h5py.Group):
            self.visit(item, f"{name}/", depth=depth + 1)
        elif isinstance(item, h5py.Dataset):
            if _is_elsewhere(item):
                raise _elsewhere(self._path, name)
            self.datasets[name] = item

    def _links(self, group: h5py.Group) -> list[bytes]:
        """Names of the links of a group. A damaged list may have no end."""
        names: list[bytes] = []

        def add(name: bytes) -> bool | None:
            names.append(name)
            # True ends the iteration.
            return self._n_objects + len(names) > MOST_OBJECTS or None

        group.id.links.iterate(add)
        self._n_objects += len(names)
        if self._n_objects > MOST_OBJECTS:
            raise FieldFileError(
                f"{self._path}: there are more than {MOST_OBJECTS} groups and "
                "datasets, which no file of fields needs"
            )
        return names


def _is_elsewhere(dataset: h5py.Dataset) -> bool:
    properties = dataset.id.get_create_plist()
    is_virtual = properties.get_layout() == h5py.h5d.VIRTUAL
    return bool(is_virtual or properties.get_external_count())


def _elsewhere(path: Path, name: str) -> FieldFileError:
    return FieldFileError(
        f"{path}: {name} is in another file, which is not opened, since a missing part "
        "would be read as zeros: store all data in one file"
    )


def attributes_of(path: Path, item: h5py.Group | h5py.Dataset) -> Mapping[str, Any]:
    """Attributes of a group or a dataset; those that are too large are left out.

    Parameters
    ----------
    path : Path
        The file, for messages.
    item : h5py.Group or h5py.Dataset
        The group or dataset.

    Raises
    ------
    FieldFileError
        If there are too many.
    """
    attributes = item.attrs
    n = len(attributes)
    if n > MOST_ATTRIBUTES:
        raise FieldFileError(
            f"{path}: {item.name} has {n} attributes, expected at most "
            f"{MOST_ATTRIBUTES}"
        )
    return {
        name: attributes[name]
        for name in attributes
        if _n_bytes(attributes.get_id(name)) <= MOST_ATTRIBUTE_BYTES
    }


def _n_bytes(attribute: h5py.h5a.AttrID) -> int:
    return math.prod(attribute.shape or ()) * int(attribute.get_type().get_size())
