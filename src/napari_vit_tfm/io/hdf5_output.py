"""HDF5 files that are written, on a disk that may be full.

When the HDF5 library cannot write, it cannot close the file either, and the process
crashes later. So it writes to an object that remembers the error and lets it go on: the
error is raised afterwards, by Python.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal

import h5py

from napari_vit_tfm.io.interrupts import uninterrupted

_LOCKED_BYTE = 2**62
"""On Windows, a locked byte cannot be read, so it is one behind the end of the file."""


class Hdf5Output:
    """An HDF5 file that is written step by step, from the first step on.

    Parameters
    ----------
    path : Path
        The file.
    mode : {"w", "r+"}
        Whether its content is replaced or changed.

    Raises
    ------
    BlockingIOError
        If another process writes the file.
    OSError
        If it cannot be opened, or is no HDF5 file.

    Examples
    --------
    >>> from pathlib import Path
    >>> import h5py
    >>> from napari_vit_tfm.io.hdf5_output import Hdf5Output
    >>> with Hdf5Output(Path("numbers.h5"), "w") as output:
    ...     with output.step() as file:
    ...         file["ones"] = [1.0, 1.0]
    >>> with h5py.File("numbers.h5") as file:
    ...     file["ones"][()].tolist()
    [1.0, 1.0]
    """

    def __init__(self, path: Path, mode: Literal["w", "r+"]) -> None:
        stream = path.open("w+b" if mode == "w" else "r+b", buffering=0)
        # To open a damaged file may already change it.
        self._stream = _Stream(stream, is_held=mode == "r+")
        try:
            _lock(stream)
            if mode == "r+" and not self._stream.seek(0, io.SEEK_END):
                # h5py would make an HDF5 file of it.
                raise OSError("the file is empty")
            with uninterrupted():
                self.file = h5py.File(self._stream, mode)
                self._stream.check()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def step(self) -> Iterator[h5py.File]:
        """Change the file; signals are held back until the block ends.

        Raises
        ------
        OSError
            At the end of the block, if something could not be written.
        """
        with uninterrupted():
            self._stream.release()
            self._stream.check()
            yield self.file
            self._stream.check()

    def close(self) -> None:
        """Close the file.

        Raises
        ------
        OSError
            If something could not be written.
        """
        with uninterrupted():
            try:
                if hasattr(self, "file"):
                    self.file.close()
            finally:
                self._stream.close()
        self._stream.check()

    def __enter__(self) -> Hdf5Output:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except OSError:
            # The first error says what is wrong.
            if error is None:
                raise


class _Stream:
    """A file whose errors are remembered.

    What could not be written is kept in memory, so that the HDF5 library reads what it
    has written until it has closed the file. It is at most what one step writes.
    """

    def __init__(self, stream: io.FileIO, *, is_held: bool) -> None:
        self._stream = stream
        self._is_held = is_held
        self._at = 0
        self._unwritten: list[tuple[int, bytes]] = []
        self._error: OSError | None = None

    def release(self) -> None:
        """Write what was held back, and from now on at once."""
        if self._is_held:
            self._is_held = False
            held, self._unwritten = self._unwritten, []
            for at, content in held:
                self.seek(at)
                self.write(memoryview(content))

    def check(self) -> None:
        """Raise the first error."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the file."""
        try:
            self._stream.close()
        except OSError as error:
            self._error = self._error or error

    # What h5py calls; nothing may be raised here

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of the next call."""
        if whence == io.SEEK_END:
            offset += self._size()
        self._at = offset
        return self._at

    def tell(self) -> int:
        """The position of the next call."""
        return self._at

    def write(self, data: memoryview) -> int:
        """Write bytes, or keep them."""
        if self._error is None and not self._is_held:
            try:
                _write_at(self._stream, self._at, data)
            except (OSError, ValueError) as error:
                self._fail(error)
        if self._error is not None or self._is_held:
            self._unwritten.append((self._at, bytes(data)))
        self._at += len(data)
        return len(data)

    def readinto(self, buffer: memoryview) -> int:
        """Read bytes. Behind the end of the file, there are zeros."""
        content = bytearray(len(buffer))
        try:
            self._stream.seek(self._at)
            _read_all(self._stream, memoryview(content))
        except (OSError, ValueError) as error:
            self._fail(error)
        for at, unwritten in self._unwritten:
            _overlay(content, self._at, unwritten, at)
        buffer[:] = content
        self._at += len(content)
        return len(content)

    def read(self, n_bytes: int) -> bytes:
        """Read bytes, as `readinto` does."""
        content = bytearray(n_bytes)
        self.readinto(memoryview(content))
        return bytes(content)

    def truncate(self, size: int) -> int:
        """Set the size of the file."""
        if self._error is None and not self._is_held:
            try:
                self._stream.truncate(size)
            except (OSError, ValueError) as error:
                self._fail(error)
        return size

    def flush(self) -> None:
        """Do nothing: every call has written to the file."""

    def _size(self) -> int:
        size = 0
        try:
            size = os.fstat(self._stream.fileno()).st_size
        except (OSError, ValueError) as error:
            self._fail(error)
        return max([size, *(at + len(content) for at, content in self._unwritten)])

    def _fail(self, error: OSError | ValueError) -> None:
        # A closed file gives a ValueError.
        if self._error is None:
            self._error = error if isinstance(error, OSError) else OSError(str(error))


def _write_at(stream: io.FileIO, at: int, left: memoryview) -> None:
    stream.seek(at)
    while left:
        # Before the disk is full, only a part is written.
        left = left[stream.write(left) :]


def _read_all(stream: io.FileIO, buffer: memoryview) -> None:
    while buffer:
        n_bytes = stream.readinto(buffer)
        if not n_bytes:
            return
        buffer = buffer[n_bytes:]


def _overlay(content: bytearray, start: int, other: bytes, other_start: int) -> None:
    """Put those of the other bytes into the content that are at its places."""
    first = max(start, other_start)
    last = min(start + len(content), other_start + len(other))
    if first < last:
        content[first - start : last - start] = other[
            first - other_start : last - other_start
        ]


def _lock(stream: io.FileIO) -> None:
    """Raise a BlockingIOError if another process writes the file."""
    if sys.platform == "win32":
        import msvcrt

        stream.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(str(error)) from error
        return
    import errno
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        # Some network file systems have no locks.
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise
