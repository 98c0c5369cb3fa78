"""MATLAB files of any version, with the fields of several programs."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from napari_vit_tfm.io.base import MIN_SIDE, AnyArray, ArrayEntry
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.formats.hdf5 import has_signature
from napari_vit_tfm.io.matlab.field import MatField
from napari_vit_tfm.io.matlab.programs import NAMES, find_fields, find_outline
from napari_vit_tfm.io.matlab.variables import open_variables


class MatFile(FieldFile):
    """Arrays are variables, or fields that a program stores in several variables.

    An array is always read as a whole, and kept until the file is closed. Files of
    version 7.3 are HDF5 files and are read by h5py, all others by scipy.
    """

    name = "MATLAB"
    suffixes = (".mat",)
    expects = (
        "floating-point numbers in the shape (rows, columns, 2), at least "
        f"{MIN_SIDE} vectors a side, or {NAMES}"
    )
    frames_last = True

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether the file begins with the header of a MATLAB file."""
        return head.startswith(b"MATLAB ")

    def open(self, resources: ExitStack) -> None:
        """Open the file."""
        self._variables = open_variables(
            self.path, is_hdf5=has_signature(self.head), resources=resources
        )
        self._values: dict[str, AnyArray] = {}
        resources.callback(self._values.clear)

    @cached_property
    def _fields(self) -> dict[str, MatField]:
        return find_fields(self._variables)

    def entries(self) -> tuple[ArrayEntry, ...]:
        """All variables, and the fields of programs."""
        return tuple(field.entry for field in self._fields.values())

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Values of a variable, indexed as in MATLAB, or of a field of a program."""
        if name not in self._values:
            self._values[name] = self._fields[name].load()
        array = self._values[name]
        return array if frames is None else array[frames]

    def outline_points(self) -> tuple[str, AnyArray] | None:
        """The outline of a cell, which DL-TFM stores."""
        return find_outline(self._variables)
