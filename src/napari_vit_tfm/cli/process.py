"""The process of a command: its standard streams, and how it is terminated."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO


def open_streams() -> None:
    """Open the standard streams that are closed, so that messages go nowhere.

    Otherwise, the next file that is opened would take the place of the stream, and
    messages of libraries would be written into it.
    """
    while True:
        number = os.open(os.devnull, os.O_RDWR)
        if number > 2:
            os.close(number)
            break
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def flush_streams() -> OSError | None:
    """Write what is left for the standard streams.

    Returns
    -------
    OSError or None
        The reason why the output of the command could not be written, for example that
        the disk is full.
    """
    found = _flushed(sys.stdout)
    _flushed(sys.stderr)
    return found


def _flushed(stream: TextIO) -> OSError | None:
    try:
        stream.flush()
    except OSError as error:
        # Python would try again at its end, and show a traceback.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        return error
    except ValueError:
        # The stream is closed.
        return None
    return None


@contextmanager
def terminated_by_signal() -> Iterator[None]:
    """End the process as Ctrl-C does when it is asked to terminate.

    So temporary files are removed, and a message says what the next run goes on from.
    The exit status is 143.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
