"""Reads files in child processes, each of which may crash or hang."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import IO, Any, Self

from corpus.case import Case

HANG_SECONDS = 60.0
"""Time without an answer after which a child is killed."""

NOT_MADE = "not made"
"""Outcome of a case whose file only an administrator can make."""

START_SECONDS = 120.0
"""Longest time until a child is ready."""


@dataclass(frozen=True)
class Result:
    """What was found.

    Parameters
    ----------
    problems : tuple of str
        What was wrong; empty if nothing was.
    outcome : str
        "read", "refused" with the message, or `NOT_MADE`.
    seconds : float
        Time of all ways together.
    """

    problems: tuple[str, ...]
    outcome: str = ""
    seconds: float = 0.0


class Reader:
    """A child process, which is started again after a crash or a hang."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._answers: Queue[str | None] = Queue()
        self._errors: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def read(self, path: Path, folder: Path, **request: Any) -> Result:
        """Read a file in all ways.

        Parameters
        ----------
        path : Path
            The file.
        folder : Path
            The folder that has only this file, and what must not be opened.
        **request
            ``case``, the name of a case, or ``kind``; ``is_whole``, whether files are
            also reconstructed; ``is_first_only``, whether other ways are left out.
        """
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        request |= {"path": os.fspath(path), "folder": os.fspath(folder)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        way = "start"
        while True:
            try:
                line = self._answers.get(timeout=HANG_SECONDS)
            except Empty:
                self._stop()
                return Result((f"{way}: hangs",))
            if line is None:
                return Result((f"{way}: {self._end()}",))
            answer = json.loads(line)
            if "problems" in answer:
                return Result(
                    tuple(answer["problems"]), answer["outcome"], answer["seconds"]
                )
            way = answer["way"]

    def _start(self) -> None:
        # It is closed in `_stop`.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONFAULTHANDLER": "1",
            "OMP_NUM_THREADS": "1",
            "NAPARI_CONFIG": "",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "corpus.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env=environment,
            cwd=tempfile.gettempdir(),
        )
        self._answers = Queue()
        stream, answers = self._process.stdout, self._answers
        assert stream is not None

        def collect() -> None:
            for line in stream:
                answers.put(line)
            answers.put(None)

        Thread(target=collect, daemon=True).start()
        line = self._answers.get(timeout=START_SECONDS)
        assert line is not None, self._end()

    def _end(self) -> str:
        """How the child ended, in words."""
        assert self._process is not None
        status = self._process.wait()
        assert self._errors is not None
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")[-2000:].strip()
        self._stop()
        name = signal.Signals(-status).name if status < 0 else f"status {status}"
        return f"crashes ({name}) {said[-500:]}"

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                stream.close()
            self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None


def run_case(reader: Reader, case: Case, **how: bool) -> Result:
    """Write the file of a case, and read it.

    What takes too long is tried again: the machine may have been busy.

    Parameters
    ----------
    reader : Reader
        The child.
    case : Case
        The case.
    **how
        ``is_whole`` and ``is_first_only``, as for `Reader.read`.
    """
    folder = Path(tempfile.mkdtemp(prefix="corpus-")).resolve()
    try:
        try:
            path = case.make(folder)
        except PermissionError:
            # Only an administrator makes devices.
            return Result((), outcome=NOT_MADE)
        result = reader.read(path, folder, case=case.name, **how)
        was_slow = any(
            " takes " in problem or "hangs" in problem for problem in result.problems
        )
        if was_slow:
            result = reader.read(path, folder, case=case.name, **how)
        return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_cases(
    cases: Iterable[tuple[Case, Mapping[str, bool]]], *, n_children: int
) -> dict[str, Result]:
    """Run cases in several children; the results by the names of the cases.

    Parameters
    ----------
    cases : iterable of Case and mapping
        The cases, each with how it is read; see `run_case`.
    n_children : int, keyword-only
        Number of children that run at the same time.
    """
    waiting: Queue[tuple[Case, Mapping[str, bool]]] = Queue()
    for one in cases:
        waiting.put(one)
    results: dict[str, Result] = {}

    def work() -> None:
        with Reader() as reader:
            while True:
                try:
                    case, how = waiting.get_nowait()
                except Empty:
                    return
                results[case.name] = run_case(reader, case, **how)

    with ThreadPoolExecutor(n_children) as pool:
        for one in [pool.submit(work) for _ in range(n_children)]:
            one.result()
    return results
