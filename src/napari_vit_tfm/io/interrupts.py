"""Holding back Ctrl-C where it would be lost, or would damage a file."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and a request to terminate until the block ends.

    h5py calls Python code where an exception cannot be raised, so a `KeyboardInterrupt`
    in it would be lost. In other threads than the main one, there are no signals.

    Examples
    --------
    >>> import signal
    >>> from napari_vit_tfm.io.interrupts import uninterrupted
    >>> before = signal.signal(signal.SIGINT, signal.default_int_handler)
    >>> try:
    ...     with uninterrupted():
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("the block goes on")
    ... except KeyboardInterrupt:
    ...     print("interrupted")
    the block goes on
    interrupted
    >>> _ = signal.signal(signal.SIGINT, before)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def keep(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    # Only what raises an exception can be lost: the system's own handlers stay.
    ours = {number: one for number, one in handlers.items() if callable(one)}
    try:
        for number in ours:
            signal.signal(number, keep)
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
