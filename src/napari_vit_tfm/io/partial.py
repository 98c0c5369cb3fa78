"""Tractions of a long run, which are kept if it is interrupted.

`open_resumable_traction` writes them batch by batch, to a `PartialFile` until the last
one has come.

A partial file is an HDF5 file with room for all frames. It appears with the first batch
and has its final structure from then on: later batches only replace numbers, and the
number of finished frames is written after them. So it is valid whenever the process is
killed, and other processes can read it at any time.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import (
    COMPANION_NAMES,
    RECORD_NAMES,
    Checks,
    FinishedFrames,
    FrameResults,
    TractionStack,
)
from napari_vit_tfm.guard.child import HDF5
from napari_vit_tfm.guard.hdf5 import datasets_of
from napari_vit_tfm.guard.process import look_first
from napari_vit_tfm.io.base import (
    DRIFT_NAME,
    FRAMES_DONE,
    NOT_OF_FRAMES,
    OUTLINE_NAME,
    PARTIAL_SUFFIX,
    RUN,
    TRACTION_NAME,
    AnyArray,
    Attributes,
)
from napari_vit_tfm.io.hdf5_output import Hdf5Output
from napari_vit_tfm.io.interrupts import uninterrupted
from napari_vit_tfm.io.outputs import check_output
from napari_vit_tfm.io.replacing import (
    check_place,
    errors_about,
    replacing,
    unwritable,
)
from napari_vit_tfm.io.writing import (
    check_same_field,
    companion_attributes,
    open_traction,
    traction_attributes,
    write_traction,
)

_CHECKS = "checks"
_CRC32 = "crc32"
"""Names of arrays in a partial file."""

_RUN_SHA256 = "unfinished_run_sha256"
"""Name of an attribute in a partial file."""

_DAMAGE = (OSError, RuntimeError, KeyError, AttributeError, TypeError, ValueError)
"""Errors in reading a damaged file, or one of another program."""

_BYTES_AT_ONCE = 2**18
"""Size of the tractions that are copied at once from a complete partial file."""


@contextmanager
def open_resumable_traction(
    path: str | os.PathLike[str], *, n_frames: int, run: Mapping[str, Any]
) -> Iterator[ResumableSink]:
    """Write tractions batch by batch; an interrupted run can go on.

    If there is more than one batch, the frames are written to a partial file,
    ``NAME.partial.h5`` for ``NAME.h5``. When all frames have come, the file at `path`
    appears, and the partial file is removed. If the block fails, or the process is
    killed, the partial file is kept, and the next run goes on from it.

    Parameters
    ----------
    path : path
        As for `open_traction`.
    n_frames : int, keyword-only
        Number of frames that will be appended.
    run : mapping, keyword-only
        What determines the tractions, such as `Provenance.determining`: values that
        JSON can hold. Only a partial file of the same run is continued.

    Yields
    ------
    ResumableSink
        The tractions are appended to it, from the first frame on. Its `finished` has
        the frames that are there already.

    Raises
    ------
    FieldFileError
        If the file cannot be written, or there is a partial file that cannot be
        continued: of another run, damaged, or in use by another process.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import io, TractionStack
    >>> batch = TractionStack(np.ones((2, 16, 24, 2)), unit="Pa")
    >>> try:
    ...     with io.open_resumable_traction("film.h5", n_frames=4, run={}) as sink:
    ...         sink.append(batch)
    ...         raise KeyboardInterrupt
    ... except KeyboardInterrupt:
    ...     io.read_traction("film.partial.h5").n_frames
    2
    >>> with io.open_resumable_traction("film.h5", n_frames=4, run={}) as sink:
    ...     for start in (0, 2):
    ...         sink.append(batch)
    >>> io.read_traction("film.h5").n_frames
    4
    """
    sink = ResumableSink(check_output(path), n_frames, run)
    try:
        yield sink
        sink.finish()
    finally:
        sink.close()


def partial_path(path: Path) -> Path:
    """The partial file of a file, in the same folder."""
    # The file that a symbolic link points to is the one that will be replaced.
    real = Path(os.path.realpath(path)) if path.is_symlink() else path
    return real.with_name(real.stem + PARTIAL_SUFFIX)


class ResumableSink:
    """Appends tractions to a file, or to its partial file.

    See `open_resumable_traction`.

    Parameters
    ----------
    target : Path
        The file to write.
    n_frames : int
        Number of frames of the whole run.
    run : mapping
        What determines the tractions.

    Attributes
    ----------
    path : Path
        The partial file, which may not exist.
    finished : FinishedFrames or None
        The frames that were in the partial file at the beginning.
    """

    def __init__(self, target: Path, n_frames: int, run: Mapping[str, Any]) -> None:
        self._target = target
        self._n_frames = n_frames
        self._run = run
        self._n_appended = 0
        self._last: TractionStack | None = None
        self._file: PartialFile | None = None
        self.path = partial_path(target)
        if n_frames > 1:
            check_place(self.path)
        self.finished: FinishedFrames | None = None
        if self.path.exists():
            look_first(self.path, HDF5)
            self._file = PartialFile(self.path)
            try:
                self._file.check(n_frames, run)
            except BaseException:
                self.close()
                raise
            self.finished = _Finished(self._file, self._file.n_done)

    @property
    def n_kept(self) -> int:
        """Number of frames in the partial file, which the next run goes on from."""
        return 0 if self._file is None else self._file.n_done

    @property
    def kept_in_words(self) -> str:
        """How many frames that are, such as "16 of 40 frames"."""
        return f"{self.n_kept} of {self._n_frames} frames"

    def append(self, traction: TractionStack, checks: Checks | None = None) -> None:
        """Append the next frames; those in the partial file are not written again.

        Parameters
        ----------
        traction : TractionStack
            Their tractions.
        checks : structured array of shape (n,), optional
            What the checks of their displacements found.

        Raises
        ------
        ValueError
            If grid, unit, spacing, gel or model differ from those of the previous
            frames.
        FieldFileError
            If the frames cannot be written.
        """
        if self._last is not None:
            check_same_field(traction, self._last)
        start, stop = self._n_appended, self._n_appended + traction.n_frames
        if self._file is None:
            if stop < self._n_frames:
                self._create(traction, checks)
        elif start >= self._file.n_done:
            self._file.write(start, _arrays(traction, checks))
        self._last = traction
        self._n_appended = stop

    def finish(self) -> None:
        """Write the file, and remove the partial file."""
        if self._n_appended != self._n_frames or self._last is None:
            raise ValueError(
                f"expected {self._n_frames} frames of tractions, not {self._n_appended}"
            )
        if self._file is None:
            write_traction(self._target, self._last)
            return
        step = max(1, _BYTES_AT_ONCE // self._last.data[0].nbytes)
        done = _Finished(self._file, self._n_frames)
        with open_traction(self._target) as output:
            for start in range(0, self._n_frames, step):
                found = done.results(start, min(start + step, self._n_frames))
                output.append(
                    replace(
                        self._last,
                        data=found.data,
                        drift=found.drift,
                        records=found.records,
                        companions=found.companions,
                    )
                )
        self.close()
        # On Windows, it stays while another program reads it; the tractions are there.
        with suppress(PermissionError):
            self.path.unlink()

    def close(self) -> None:
        """Close the partial file, if there is one."""
        if self._file is not None:
            self._file.close()

    def _create(self, traction: TractionStack, checks: Checks | None) -> None:
        attributes: dict[str, Attributes] = {
            TRACTION_NAME: traction_attributes(traction, self.path.parent),
            DRIFT_NAME: {"units": "grid"},
            **{name: {"is_record": 1} for name in traction.records},
            **{
                name: companion_attributes(traction, name)
                for name in traction.companions
            },
        }
        PartialFile.create(
            self.path,
            self._n_frames,
            self._run,
            _arrays(traction, checks),
            attributes,
            outline=traction.outline,
        )
        self._file = PartialFile(self.path)


class _Finished:
    """The first frames in a partial file, as `FinishedFrames`."""

    def __init__(self, file: PartialFile, n_frames: int) -> None:
        self._file = file
        self.n_frames = n_frames

    def results(self, start: int, stop: int) -> FrameResults:
        """Results of the frames from `start` to before `stop`."""
        arrays = self._file.read(start, stop)
        return FrameResults(
            arrays[TRACTION_NAME],
            arrays.get(DRIFT_NAME),
            {name: arrays[name] for name in arrays if name in RECORD_NAMES},
            {name: arrays[name] for name in arrays if name in COMPANION_NAMES},
            arrays.get(_CHECKS),
        )


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


def _arrays(traction: TractionStack, checks: Checks | None) -> dict[str, AnyArray]:
    """What is stored of each frame."""
    arrays: dict[str, AnyArray] = {
        TRACTION_NAME: traction.data,
        **traction.records,
        **traction.companions,
    }
    if traction.drift is not None:
        arrays[DRIFT_NAME] = traction.drift
    if checks is not None:
        arrays[_CHECKS] = checks
    return arrays


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
