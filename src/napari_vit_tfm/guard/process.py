"""`look_first`: a file is looked at in a second process before this one opens it.

The second process is started at the first need and answers for all files. It ends when
this one ends, however that happens, since its input ends then. It is started again
after a file has crashed it.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.guard.child import LOOK_S, MATLAB

_ANSWER_S = 80.0
"""Longest time until the second process answers, in seconds.

It ends itself much earlier, but it may take long to load its modules.
"""

_MOST_ANSWERS = 10_000
"""Most answers that are kept."""

_IN_A_TEST = (
    "in a test in a process of its own, so the file is probably damaged: copy it "
    "again, or save it again"
)
"""The end of the reasons why a file is not opened."""

_HELPER = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from napari_vit_tfm.guard.child import main; main()"
)

_log = logging.getLogger(__name__)


def look_first(path: Path, kind: str, *, allow_links: bool = False) -> None:
    """Make sure that a file does not crash or block the library that reads it.

    A file that was looked at is not looked at again until its size or its time of
    modification changes. If no second process can be started, such as in a program that
    has Python built in, nothing is done, with a warning in the log.

    Parameters
    ----------
    path : Path
        The file.
    kind : {"hdf5", "matlab"}
        What it is, according to its first bytes: HDF5, or MATLAB before version 7.3.
    allow_links : bool, keyword-only
        Whether parts of its data may be in other files.

    Raises
    ------
    FieldFileError
        If the second process crashed, took too long, needed too much memory, or found
        a chunk that must not be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> import h5py
    >>> from napari_vit_tfm.guard.process import look_first
    >>> with h5py.File("cell.h5", "w") as file:
    ...     file["displacement"] = [[0.0, 1.0]]
    >>> look_first(Path("cell.h5"), "hdf5")
    """
    reason = _guard.reason(path, kind, allow_links=allow_links)
    if reason:
        raise FieldFileError(f"{path}: is not opened: {reason}")


def python() -> str | None:
    """The program of this Python; None if it is built into another program."""
    if getattr(sys, "frozen", False):
        return None
    beside = ("python.exe",) if sys.platform == "win32" else ("bin/python3",)
    found = (
        sys.executable,
        getattr(sys, "_base_executable", None),
        *(str(Path(sys.prefix) / name) for name in beside),
    )
    for program in found:
        if program and Path(program).is_file():
            name = Path(program).stem.lower()
            if name.startswith(("python", "pypy")):
                return program
    return None


class _Helper:
    """A running second process."""

    def __init__(self, program: str) -> None:
        paths = [entry for entry in sys.path if entry]
        # It needs no threads for computing, which take time to start.
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
        self.process = subprocess.Popen(
            # -P: nothing is imported from the current folder.
            [program, "-P", "-c", _HELPER, json.dumps(paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **threads},
            # On Windows, a program with windows would open another one for it.
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    def start(self) -> bool:
        """Wait until it is ready; False if it cannot start."""
        return self._line() is not None

    def ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None if the process has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            return None
        if request["kind"] == MATLAB:
            import scipy.io  # noqa: F401  both processes load it at the same time
        return self._line()

    def _line(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        # Pipes have no time limit on Windows.
        timer = threading.Timer(_ANSWER_S, self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        return dict(json.loads(line)) if line.endswith(b"\n") else None

    def close(self, *, at_once: bool = False) -> None:
        """End the process."""
        if at_once:
            self.process.kill()
        self.close_pipes()
        try:
            self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def close_pipes(self) -> None:
        """Close the pipes, at which the process ends."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            # Nobody reads what is left in it.
            with suppress(OSError):
                pipe.close()


class _Guard:
    """The second process, and its answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._helper: _Helper | None = None
        self._is_possible = True
        self._answers: dict[tuple[Any, ...], str] = {}

    def reason(self, path: Path, kind: str, *, allow_links: bool) -> str:
        """Why a file must not be opened; empty if it may be."""
        try:
            status = path.stat()
        except OSError:
            return ""
        key = (str(path.absolute()), status.st_size, status.st_mtime_ns, kind)
        request = {
            "path": str(path.absolute()),
            "kind": kind,
            "allow_links": allow_links,
        }
        with self._lock:
            # Files that are opened through it may have changed.
            if allow_links:
                return self._found(request)
            if key not in self._answers:
                if len(self._answers) >= _MOST_ANSWERS:
                    self._answers.clear()
                self._answers[key] = self._found(request)
            return self._answers[key]

    def _found(self, request: dict[str, Any]) -> str:
        # A process that ended for another reason does not end twice.
        for _ in range(2):
            helper = self._running()
            if helper is None:
                return ""
            start = time.monotonic()
            try:
                answer = helper.ask(request)
            except BaseException:
                # Such as Ctrl-C: its answer would be taken for that on the next file.
                self.close(at_once=True)
                raise
            if answer is not None:
                if "memory" in answer:
                    return f"reading its headers needed too much memory {_IN_A_TEST}"
                return str(answer.get("chunk", ""))
            self.close(at_once=True)
            if time.monotonic() - start >= LOOK_S:
                return f"reading it did not end {_IN_A_TEST}"
        return f"reading it crashed the library of this format {_IN_A_TEST}"

    def _running(self) -> _Helper | None:
        if self._helper is not None and self._helper.process.poll() is not None:
            self.close(at_once=True)
        if self._helper is None and self._is_possible:
            program = python()
            try:
                helper = None if program is None else _Helper(program)
            except OSError:
                helper = None
            if helper is None or not helper.start():
                if helper is not None:
                    helper.close(at_once=True)
                self._is_possible = False
                _log.warning(
                    "no second process can be started, so files are opened without a "
                    "test whether they crash or block this one"
                )
                return None
            self._helper = helper
        return self._helper

    def close(self, *, at_once: bool = False) -> None:
        """End the second process, if it runs."""
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.close(at_once=at_once)

    def leave(self) -> None:
        """Close the pipes, of which the process that was forked off has copies."""
        if self._helper is not None:
            self._helper.close_pipes()


_guard = _Guard()
_left: list[_Guard] = []
"""Those of the process from which this one was forked off."""


def _start_again() -> None:
    global _guard
    _guard.leave()
    _left.append(_guard)
    _guard = _Guard()


def close() -> None:
    """End the second process; it is started again when it is needed."""
    _guard.close()


atexit.register(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_again)
