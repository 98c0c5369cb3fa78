"""MATLAB files of any version, with the fields of several programs."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from napari_vit_tfm.io.base import (
    MIN_SIDE,
    AnyArray,
    ArrayEntry,
    Attributes,
)
from napari_vit_tfm.io.exporter import Append, Exporter
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.formats.hdf5 import has_signature
from napari_vit_tfm.io.matlab import own
from napari_vit_tfm.io.matlab.field import MatField
from napari_vit_tfm.io.matlab.programs import NAMES, find_fields, find_outline
from napari_vit_tfm.io.matlab.variables import open_variables

NAME = "MATLAB"
SUFFIXES = (".mat",)

MOST_BYTES = 2**31 - 1
"""Largest size of a variable in files before version 7.3."""


class MatFile(FieldFile):
    """Arrays are variables, or fields that a program stores in several variables.

    An array is always read as a whole, and kept until the file is closed. Files of
    version 7.3 are HDF5 files and are read by h5py, those of versions 5 to 7 by scipy.
    Those of version 4 have no header, so they are not recognised.
    """

    name = NAME
    suffixes = SUFFIXES
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
            self.path,
            is_hdf5=has_signature(self.head),
            allow_links=self.allow_links,
            resources=resources,
        )
        self._values: dict[str, AnyArray] = {}
        resources.callback(self._values.clear)

    @cached_property
    def _fields(self) -> dict[str, MatField]:
        return find_fields(self._variables)

    def entries(self) -> tuple[ArrayEntry, ...]:
        """All variables, and the fields of programs."""
        notes = self._variables.notes
        return tuple(
            replace(field.entry, notes=(*notes, *field.entry.notes))
            for field in self._fields.values()
        )

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Values of a variable, indexed as in MATLAB, or of a field of a program."""
        if name not in self._values:
            self._values[name] = self._fields[name].load()
        array = self._values[name]
        return array if frames is None else array[frames]

    def outline_points(self) -> tuple[str, AnyArray] | None:
        """The outline of a cell, which DL-TFM stores."""
        return find_outline(self._variables)


class MatExporter(Exporter):
    """Tractions as in MATLAB: ``traction(row, column, component, frame)``.

    The struct ``attributes`` has the attributes, such as ``attributes.traction.units``.
    The content is kept in memory until the file is written, in version 5.
    """

    name = NAME
    suffixes = SUFFIXES
    only_tractions = True

    @classmethod
    @contextmanager
    def open(cls, path: Path, attributes: Attributes) -> Iterator[Append]:
        """Create a file, which is written when the block ends."""
        from scipy.io import savemat

        frames: dict[str, list[AnyArray]] = {}
        variables: dict[str, Any] = {}
        about: dict[str, Attributes] = {}

        def append(name: str, array: AnyArray, attributes: Attributes) -> None:
            about.setdefault(name, dict(attributes))
            if array.ndim < 3:
                variables[name] = array
                return
            frames.setdefault(name, []).append(array)
            _check_size(frames[name])

        yield append
        for name, parts in frames.items():
            variables[name] = np.moveaxis(np.concatenate(parts), 0, -1)
        variables[own.ATTRIBUTES] = {**attributes, **about}
        content = BytesIO()
        savemat(
            # The types of scipy have only paths.
            content,  # type: ignore[arg-type]
            variables,
            do_compression=True,
            long_field_names=True,
            oned_as="column",
        )
        path.write_bytes(content.getbuffer())


def _check_size(frames: list[AnyArray]) -> None:
    if sum(array.nbytes for array in frames) > MOST_BYTES:
        raise OSError(
            errno.EFBIG,
            "a variable in a MATLAB file of version 5 has at most 2 GB: write .h5, "
            "which MATLAB reads with h5read",
        )
