"""The second process: it reads what may crash or block a library, and says so.

It reads one request a line, and answers each with one line of JSON: ``{}`` if the file
can be read without harm, which includes files that raise an error, since the first
process gets the same error. Others say what is wrong: too little memory, or a chunk
that must not be read. If a library crashes, or is busy for more than `LOOK_S` seconds,
the process ends without an answer.
"""

from __future__ import annotations

import faulthandler
import io
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

import h5py

from napari_vit_tfm.guard import hdf5, matlab_tags

LOOK_S = 5.0
"""Longest time without any progress, in seconds."""

LONGEST_S = 20.0
"""Longest time for one file, in seconds."""

LONGEST_OF_LARGE_S = 60.0
"""The same for a file that may have more than `hdf5.MOST_OBJECTS`."""

READY = {"ready": True}
"""The first line, when all modules are loaded."""

HDF5, MATLAB = "hdf5", "matlab"
"""Kinds of files."""

_MOST_MEMORY_BYTES = 2**30
"""Memory for one file, where the system can limit it."""

_WHOLE_BYTES = 2**16
"""Size of an array that is read whole; of larger ones, two frames are read."""

_WHOLE_TEXT_BYTES = 2**20
"""The same for text and references, whose values are in other places of the file."""

_MOST_BYTES = 2**22
"""Size of all values that are read of a file, and of the largest part."""


def main() -> None:
    """Answer requests until the input ends, which it does with the first process."""
    answers, nothing = _own_output()
    # Ctrl-C is sent to all processes in the terminal; this one ends with the first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _be_quiet_when_crashing()
    _limit_memory()
    _answer(answers, READY)
    for line in sys.stdin.buffer:
        request: dict[str, Any] = json.loads(line)
        if request["kind"] == MATLAB:
            import scipy.io  # noqa: F401  loaded before the time counts
        answer: dict[str, Any] = {}
        try:
            is_large = hdf5.most_objects(Path(request["path"])) > hdf5.MOST_OBJECTS
            longest_s = LONGEST_OF_LARGE_S if is_large else LONGEST_S
            with _Clock(nothing, longest_s) as clock, _harmless_errors():
                _look(request, clock.go_on)
        except MemoryError:
            answer = {"memory": True}
        except hdf5.DamagedChunkError as error:
            answer = {"chunk": str(error).removeprefix(f"{request['path']}: ")}
        _answer(answers, answer)


def _look(request: dict[str, Any], go_on: Callable[[], None]) -> None:
    path = Path(request["path"])
    if request["kind"] == HDF5:
        _look_at_hdf5(path, go_on, allow_links=request["allow_links"])
    else:
        _look_at_matlab(path, go_on)


@contextmanager
def _harmless_errors() -> Iterator[None]:
    """Ignore the errors that the first process will raise again.

    That of memory, and chunks that it must not read, are for `main`.
    """
    try:
        yield
    except (MemoryError, hdf5.DamagedChunkError):
        raise
    except Exception:
        pass


def _look_at_hdf5(path: Path, go_on: Callable[[], None], *, allow_links: bool) -> None:
    """Read all headers and attributes of an HDF5 file, and some values."""
    # Another process may write the file, or the first one.
    with h5py.File(path, "r", locking=False) as file:
        found = hdf5.Search(path, allow_links=allow_links, go_on=go_on)
        found.visit(file, "", depth=0)
        budget = _MOST_BYTES
        for item in (*found.groups, *found.datasets.values()):
            go_on()
            with _harmless_errors():
                hdf5.attributes_of(path, item)
        for name, dataset in found.datasets.items():
            go_on()
            with _harmless_errors():
                check = hdf5.ChunkCheck(path, name, dataset)
                budget -= _read_some(dataset, budget, check)


def _read_some(dataset: h5py.Dataset, budget: int, check: hdf5.ChunkCheck) -> int:
    """Read the index of a dataset and some values; the number of their bytes."""
    shape, dtype, chunks = dataset.shape, dataset.dtype, dataset.chunks
    is_plain = dtype.kind in "fiubc"
    if shape is None or (is_plain and chunks is None and not dataset.is_virtual):
        # Plain numbers in one piece are copied as they are.
        return 0
    if chunks is not None:
        dataset.id.chunk_iter(lambda chunk: None)
        if math.prod(chunks) * dtype.itemsize > _MOST_BYTES:
            return 0
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes <= min(budget, _WHOLE_BYTES if is_plain else _WHOLE_TEXT_BYTES):
        check.check()
        dataset[...]
        return int(n_bytes)
    if dataset.ndim < 3 or not is_plain:
        return 0
    n_read = n_bytes // shape[0] * 2
    if n_read > budget:
        return 0
    for number in (0, shape[0] - 1):
        check.check(slice(number, number + 1))
        dataset[number]
    return int(n_read)


def _look_at_matlab(path: Path, go_on: Callable[[], None]) -> None:
    """Read the variables of a MATLAB file of version 5 that are not too large."""
    from scipy.io import loadmat

    with path.open("rb") as stream:
        variables = matlab_tags.check_headers(stream)
        budget = _MOST_BYTES
        for variable in variables.values():
            go_on()
            if variable.n_bytes > budget:
                continue
            budget -= variable.n_bytes
            with _harmless_errors():
                matlab_tags.check_variable(stream, variable)
                # scipy also accepts open files, which its type annotations lack.
                one: Any = io.BytesIO(matlab_tags.file_of_one(stream, variable))
                loadmat(one)


class _Clock:
    """Ends the process if it is not stopped, or told of progress, in time.

    Its thread is not one of Python's, so it also runs while a library does not return.

    Parameters
    ----------
    nothing : text file
        Where the traceback of the end is written.
    longest_s : float
        Longest time for the file, in seconds.
    """

    def __init__(self, nothing: IO[str], longest_s: float) -> None:
        self._nothing = nothing
        self._longest_s = longest_s
        self._first = self._last = time.monotonic()

    def __enter__(self) -> Self:
        faulthandler.dump_traceback_later(LOOK_S, exit=True, file=self._nothing)
        return self

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()

    def go_on(self) -> None:
        """There was progress."""
        now = time.monotonic()
        if now - self._first > self._longest_s:
            os._exit(1)
        if now - self._last > LOOK_S / 5:
            self._last = now
            faulthandler.dump_traceback_later(LOOK_S, exit=True, file=self._nothing)


def _own_output() -> tuple[IO[str], IO[str]]:
    """The pipe for answers, and a file for everything else that is printed."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    os.dup2(nothing.fileno(), 1)
    os.dup2(nothing.fileno(), 2)
    return answers, nothing


def _answer(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _be_quiet_when_crashing() -> None:
    """No window about a crash on Windows, and no file with the memory elsewhere."""
    if sys.platform == "win32":
        import ctypes

        fail_critical_errors, no_fault_box, no_open_box = 0x0001, 0x0002, 0x8000
        ctypes.windll.kernel32.SetErrorMode(
            fail_critical_errors | no_fault_box | no_open_box
        )
    else:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_memory() -> None:
    """Limit the memory of this process, where the system can do so."""
    if sys.platform == "linux":
        import resource

        n_pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = n_pages * resource.getpagesize() + _MOST_MEMORY_BYTES
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))
