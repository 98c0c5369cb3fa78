"""`Forked`: commands in processes of their own, which need not load the package.

Loading torch and the package takes longer than most commands. One process loads them,
and every command is a copy of it (POSIX).
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Forked:
    """The process from which the commands are forked off."""

    def __init__(self) -> None:
        paths = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "forked"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def start(self, *arguments: object, first: str = "") -> Command:
        """Start ``vit-tfm``.

        Parameters
        ----------
        *arguments : object
            Its arguments.
        first : str, keyword-only
            Lines of Python that run before it in its process.
        """
        said = tempfile.NamedTemporaryFile()  # noqa: SIM115  closed by `Command`
        number = self._ask(
            first=first, arguments=list(map(str, arguments)), said=said.name
        )
        return Command(self, number, said)

    def _ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class Command:
    """A command that was started.

    Parameters
    ----------
    forked : Forked
        Its parent.
    number : int
        Number of its process.
    said : file
        What it prints.
    """

    def __init__(self, forked: Forked, number: int, said: Any) -> None:
        self._forked = forked
        self.number = number
        self._said = said
        self._status: int | None = None

    def poll(self) -> int | None:
        """Exit status, as of `subprocess.Popen`; None as long as it runs."""
        if self._status is None:
            self._status = self._forked._ask(wait=self.number)
        return self._status

    def end(self, timeout_s: float = 120.0) -> tuple[int, str]:
        """Exit status and messages of the command, when it has ended."""
        ends = time.monotonic() + timeout_s
        with self._said:
            while (status := self.poll()) is None:
                if time.monotonic() > ends:
                    self.kill()
                    raise TimeoutError(f"the command does not end: {self._messages()}")
                time.sleep(0.01)
            return status, self._messages()

    def kill(self) -> None:
        """Kill the command, if it runs."""
        if self.poll() is None:
            os.kill(self.number, signal.SIGKILL)

    def _messages(self) -> str:
        return Path(self._said.name).read_text(encoding="utf-8")


def _load() -> None:
    import csv

    import h5py
    import scipy.io
    import scipy.ndimage
    import tifffile
    import torch

    import napari_vit_tfm.cli.info
    import napari_vit_tfm.cli.predict
    import napari_vit_tfm.models.methods.fttc
    import napari_vit_tfm.reconstruction

    _ = csv, h5py, scipy, tifffile, torch, napari_vit_tfm


def _serve() -> dict[str, Any] | None:
    """Answer requests; in the process of a command, return its request."""
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        answer: int | None
        if "wait" in request:
            ended, status = os.waitpid(request["wait"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        else:
            answer = os.fork()
            if answer == 0:
                return request
        print(json.dumps(answer), flush=True)
    return None


def _become(request: dict[str, Any]) -> None:
    """Run a command in this process, as if it had been started for it."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(request["said"], os.O_WRONLY | os.O_APPEND)
    with ExitStack() as opened:
        for descriptor in (nothing, said):
            opened.callback(os.close, descriptor)
        os.dup2(nothing, 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["vit-tfm", *request["arguments"]]
    exec(request["first"], {"os": os, "signal": signal})
    runpy.run_module("napari_vit_tfm", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _load()
    request = _serve()
    if request is not None:
        _become(request)
