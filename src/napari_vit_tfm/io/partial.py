"""Tractions of a long run, which are kept if it is interrupted.

`open_resumable_traction` writes them batch by batch, to a `PartialFile` until the last
one has come.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_vit_tfm.fields import (
    COMPANION_NAMES,
    RECORD_NAMES,
    Checks,
    FinishedFrames,
    FrameResults,
    TractionStack,
)
from napari_vit_tfm.guard.child import HDF5
from napari_vit_tfm.guard.process import look_first
from napari_vit_tfm.io.base import (
    DRIFT_NAME,
    PARTIAL_SUFFIX,
    TRACTION_NAME,
    AnyArray,
    Attributes,
)
from napari_vit_tfm.io.outputs import check_output
from napari_vit_tfm.io.partial_file import PartialFile
from napari_vit_tfm.io.replacing import check_place
from napari_vit_tfm.io.writing import (
    check_same_field,
    companion_attributes,
    open_traction,
    traction_attributes,
    write_traction,
)

_CHECKS = "checks"
"""Name of an array in a partial file."""

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
