"""`Exporter`: base class of the file formats that can be written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, Protocol

from napari_vit_tfm.io.base import AnyArray, Attributes, register

EXPORTERS: dict[str, type[Exporter]] = {}
"""The registered formats that can be written, by name."""


class Append(Protocol):
    """Creates arrays in a file that is being written, and appends to them."""

    def __call__(self, name: str, frames: AnyArray, attributes: Attributes, /) -> None:
        """Create the array `name`, or append to it along its first axis.

        The attributes are written when the array is created. An array with fewer than
        three axes is written in one call.
        """


class Exporter(ABC):
    """A file format that can be written.

    Each format is a subclass in a module of `io.formats`. Subclasses register
    themselves when they are defined.

    Attributes
    ----------
    name : str
        Name of the format, for dialogues and help.
    suffixes : tuple of str
        Suffixes of file names, in lower case with the dot; the first is the default.
    only_tractions : bool
        Whether only tractions can be written: the array `TRACTION_NAME` and what
        belongs to it. Other formats take arrays of any name and shape.
    has_companions : bool
        Whether vectors that belong to the tractions, such as the residual, can be
        written, too.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    only_tractions: ClassVar[bool] = False
    has_companions: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        register(EXPORTERS, cls)

    @classmethod
    @abstractmethod
    def open(cls, path: Path, attributes: Attributes) -> AbstractContextManager[Append]:
        """Create a file, which is complete when the block ends.

        Parameters
        ----------
        path : Path
            The file, which is empty.
        attributes : mapping of str to str or number
            Attributes of the whole file.
        """
