"""HDF5 files, those of the original work and those this package writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_vit_tfm.io.base import AnyArray, ArrayEntry, Attributes, field_layout
from napari_vit_tfm.io.exporter import Append, Exporter
from napari_vit_tfm.io.field_file import FieldFile

NAME = "HDF5"
SUFFIXES = (".h5", ".hdf5")

ORIGINAL_NAME = "data"
"""Where the original work keeps displacements and tractions alike."""

SIGNATURE = b"\x89HDF\r\n\x1a\n"

CHUNK_CACHE_BYTES = 64 * 2**20
"""How much that has been unpacked is kept.

An array may be stored in pieces of many frames each. They are then not unpacked
anew for every few frames.
"""


class Hdf5File(FieldFile):
    """Arrays are datasets; attributes of the file hold for all of them."""

    name = NAME
    suffixes = SUFFIXES
    is_container = True
    reads_frames = True

    @classmethod
    def claims(cls, path: Path, head: bytes) -> bool:
        """Whether there is a signature at the start, or behind a user's block."""
        return has_signature(head)

    def open(self, resources: ExitStack) -> None:
        """Open the file."""
        self._file = resources.enter_context(
            h5py.File(self.path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)
        )

    def entries(self) -> tuple[ArrayEntry, ...]:
        """All datasets, also those in groups."""
        found: list[ArrayEntry] = []
        of_file = plain_attributes(self._file.attrs)

        def note(name: str, item: h5py.Dataset | h5py.Group) -> None:
            if not isinstance(item, h5py.Dataset):
                return
            # A dataset may have no shape at all: a null dataspace.
            shape = tuple(item.shape or ())
            attributes = of_file | plain_attributes(item.attrs)
            found.append(
                ArrayEntry(
                    name=name,
                    shape=shape,
                    dtype=str(item.dtype),
                    layout=field_layout(shape, item.dtype),
                    original=name == ORIGINAL_NAME and "units" not in attributes,
                    attributes=attributes,
                )
            )

        self._file.visititems(note)
        return tuple(found)

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """A dataset, or some of its frames."""
        return np.asarray(self._file[name][... if frames is None else frames])


class Hdf5Exporter(Exporter):
    """Frames are compressed one by one, as they are read one by one."""

    name = NAME
    suffixes = SUFFIXES

    @classmethod
    @contextmanager
    def open(cls, path: Path, attributes: Attributes) -> Iterator[Append]:
        """Begin a new file; what is appended is written at once."""
        with h5py.File(path, "x") as file:
            file.attrs.update(attributes)

            def append(name: str, frames: AnyArray, attributes: Attributes) -> None:
                if name in file:
                    _extend(file[name], frames)
                else:
                    _create(file, name, frames).attrs.update(attributes)

            yield append


def has_signature(head: bytes) -> bool:
    """Whether a file that begins with these bytes is HDF5.

    The signature stands at the start, or behind a block of 512 bytes, 1024, 2048 and
    so on, which is the user's.
    """
    place = 0
    while place < len(head):
        if head.startswith(SIGNATURE, place):
            return True
        place = 2 * place or 512
    return False


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """HDF5 attributes as strings, numbers and arrays; empty ones are left out."""
    plain: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, h5py.Empty):
            continue
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(())[()]
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        plain[name] = value.item() if isinstance(value, np.generic) else value
    return plain


def _create(file: h5py.File, name: str, array: AnyArray) -> h5py.Dataset:
    if array.ndim < 3:
        return file.create_dataset(name, data=array)
    return file.create_dataset(
        name,
        data=array,
        maxshape=(None, *array.shape[1:]),
        chunks=(1, *array.shape[1:]),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )


def _extend(dataset: h5py.Dataset, frames: AnyArray) -> None:
    n_frames = len(dataset)
    dataset.resize(n_frames + len(frames), axis=0)
    dataset[n_frames:] = frames
