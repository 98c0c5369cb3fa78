"""`FieldFile`: an open file with fields in it, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.io.base import (
    EXPECTED_ARRAY,
    OUTLINE_NAME,
    AnyArray,
    ArrayEntry,
    checked_outline,
    damage_reported,
    kind_of_entry,
    register,
)

READERS: dict[str, type[FieldFile]] = {}
"""The formats that are read and have been imported so far, by name."""


class FieldFile(ABC):
    """A file that is opened once and then asked for its arrays.

    A format is one subclass in a module of `io.formats`, which is registered by being
    defined. It has a name and suffixes, recognises its files (`claims`), opens them
    (`open`), lists their arrays (`entries`) and reads an array (`values`).

    Parameters
    ----------
    path : Path
        The file.
    head : bytes
        Its first bytes.

    Attributes
    ----------
    name : str
        The format's name for messages.
    suffixes : tuple of str
        Suffixes of file names, in lower case with the dot.
    expects : str
        What a vector field in such a file is, for messages.
    is_container : bool
        Whether files of other formats may have this format inside, as MATLAB 7.3
        files are HDF5. Such formats are asked last whether a file is theirs.
    reads_frames : bool
        Whether some frames of an array can be read without reading all of it.
    rows_first : bool
        Whether images in it are indexed by row and column, in this order.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    expects: ClassVar[str] = EXPECTED_ARRAY
    is_container: ClassVar[bool] = False
    reads_frames: ClassVar[bool] = False
    rows_first: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        register(READERS, cls)

    def __init__(self, path: Path, head: bytes) -> None:
        self.path = path
        self.head = head
        self._resources: ExitStack | None = None

    @classmethod
    @abstractmethod
    def claims(cls, path: Path, head: bytes) -> bool:
        """Whether a file with these first bytes is of this format."""

    @abstractmethod
    def open(self, resources: ExitStack) -> None:
        """Open the file; enter into `resources` what has to be closed."""

    @abstractmethod
    def entries(self) -> tuple[ArrayEntry, ...]:
        """The file's arrays; their values are not read."""

    @abstractmethod
    def values(self, name: str, frames: slice | None) -> AnyArray:
        """An array's values, or those at some indices of its first axis."""

    def outline_points(self) -> tuple[str, AnyArray] | None:
        """Name and ``(x, y)`` of the cell's outline, from zero; None without one."""
        if all(entry.name != OUTLINE_NAME for entry in self.arrays):
            return None
        return OUTLINE_NAME, self.values(OUTLINE_NAME, None)

    def __enter__(self) -> Self:
        with damage_reported(self.path, self.name), ExitStack() as resources:
            self.open(resources)
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self._resources is not None:
            self._resources.close()
            self._resources = None

    @cached_property
    def arrays(self) -> tuple[ArrayEntry, ...]:
        """Everything in the file, each with the kind that it is said to be."""
        with self._reading():
            entries = self.entries()
        return tuple(
            replace(entry, kind=kind_of_entry(entry, self.path)) for entry in entries
        )

    def read(self, name: str, frames: slice | None = None) -> AnyArray:
        """Read an array.

        Parameters
        ----------
        name : str
            What it is called in `arrays`.
        frames : slice, optional
            Indices of its first axis; None reads all.

        Raises
        ------
        FieldFileError
            If the file is damaged.
        """
        with self._reading():
            return self.values(name, frames)

    def outline(self) -> npt.NDArray[np.float64] | None:
        """The cell's outline, ``(N, 2)``, ``(x, y)`` in grid steps from zero, or None.

        Raises
        ------
        FieldFileError
            If it is no outline, or the file is damaged.
        """
        with self._reading():
            found = self.outline_points()
        return None if found is None else checked_outline(self.path, *found)

    def _reading(self) -> AbstractContextManager[None]:
        if self._resources is None:
            raise ValueError(f"{self.path}: is not open, use it inside a with block")
        return damage_reported(self.path, self.name)
