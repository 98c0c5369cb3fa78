"""HDF5 files that are not trusted: opened, and looked through within limits.

An HDF5 file may refer to other files, and a damaged one may lead in circles. The plugin
sees every HDF5 file that is opened in napari, so none of them may block or crash it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.guard import links

SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""The first bytes of a file, or of what follows a user block."""

MOST_OBJECTS = 10_000
"""Most groups and datasets in a small file."""

BYTES_PER_OBJECT = 1024
"""A large file may have more of them: films of pytraction have three for each frame,
each of which has hundreds of vectors."""

MOST_OBJECTS_OF_LARGE = 100_000
"""Most groups and datasets in a large file."""

MOST_NESTED = 32
"""Most groups that are nested in each other."""

MOST_ATTRIBUTES = 1_000
"""Most attributes of a group or a dataset."""

MOST_ATTRIBUTE_BYTES = 2**20
"""Size of the largest attribute that is read."""

MOST_ATTRIBUTES_BYTES = 2**24
"""Size of all attributes of a group or a dataset."""

MOST_CHUNK_BYTES = 2**30
"""Size of the largest chunk that is unpacked, as much as the second process may use."""

_CHECKSUM_BYTES = 4
"""Size of the checksum behind a chunk."""

_PACKING = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF}
_KNOWN_FILTERS = {
    *_PACKING,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
}
"""Filters after which the size of a chunk is known. Shuffling does not change it."""

_FLOATS = tuple(
    h5py.h5t.py_create(np.dtype(name))
    for name in ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "longdouble")
)
"""Types of floating-point numbers."""


def datasets_of(
    path: Path, file: h5py.File, *, allow_links: bool = False
) -> dict[str, h5py.Dataset]:
    """All datasets of a file, by name; those of nested groups have their path.

    Each group is visited once, as by `h5py.Group.visititems`, and links to other
    places of the file are not followed.

    Parameters
    ----------
    path : Path
        The file, for messages.
    file : h5py.File
        The open file.
    allow_links : bool, keyword-only
        Whether parts of the data may be in other files.

    Raises
    ------
    FieldFileError
        If a part of the data is in another file, or missing there, or the file has too
        many objects.

    Examples
    --------
    >>> from pathlib import Path
    >>> import h5py
    >>> from napari_vit_tfm.guard.hdf5 import datasets_of
    >>> with h5py.File("linked.h5", "w") as file:
    ...     file["displacement"] = h5py.ExternalLink("other.h5", "/displacement")
    ...     datasets_of(Path("linked.h5"), file)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    napari_vit_tfm.errors.FieldFileError: linked.h5: displacement is in another file...
    """
    search = Search(path, allow_links=allow_links)
    search.visit(file, "", depth=0)
    return search.datasets


class Search:
    """Visits the groups of a file, see `datasets_of`.

    Parameters
    ----------
    path, allow_links
        As for `datasets_of`.
    go_on : callable, keyword-only
        Called before every object.

    Attributes
    ----------
    datasets : dict of str to h5py.Dataset
        The datasets that were found.
    groups : list of h5py.Group
        The groups that were visited.
    """

    def __init__(
        self,
        path: Path,
        *,
        allow_links: bool,
        go_on: Callable[[], None] = lambda: None,
    ) -> None:
        self.datasets: dict[str, h5py.Dataset] = {}
        self.groups: list[h5py.Group] = []
        self._path = path
        self._allow_links = allow_links
        self._go_on = go_on
        self._visited: set[tuple[int, int]] = set()
        self._most_objects = most_objects(path)
        self._n_objects = 0

    def visit(self, group: h5py.Group, prefix: str, *, depth: int) -> None:
        """Find the datasets of a group, unless it was visited before."""
        info = h5py.h5o.get_info(group.id)
        if (info.fileno, info.addr) in self._visited:
            return
        self._visited.add((info.fileno, info.addr))
        self.groups.append(group)
        if depth > MOST_NESTED:
            raise FieldFileError(
                f"{self._path}: more than {MOST_NESTED} groups are nested in each "
                "other, which no file of fields needs"
            )
        for raw in self._links(group):
            link = group.id.links.get_info(raw).type
            name = prefix + plain_name(raw)
            if link == h5py.h5l.TYPE_EXTERNAL:
                if not self._allow_links:
                    raise links.elsewhere(self._path, name)
                self._add(links.target(self._path, group, raw, name), name, depth)
            elif link == h5py.h5l.TYPE_HARD:
                self._add(_opened(group, raw), name, depth)

    def _add(self, item: object, name: str, depth: int) -> None:
        self._go_on()
        if isinstance(item, h5py.Group):
            self.visit(item, f"{name}/", depth=depth + 1)
        elif isinstance(item, h5py.Dataset):
            if links.is_elsewhere(item):
                if not self._allow_links:
                    raise links.elsewhere(self._path, name)
                links.check_whole(self._path, name, item)
            self.datasets[name] = item

    def _links(self, group: h5py.Group) -> list[bytes]:
        """Names of the links of a group. A damaged list may have no end."""
        names: list[bytes] = []

        def add(name: bytes) -> bool | None:
            names.append(name)
            # True ends the iteration.
            return self._n_objects + len(names) > self._most_objects or None

        group.id.links.iterate(add)
        self._n_objects += len(names)
        if self._n_objects > self._most_objects:
            raise FieldFileError(
                f"{self._path}: there are more than {self._most_objects} groups and "
                "datasets, which no file of fields of this size needs"
            )
        return names


def most_objects(path: Path) -> int:
    """Most groups and datasets in a file of this size."""
    try:
        n_bytes = path.stat().st_size
    except OSError:
        n_bytes = 0
    return max(MOST_OBJECTS, min(n_bytes // BYTES_PER_OBJECT, MOST_OBJECTS_OF_LARGE))


def _opened(group: h5py.Group, name: bytes) -> h5py.Group | h5py.Dataset | None:
    """An object in a group; h5py's own way takes twice as long. None for a type."""
    found = h5py.h5o.open(group.id, name)
    if isinstance(found, h5py.h5d.DatasetID):
        return h5py.Dataset(found)
    return h5py.Group(found) if isinstance(found, h5py.h5g.GroupID) else None


def plain_name(name: bytes | str) -> str:
    r"""A name in a file, with escapes for bytes that are not UTF-8.

    Examples
    --------
    >>> from napari_vit_tfm.guard.hdf5 import plain_name
    >>> plain_name(b"u\xff"), plain_name("u\udcff")
    ('u\\xff', 'u\\xff')
    """
    if isinstance(name, str):
        name = name.encode(errors="surrogateescape")
    return name.decode(errors="backslashreplace")


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
    n = h5py.h5a.get_num_attrs(item.id)
    if n == 0:
        return {}
    if n > MOST_ATTRIBUTES:
        raise FieldFileError(
            f"{path}: {item.name} has {n} attributes, expected at most "
            f"{MOST_ATTRIBUTES}"
        )
    sizes = {name: _n_bytes(attributes.get_id(name)) for name in attributes}
    names = [name for name, size in sizes.items() if size <= MOST_ATTRIBUTE_BYTES]
    n_bytes = sum(sizes[name] for name in names)
    if n_bytes > MOST_ATTRIBUTES_BYTES:
        raise FieldFileError(
            f"{path}: {item.name} has {n_bytes} bytes of attributes, expected at most "
            f"{MOST_ATTRIBUTES_BYTES}"
        )
    values = {plain_name(name): attributes[name] for name in names}
    # The size of a text is only known when it is read.
    return {
        name: value
        for name, value in values.items()
        if not (isinstance(value, str) and len(value) > MOST_ATTRIBUTE_BYTES)
    }


def _n_bytes(attribute: h5py.h5a.AttrID) -> int:
    return math.prod(attribute.shape or ()) * int(attribute.get_type().get_size())


def check_written(path: Path, name: str, dataset: h5py.Dataset) -> None:
    """Raise an error if nothing was written to a dataset, which HDF5 reads as zeros.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        Name of the dataset, for messages.
    dataset : h5py.Dataset
        A dataset whose values are in this file.
    """
    if dataset.size and dataset.id.get_storage_size() == 0:
        raise FieldFileError(
            f"{path}: nothing was ever written to the array {name}: the program that "
            "made the file did not finish it"
        )


def check_numbers(path: Path, name: str, dataset: h5py.Dataset) -> None:
    """Raise an error if a dataset has floating-point numbers that no program has.

    A wrong bit in the type of the numbers makes other numbers of all of them.

    Parameters
    ----------
    path, name, dataset
        As for `check_written`.
    """
    found = dataset.id.get_type()
    if isinstance(found, h5py.h5t.TypeFloatID) and not any(
        found == known for known in _FLOATS
    ):
        raise FieldFileError(
            f"{path}: {name} has floating-point numbers of an unusual form: the file "
            "is damaged, or the numbers must be saved as float32 or float64"
        )


def check_chunks(path: Path, name: str, dataset: h5py.Dataset) -> None:
    """Raise an error if chunks are shorter or longer than they should be.

    Parameters
    ----------
    path, name, dataset
        As for `check_written`.

    Raises
    ------
    DamagedChunkError
        If they are; see `ChunkCheck`.
    """
    ChunkCheck(path, name, dataset).check()


class DamagedChunkError(FieldFileError):
    """A chunk that must not be given to HDF5."""


class ChunkCheck:
    """Checks that the chunks of a dataset have the size that its header says.

    HDF5 reads whatever is in memory behind the end of a chunk, and unpacks one that is
    much larger. Chunks with gzip are unpacked to see their size, and the lengths in
    those with LZF are added; chunks with filters of others are not checked.

    Parameters
    ----------
    path, name, dataset
        As for `check_written`.
    """

    def __init__(self, path: Path, name: str, dataset: h5py.Dataset) -> None:
        self._path, self._name, self._dataset = path, name, dataset
        if dataset.chunks is None:
            return
        self._n_bytes = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
        pipeline = dataset.id.get_create_plist()
        self._filters = [
            pipeline.get_filter(number)[0] for number in range(pipeline.get_nfilters())
        ]

    def check(self, frames: slice | None = None) -> None:
        """Check the chunks with some frames, each of them once.

        Parameters
        ----------
        frames : slice, optional
            Numbers along the first axis; by default, all.

        Raises
        ------
        DamagedChunkError
            If a chunk is shorter or longer than it should be, or needs more memory than
            `MOST_CHUNK_BYTES`.
        """
        if self._dataset.chunks is None:
            return
        if self._n_bytes > MOST_CHUNK_BYTES:
            raise DamagedChunkError(
                f"{self._path}: the chunks of {self._name} have {self._n_bytes:.3g} "
                f"bytes each, expected at most {MOST_CHUNK_BYTES:.3g}"
            )
        if not self._filters:
            n_expected = self._dataset.id.get_num_chunks() * self._n_bytes
            if self._dataset.id.get_storage_size() != n_expected:
                raise self._error()
            return
        is_packed_once = sum(kind in _PACKING for kind in self._filters) <= 1
        if not (is_packed_once and _KNOWN_FILTERS.issuperset(self._filters)):
            return
        start, stop, _ = (frames or slice(None)).indices(len(self._dataset))
        step = self._dataset.chunks[0]
        for row in range(start // step, -(-stop // step)):
            for offset in self._unchecked.pop(row, ()):
                self._check_one(offset)

    @cached_property
    def _unchecked(self) -> dict[int, list[tuple[int, ...]]]:
        """Places of the chunks that are in the file, by row of chunks."""
        step = self._dataset.chunks[0]
        found: dict[int, list[tuple[int, ...]]] = {}

        def add(chunk: Any) -> None:
            found.setdefault(chunk.chunk_offset[0] // step, []).append(
                chunk.chunk_offset
            )

        self._dataset.id.chunk_iter(add)
        return found

    def _check_one(self, offset: tuple[int, ...]) -> None:
        skipped, content = self._dataset.id.read_direct_chunk(offset)
        size = len(content)
        for number, kind in reversed(list(enumerate(self._filters))):
            if skipped >> number & 1:
                continue
            if kind == h5py.h5z.FILTER_FLETCHER32:
                size -= _CHECKSUM_BYTES
                content = content[:-_CHECKSUM_BYTES]
            elif kind == h5py.h5z.FILTER_DEFLATE:
                stream = zlib.decompressobj()
                try:
                    content = stream.decompress(content, self._n_bytes + 2**10)
                except zlib.error:
                    # HDF5 says so, too.
                    return
                size = len(content)
            elif kind == h5py.h5z.FILTER_LZF:
                size = _unpacked_lzf(content)
        # References to other places of the file may be shorter than in memory.
        is_short = size < self._n_bytes and self._dataset.dtype.kind != "O"
        if is_short or size > self._n_bytes:
            raise self._error()

    def _error(self) -> DamagedChunkError:
        return DamagedChunkError(
            f"{self._path}: the chunks of {self._name} do not have the size that its "
            "header says: the file is damaged"
        )


def _unpacked_lzf(content: bytes) -> int:
    """Size of what LZF has packed, which is in pieces of up to 264 bytes."""
    size = place = 0
    while place < len(content):
        control = content[place]
        if control < 32:
            # Bytes as they are.
            size += control + 1
            place += control + 2
            continue
        # Bytes that were there before.
        length = control >> 5
        if length == 7:
            place += 1
            length += content[place] if place < len(content) else 0
        size += length + 2
        place += 2
    return size


def unwritten_note(name: str, dataset: h5py.Dataset) -> str:
    """A note if a part of a dataset was never written, and is read as something.

    Parameters
    ----------
    name : str
        Name of the array, for the note.
    dataset : h5py.Dataset
        The dataset. Of four axes, the first has the frames.

    Returns
    -------
    str
        One sentence; empty if all was written.
    """
    n_unwritten = unwritten_frames(dataset)
    if n_unwritten == 0:
        return ""
    value = dataset.fillvalue
    read_as = "holes" if np.isnan(value) else "zeros" if value == 0 else f"{value:g}"
    what = f"parts of {name}"
    if dataset.ndim == 4:
        what = f"{n_unwritten} of {len(dataset)} frames of {name}"
    return (
        f"{what} were never written to the file, or not completely: what is missing is "
        f"read as {read_as}"
    )


def unwritten_frames(dataset: h5py.Dataset) -> int:
    """Number of frames that were never written, or not completely.

    HDF5 reads the fill value there, which is 0 unless the writer has set another.

    Parameters
    ----------
    dataset : h5py.Dataset
        The dataset, whose first axis has the frames.

    Examples
    --------
    >>> import h5py
    >>> from napari_vit_tfm.guard.hdf5 import unwritten_frames
    >>> with h5py.File("begun.h5", "w") as file:
    ...     u = file.create_dataset("u", (5, 8, 9, 2), "f4", chunks=(2, 8, 9, 2))
    ...     u[:2] = 1
    ...     unwritten_frames(u)
    3
    """
    n_frames = int(dataset.shape[0])
    if dataset.chunks is None:
        status = dataset.id.get_space_status()
        is_there = status != h5py.h5d.SPACE_STATUS_NOT_ALLOCATED
        return 0 if is_there or links.is_elsewhere(dataset) else n_frames
    counts = [
        -(-side // step)
        for side, step in zip(dataset.shape, dataset.chunks, strict=True)
    ]
    if dataset.id.get_num_chunks() >= math.prod(counts):
        return 0
    per_row = math.prod(counts[1:])
    step = dataset.chunks[0]
    found = [0] * counts[0]
    for row in _rows_of_chunks(dataset.id, step):
        if row < len(found):
            found[row] += 1
    frames = [min(step, n_frames - row * step) for row in range(counts[0])]
    return sum(n for n, n_found in zip(frames, found, strict=True) if n_found < per_row)


def _rows_of_chunks(dataset: h5py.h5d.DatasetID, step: int) -> list[int]:
    """Numbers along the first axis of all chunks that are in the file."""
    rows: list[int] = []

    def add(chunk: Any) -> None:
        rows.append(chunk.chunk_offset[0] // step)

    dataset.chunk_iter(add)
    return rows
