from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from napari_vit_tfm.io.interrupts import uninterrupted


@pytest.fixture(autouse=True)
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C as in a program in the foreground; it is ignored in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_comes_when_the_block_ends() -> None:
    before = signal.getsignal(signal.SIGINT)
    steps = []

    def block() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            steps.append("after the signal")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["after the signal"]
    assert signal.getsignal(signal.SIGINT) is before


def test_blocks_in_each_other() -> None:
    steps = []

    def blocks() -> None:
        with uninterrupted():
            with uninterrupted():
                signal.raise_signal(signal.SIGINT)
            steps.append("between")

    with pytest.raises(KeyboardInterrupt):
        blocks()
    assert steps == ["between"]


def test_an_interruption_comes_before_an_error() -> None:
    def block() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            raise ValueError

    with pytest.raises(KeyboardInterrupt):
        block()


def test_other_threads_have_no_signals() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
