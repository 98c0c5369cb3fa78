"""HDF5 files that have the first frames of a run, and room for the others.

A partial file appears with the first batch and has its final structure from then on:
later batches only replace numbers, and the number of finished frames is written after
them. So it is valid whenever the process is killed, and other processes can read it at
any time.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.guard.hdf5 import datasets_of
from napari_vit_tfm.io.base import (
    FRAMES_DONE,
    NOT_OF_FRAMES,
    OUTLINE_NAME,
    RUN,
    TRACTION_NAME,
    AnyArray,
    Attributes,
)
from napari_vit_tfm.io.hdf5_output import Hdf5Output
from napari_vit_tfm.io.interrupts import uninterrupted
from napari_vit_tfm.io.replacing import errors_about, replacing, unwritable

_CRC32 = "crc32"
"""Name of an array in a partial file."""

_RUN_SHA256 = "unfinished_run_sha256"
"""Name of an attribute in a partial file."""

_DAMAGE = (OSError, RuntimeError, KeyError, AttributeError, TypeError, ValueError)
"""Errors in reading a damaged file, or one of another program."""


class PartialFile:
    """An HDF5 file with the first frames of a run, and room for the others.

    Parameters
    ----------
    path : Path
        The file, which is opened for reading and writing.

    Raises
    ------
    FieldFileError
        If the file is damaged, or another process has opened it for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._output = Hdf5Output(path, "r+")
        except BlockingIOError as error:
            raise FieldFileError(
                f"{path}: another process uses it: wait until it has finished"
            ) from error
        except PermissionError as error:
            raise unwritable(path, error) from error
        except OSError as error:
            raise self._damaged() from error
        self._file = self._output.file
        try:
            # An external link would be opened for writing, too.
            datasets_of(path, self._file)
            self.n_done = int(self._file[FRAMES_DONE][()])
            self._names = self._file.keys() - {*NOT_OF_FRAMES, _CRC32}
        except (FieldFileError, *_DAMAGE) as error:
            self.close()
            raise self._damaged() from error

    @classmethod
    def create(
        cls,
        path: Path,
        n_frames: int,
        run: Mapping[str, Any],
        arrays: Mapping[str, AnyArray],
        attributes: Mapping[str, Attributes],
        *,
        outline: AnyArray | None,
    ) -> None:
        """Create a file with the first frames.

        Parameters
        ----------
        path : Path
            The file, which must not exist.
        n_frames : int
            Number of frames of the whole run.
        run : mapping
            What determines the tractions.
        arrays : mapping of str to array of shape (n, ...)
            Values of the first frames.
        attributes : mapping of str to mapping
            Attributes of the arrays, by name of the array.
        outline : array of shape (N, 2), optional, keyword-only
            Outline of the cell.

        Raises
        ------
        FieldFileError
            If the file cannot be written, or another run has created it.
        """
        with replacing(path) as temporary:
            with Hdf5Output(temporary, "w") as output, output.step() as file:
                file.attrs[RUN] = json.dumps(run, sort_keys=True)
                file.attrs[_RUN_SHA256] = _sha256(run)
                for name, values in arrays.items():
                    dataset = _room(file, name, n_frames, values)
                    dataset.attrs.update(attributes.get(name, {}))
                if outline is not None:
                    file[OUTLINE_NAME] = outline
                file[_CRC32] = np.zeros(n_frames, np.uint32)
                _fill(file, 0, arrays)
                file[FRAMES_DONE] = np.int64(len(arrays[TRACTION_NAME]))
            if path.exists():
                raise FieldFileError(
                    f"{path}: another process has begun to write it: wait until it "
                    "has finished"
                )

    def check(self, n_frames: int, run: Mapping[str, Any]) -> None:
        """Raise an error if the file is not that of a run, or is damaged."""
        try:
            known = json.loads(self._file.attrs[RUN])
            is_same = self._file.attrs[_RUN_SHA256] == _sha256(run)
            n_room = len(self._file[TRACTION_NAME])
            other = _differing(known, run)
        except _DAMAGE as error:
            raise self._damaged() from error
        if not is_same and other:
            raise FieldFileError(
                f"{self.path}: is of an interrupted run that differs in "
                f"{', '.join(other)}, so it is not continued: use the same input and "
                "options as then, choose another output, or remove this file"
            )
        if not is_same or n_room != n_frames or not 0 < self.n_done <= n_frames:
            raise self._damaged()

    def write(self, start: int, arrays: Mapping[str, AnyArray]) -> None:
        """Write the next frames, and then their number.

        Raises
        ------
        ValueError
            If they are not the next frames, or other arrays than before.
        FieldFileError
            If they cannot be written, or the arrays in the file have no place for them.
        """
        if start != self.n_done or arrays.keys() != self._names:
            raise ValueError(
                f"expected {', '.join(sorted(self._names))} from frame {self.n_done} "
                f"on, not {', '.join(sorted(arrays))} from frame {start} on"
            )
        self._check_types(arrays)
        n_done = self.n_done + len(arrays[TRACTION_NAME])
        with errors_about(self.path):
            with self._output.step() as file:
                _fill(file, start, arrays)
                file.flush()
            with self._output.step() as file:
                file[FRAMES_DONE][()] = n_done
                file.flush()
        self.n_done = n_done

    def read(self, start: int, stop: int) -> dict[str, AnyArray]:
        """Values of frames from `start` to before `stop`, by name of the array.

        Raises
        ------
        FieldFileError
            If they are not what was written.
        """
        try:
            with uninterrupted():
                arrays = {name: self._file[name][start:stop] for name in self._names}
                expected = self._file[_CRC32][start:stop]
        except _DAMAGE as error:
            raise self._damaged() from error
        if not np.array_equal(_checksums(arrays), expected):
            raise self._damaged()
        return arrays

    def _check_types(self, arrays: Mapping[str, AnyArray]) -> None:
        """Raise an error if arrays are not of the type that they were created with.

        HDF5 crashes when it writes numbers of a type that is damaged.
        """
        expected = {name: values.dtype for name, values in arrays.items()}
        expected |= {_CRC32: np.dtype(np.uint32), FRAMES_DONE: np.dtype(np.int64)}
        try:
            with uninterrupted():
                is_same = all(
                    self._file[name].id.get_type()
                    == h5py.h5t.py_create(dtype, logical=True)
                    for name, dtype in expected.items()
                )
        except _DAMAGE as error:
            raise self._damaged() from error
        if not is_same:
            raise self._damaged()

    def close(self) -> None:
        """Close the file. What was not written is not counted, so no error is lost."""
        with suppress(OSError):
            self._output.close()

    def _damaged(self) -> FieldFileError:
        # There is nothing in it that could be continued.
        self.n_done = 0
        return FieldFileError(
            f"{self.path}: is no partial file of an interrupted run, or it is damaged, "
            "so it cannot be continued: remove it, or choose another output"
        )


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names of the values that differ, such as "gel (young_pa)"."""
    names = []
    for name, value in sorted(other.items()):
        before = one.get(name)
        if before == value:
            continue
        if not (isinstance(value, Mapping) and isinstance(before, Mapping)):
            names.append(name)
            continue
        names.append(f"{name} ({', '.join(_differing(before, value))})")
    return names


def _sha256(run: Mapping[str, Any]) -> str:
    """SHA-256 of what determines tractions, in hexadecimal."""
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def _room(file: h5py.File, name: str, n_frames: int, values: AnyArray) -> h5py.Dataset:
    """A dataset for all frames, the later ones of which are NaN or zero.

    It is neither compressed nor divided into chunks, so it has its place in the file
    as soon as the first frames are written.
    """
    return file.create_dataset(
        name,
        (n_frames, *values.shape[1:]),
        values.dtype,
        fillvalue=math.nan if values.dtype.kind == "f" else None,
    )


def _fill(file: h5py.File, start: int, arrays: Mapping[str, AnyArray]) -> None:
    stop = start + len(arrays[TRACTION_NAME])
    for name, values in arrays.items():
        file[name][start:stop] = values
    file[_CRC32][start:stop] = _checksums(arrays)


def _checksums(arrays: Mapping[str, AnyArray]) -> AnyArray:
    """A checksum of each frame, with the names of the arrays."""
    names = zlib.crc32(" ".join(sorted(arrays)).encode())
    found = np.full(len(arrays[TRACTION_NAME]), names, np.uint32)
    for name in sorted(arrays):
        for number, values in enumerate(arrays[name]):
            found[number] = zlib.crc32(values.tobytes(), int(found[number]))
    return found
