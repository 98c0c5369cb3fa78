"""`FieldFile`: base class of the file formats that can be read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import ReadingConfig
from napari_vit_tfm.io.attributes import unit_name, with_kind
from napari_vit_tfm.io.base import (
    EXPECTED_ARRAY,
    OUTLINE_NAME,
    AnyArray,
    ArrayEntry,
    checked_outline,
    convert_errors,
    register,
)
from napari_vit_tfm.io.components import (
    Pair,
    find_pairs,
    without_lone_components,
)
from napari_vit_tfm.io.placement import (
    Placement,
    marks_in,
    placed,
    positions_of,
    unused_marks,
)

READERS: dict[str, type[FieldFile]] = {}
"""The registered formats that can be read, by name."""


@dataclass(frozen=True)
class _Contents:
    """What a file has.

    Parameters
    ----------
    arrays : tuple of ArrayEntry
        Headers of all arrays and of the fields of two components.
    pairs : dict of str to Pair
        The two components of such fields, by the name of the field.
    placements : dict of str to Placement
        Grids of the fields with positions, by the name of the field.
    """

    arrays: tuple[ArrayEntry, ...]
    pairs: dict[str, Pair]
    placements: dict[str, Placement]


class FieldFile(ABC):
    """A file of vector fields, which is opened once for any number of reads.

    Each format is a subclass in a module of `io.formats`. Subclasses register
    themselves when they are defined. A subclass has a name and suffixes, recognises
    files of its format (`recognises`), opens a file (`open`), lists its arrays
    (`entries`) and reads an array (`values`).

    Parameters
    ----------
    path : Path
        The file.
    head : bytes
        Its first bytes.

    Attributes
    ----------
    name : str
        Name of the format, for messages.
    suffixes : tuple of str
        Suffixes of file names, in lower case with the dot.
    expects : str
        Description of a vector field in such a file, for messages.
    is_container : bool
        Whether other formats are based on this format, as MATLAB 7.3 is based on HDF5.
        Such formats are tried last.
    reads_frames : bool
        Whether single frames of an array can be read.
    may_be_component : bool
        Whether such a file may have one component of a field, and a second file the
        other component.
    frames_last : bool
        Whether the axis of frames is the last one where components are separate arrays.
    allow_links : bool
        Whether parts of the data may be in other files that the file names.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    expects: ClassVar[str] = EXPECTED_ARRAY
    is_container: ClassVar[bool] = False
    reads_frames: ClassVar[bool] = False
    may_be_component: ClassVar[bool] = False
    frames_last: ClassVar[bool] = False
    allow_links: bool = ReadingConfig.allow_links

    def __init_subclass__(cls, *, is_format: bool = True) -> None:
        super().__init_subclass__()
        if is_format:
            register(READERS, cls)

    def __init__(self, path: Path, head: bytes) -> None:
        self.path = path
        self.head = head
        self._resources: ExitStack | None = None

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether a file with these first bytes has this format."""

    @abstractmethod
    def open(self, resources: ExitStack) -> None:
        """Open the file; what has to be closed is entered into `resources`."""

    @abstractmethod
    def entries(self) -> tuple[ArrayEntry, ...]:
        """Headers of the arrays in the file."""

    @abstractmethod
    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Values of an array; `frames` restricts them to a range of the first axis."""

    def outline_points(self) -> tuple[str, AnyArray] | None:
        """Name and points ``(x, y)`` of the cell outline, counted from 0, or None."""
        if all(entry.name != OUTLINE_NAME for entry in self.arrays):
            return None
        return OUTLINE_NAME, self.values(OUTLINE_NAME, None)

    @property
    def files(self) -> tuple[Path, ...]:
        """The file itself, and others that are read with it."""
        return (self.path,)

    def __enter__(self) -> Self:
        with convert_errors(self.path, self.name), ExitStack() as resources:
            self.open(resources)
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self._resources is not None:
            self._resources.close()
            self._resources = None

    @property
    def arrays(self) -> tuple[ArrayEntry, ...]:
        """Headers of all arrays, with the kind of each.

        Two arrays that are the components of one field are followed by this field.
        """
        return self._contents.arrays

    @cached_property
    def _contents(self) -> _Contents:
        with self._reading():
            entries = [with_kind(entry, self.path) for entry in self.entries()]
            pairs = list(find_pairs(entries, frames_last=self.frames_last))
            known = {entry.name: entry for entry in entries}
            marks = marks_in(entries)
            found = [
                self._placed(entry, entry.name, known, marks)
                for entry in without_lone_components(entries)
            ]
            found += [
                self._placed(field, pair.x, known, marks) for field, pair in pairs
            ]
        return _Contents(
            arrays=tuple(entry for entry, _ in found),
            pairs={field.name: pair for field, pair in pairs},
            placements={entry.name: at for entry, at in found if at is not None},
        )

    def _placed(
        self,
        field: ArrayEntry,
        name: str,
        known: Mapping[str, ArrayEntry],
        marks: Sequence[ArrayEntry],
    ) -> tuple[ArrayEntry, Placement | None]:
        """A field with what follows from positions and marks beside it."""
        if field.layout is None:
            return field, None
        field = replace(field, notes=(*field.notes, *unused_marks(field, marks)))
        positions = positions_of(field, name, known)
        if positions is None:
            return field, None
        x, y = (self._squeezed(entry.name) for entry in positions)
        return placed(field, x, y, unit_name(positions[0]))

    def _squeezed(self, name: str) -> AnyArray:
        """Values of an array without axes of length 1."""
        return np.squeeze(self.values(name, None))

    def read(self, name: str, frames: slice | None = None) -> AnyArray:
        """Read an array.

        Parameters
        ----------
        name : str
            Name of the array in `arrays`.
        frames : slice, optional
            Range of the first axis; None reads all.

        Raises
        ------
        FieldFileError
            If the file is damaged.
        """
        placement = self._contents.placements.get(name)
        with self._reading():
            field = self._unplaced(name, frames)
            return field if placement is None else placement.placed(field)

    def _unplaced(self, name: str, frames: slice | None) -> AnyArray:
        """An array, or both components of a field, in the order of the file."""
        pair = self._contents.pairs.get(name)
        if pair is None:
            return self.values(name, frames)
        whole = frames if not pair.has_frames_last else None
        field = pair.joined(*(self.values(part, whole) for part in (pair.x, pair.y)))
        return field[frames] if pair.has_frames_last and frames is not None else field

    def outline(self) -> npt.NDArray[np.float64] | None:
        """The cell outline, ``(N, 2)``, ``(x, y)`` in grid steps from 0, or None.

        Raises
        ------
        FieldFileError
            If the array is not an outline, or the file is damaged.
        """
        with self._reading():
            found = self.outline_points()
        return None if found is None else checked_outline(self.path, *found)

    def _reading(self) -> AbstractContextManager[None]:
        if self._resources is None:
            raise ValueError(
                f"{self.path}: the file is not open, use it in a with block"
            )
        return convert_errors(self.path, self.name)
