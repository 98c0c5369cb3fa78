"""`Exporter`: a format that files are written in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, Protocol

from napari_vit_tfm.io.base import AnyArray, Attributes, register

EXPORTERS: dict[str, type[Exporter]] = {}
"""The formats that are written and have been imported so far, by name."""


class Append(Protocol):
    """Adds to the arrays of a file that is being written."""

    def __call__(self, name: str, frames: AnyArray, attributes: Attributes, /) -> None:
        """Create the array `name`, or append to it along its first axis.

        The array's attributes are written when it is created. Arrays of fewer than
        three axes are written in one call.
        """


class Exporter(ABC):
    """A format to write.

    It is one subclass in a module of `io.formats`, which is registered by being
    defined.

    Attributes
    ----------
    name : str
        The format's name, in dialogues and help.
    suffixes : tuple of str
        Suffixes of file names, in lower case with the dot; the first is the usual.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        register(EXPORTERS, cls)

    @classmethod
    @abstractmethod
    def open(cls, path: Path, attributes: Attributes) -> AbstractContextManager[Append]:
        """Begin a new file, which is complete when the block ends.

        Parameters
        ----------
        path : Path
            The file; there is none of this name yet.
        attributes : mapping of str to str or number
            What is said about the whole file.
        """
