"""HDF5 files, including those of the original work and those of this package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.guard.child import HDF5
from napari_vit_tfm.guard.hdf5 import (
    SIGNATURE,
    ChunkCheck,
    attributes_of,
    check_numbers,
    check_written,
    datasets_of,
    plain_name,
    unwritten_note,
)
from napari_vit_tfm.guard.links import is_elsewhere
from napari_vit_tfm.guard.process import look_first
from napari_vit_tfm.io.base import (
    FRAMES_DONE,
    NOT_OF_FRAMES,
    PARTIAL_SUFFIX,
    RUN,
    AnyArray,
    ArrayEntry,
    Attributes,
    check_size,
    field_layout,
)
from napari_vit_tfm.io.exporter import Append, Exporter
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.hdf5_output import Hdf5Output
from napari_vit_tfm.io.interrupts import uninterrupted
from napari_vit_tfm.io.pytraction import PytractionResults

NAME = "HDF5"
SUFFIXES = (".h5", ".hdf5")

ORIGINAL_NAME = "data"
"""Name of the array in the files of the original work, for both kinds of field."""

CHUNK_CACHE_BYTES = 32 * 2**20
"""Size of the cache of decompressed chunks.

A chunk may have many frames. With the cache, it is decompressed only once when the
frames are read batch by batch.
"""


class Hdf5File(FieldFile):
    """Arrays are datasets. Attributes of the file apply to all of them.

    Files of pytraction have one dataset per frame. Of a partial file (`io.partial`),
    the frames that are finished are read, also while another process writes it.
    """

    name = NAME
    suffixes = SUFFIXES
    is_container = True
    reads_frames = True

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether the file has the signature of HDF5."""
        return has_signature(head)

    def open(self, resources: ExitStack) -> None:
        """Open the file, after a second process has done so."""
        look_first(self.path, HDF5, allow_links=self.allow_links)
        self._file = resources.enter_context(_opened(self.path))
        self._datasets = datasets_of(
            self.path, self._file, allow_links=self.allow_links
        )
        self._chunks: dict[str, ChunkCheck] = {}
        resources.callback(self._datasets.clear)
        resources.callback(self._chunks.clear)
        self._n_done = _frames_done(self._file)
        self._pytraction = PytractionResults.found_in(
            self.path, self._file, self._datasets
        )

    def entries(self) -> tuple[ArrayEntry, ...]:
        """All datasets, including those in groups, or the fields of pytraction."""
        if self._pytraction is not None:
            return self._pytraction.entries()
        of_file = self._attributes(self._file)
        return tuple(self._entry(*one, of_file) for one in self._datasets.items())

    def _entry(self, name: str, item: h5py.Dataset, of_file: Attributes) -> ArrayEntry:
        # A dataset with a null dataspace has no shape.
        shape = tuple(item.shape or ())
        notes: tuple[str, ...] = ()
        if self._n_done is not None and name not in NOT_OF_FRAMES:
            n_frames = shape[0] if shape else 0
            if self._n_done > n_frames:
                raise ValueError(f"{self._n_done} of {n_frames} frames are finished")
            notes = (f"unfinished: {self._n_done} of {n_frames} frames are there",)
            shape = (self._n_done, *shape[1:])
        elif item.dtype.kind in "fiub" and len(shape) >= 2:
            notes = tuple(filter(None, [unwritten_note(name, item)]))
        attributes = {**of_file, **self._attributes(item)}
        return ArrayEntry(
            name=name,
            shape=shape,
            dtype=item.dtype.name,
            layout=field_layout(shape, item.dtype),
            is_original=name == ORIGINAL_NAME and "units" not in attributes,
            attributes=attributes,
            notes=notes,
        )

    def _attributes(self, item: h5py.File | h5py.Dataset) -> dict[str, Any]:
        return plain_attributes(attributes_of(self.path, item))

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Values of a dataset or a field, or of some of its frames."""
        if self._pytraction is not None:
            return self._pytraction.values(name, frames)
        if frames is None and self._n_done is not None and name not in NOT_OF_FRAMES:
            frames = slice(self._n_done)
        dataset = self._datasets[name]
        if dataset.dtype.kind not in "fiubc":
            # Text has no length that is known before it is read.
            raise FieldFileError(f"{self.path}: {name} has {dataset.dtype}, no numbers")
        if not is_elsewhere(dataset):
            check_written(self.path, name, dataset)
            check_size(self.path, name, dataset.nbytes, dataset.id.get_storage_size())
            if name not in self._chunks:
                self._chunks[name] = ChunkCheck(self.path, name, dataset)
            self._chunks[name].check(frames)
        check_numbers(self.path, name, dataset)
        with uninterrupted():
            return np.asarray(dataset[... if frames is None else frames])


class Hdf5Exporter(Exporter):
    """Each frame is one compressed chunk, since frames are read one by one."""

    name = NAME
    suffixes = SUFFIXES

    @classmethod
    @contextmanager
    def open(cls, path: Path, attributes: Attributes) -> Iterator[Append]:
        """Create a file; appended frames are written immediately."""
        with Hdf5Output(path, "w") as output:
            with output.step() as file:
                file.attrs.update(attributes)

            def append(name: str, frames: AnyArray, attributes: Attributes) -> None:
                with output.step() as file:
                    if name in file:
                        _extend(file[name], frames)
                    else:
                        _create(file, name, frames).attrs.update(attributes)

            yield append


def _opened(path: Path) -> h5py.File:
    """The file, opened for reading.

    A partial file is valid at any time, so it is read without locks: those of readers
    and of the process that writes it would exclude each other.
    """
    if path.name.endswith(PARTIAL_SUFFIX):
        # It fails if this process writes the file.
        with suppress(OSError):
            return h5py.File(path, "r", locking=False)
    return h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)


def _frames_done(file: h5py.File) -> int | None:
    """Number of finished frames in a partial file; None for other files."""
    if RUN not in file.attrs or FRAMES_DONE not in file:
        return None
    n_done = int(file[FRAMES_DONE][()])
    if n_done < 0:
        raise ValueError(f"{n_done} finished frames")
    return n_done


def has_signature(head: bytes) -> bool:
    """Whether a file that begins with these bytes is an HDF5 file.

    The signature is at the beginning of the file, or follows a user block of 512,
    1024, 2048, ... bytes.
    """
    offset = 0
    while offset < len(head):
        if head.startswith(SIGNATURE, offset):
            return True
        offset = 2 * offset or 512
    return False


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """HDF5 attributes as strings, numbers and arrays; empty ones are left out."""
    plain: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, h5py.Empty):
            continue
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(())[()]
        if isinstance(value, bytes | str):
            value = plain_name(value)
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
