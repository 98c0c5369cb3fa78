from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator

import pytest
from qtpy.QtCore import QCoreApplication, QObject, QThreadPool

from deletion import delete
from napari_vit_tfm.napari.errors import RunError
from napari_vit_tfm.napari.latest_job import LatestJob


@pytest.fixture
def answers() -> list:
    return []


@pytest.fixture
def owner() -> QObject:
    return QObject()


@pytest.fixture
def make(answers, owner):
    def job(function: Callable, **options) -> LatestJob:
        return LatestJob(
            owner,
            function,
            on_result=lambda request, answer: answers.append((request, answer)),
            on_error=lambda request, error: answers.append((request, type(error))),
            on_step=lambda request, step: answers.append((request, step)),
            **options,
        )

    return job


def test_of_many_requests_the_first_and_the_last_are_computed(make, answers, qtbot):
    go_on = threading.Event()

    def answer(request: int, _is_cancelled: Callable[[], bool]) -> int:
        go_on.wait(10)
        return request**2

    job = make(answer)
    for request in range(5):
        job.submit(request)
    assert job.is_busy
    go_on.set()
    qtbot.waitUntil(lambda: not job.is_busy)
    assert answers == [(0, 0), (4, 16)]


def test_errors_are_reported_with_their_request(make, answers, qtbot):
    job = make(lambda request, _is_cancelled: 1 / request)
    job.submit(0)
    qtbot.waitUntil(lambda: not job.is_busy)
    assert answers == [(0, ZeroDivisionError)]
    job.submit(1)
    qtbot.waitUntil(lambda: not job.is_busy)
    assert answers[1:] == [(1, 1.0)]


def test_a_cancelled_request_has_no_result(make, answers, qtbot):
    started = threading.Event()

    def answer(
        request: str, is_cancelled: Callable[[], bool]
    ) -> Generator[str, None, str]:
        yield "step"
        started.set()
        while not is_cancelled() and request == "long":
            threading.Event().wait(0.01)
        return request

    job = make(answer)
    job.submit("long")
    qtbot.waitUntil(started.is_set)
    job.cancel()
    assert job.is_busy
    assert job.pending is None
    job.submit("short")
    qtbot.waitUntil(lambda: not job.is_busy)
    assert ("long", "long") not in answers
    assert answers[-2:] == [("short", "step"), ("short", "short")]


def test_a_generator_that_is_cancelled_stops_at_its_next_step(make, answers, qtbot):
    go_on, finished = threading.Event(), []

    def answer(request: str, _is_cancelled: Callable[[], bool]) -> Generator:
        yield "one"
        go_on.wait(10)
        yield "two"
        answers.append("not stopped")

    job = make(answer, on_finished=lambda: finished.append(job.is_busy))
    job.submit("long")
    qtbot.waitUntil(lambda: bool(answers))
    job.cancel()
    go_on.set()
    qtbot.waitUntil(lambda: not job.is_busy)
    assert answers == [("long", "one")]
    assert finished == [False]


def test_a_runtime_error_is_the_cause_of_a_run_error(owner, qtbot):
    errors = []

    def fail(request: str, _is_cancelled: Callable[[], bool]) -> None:
        raise RuntimeError("no such thing")

    job = LatestJob(
        *(owner, fail),
        on_result=lambda *_: None,
        on_error=lambda _, error: errors.append(error),
    )
    job.submit("any")
    qtbot.waitUntil(lambda: not job.is_busy)
    (error,) = errors
    assert isinstance(error, RunError)
    assert isinstance(error.__cause__, RuntimeError)


class Bar:
    n = 0
    is_open = True

    def update(self, by: int) -> None:
        self.n += by

    def close(self) -> None:
        self.is_open = False


def test_a_progress_bar_follows_the_steps_and_is_closed(make, answers, qtbot):
    bars, go_on = [], threading.Event()

    def count(total: int, _is_cancelled: Callable[[], bool]) -> Generator:
        for done in range(1, total + 1):
            yield done
            if done == 2:
                go_on.wait(10)
        return "done"

    def open_bar(_request: int) -> Bar:
        bars.append(Bar())
        return bars[-1]

    job = make(count, open_bar=open_bar)
    job.submit(2)
    go_on.set()
    qtbot.waitUntil(lambda: not job.is_busy)
    job.advance(2)
    assert not bars[0].is_open
    assert answers[-1] == (2, "done")
    go_on.clear()
    job.submit(4)
    qtbot.waitUntil(lambda: (4, 2) in answers)
    job.advance(2)
    assert bars[1].n == 2
    job.cancel()
    go_on.set()
    qtbot.waitUntil(lambda: not job.is_busy)
    assert answers[-1] == (4, 2)
    assert not bars[1].is_open


def test_destroying_the_owner_stops_the_computation(make, answers, owner):
    going, go_on, calls = threading.Event(), threading.Event(), []

    def answer(_request: str, is_cancelled: Callable[[], bool]) -> Generator:
        going.set()
        go_on.wait(10)
        calls.append(is_cancelled())
        yield "one"
        calls.append("not stopped")

    make(answer).submit("long")
    assert going.wait(10)
    delete(owner)
    go_on.set()
    assert QThreadPool.globalInstance().waitForDone(10_000)
    QCoreApplication.processEvents()
    assert calls == [True]
    assert answers == []


_ENDS_DURING_A_COMPUTATION = """
import sys, threading, time
from qtpy.QtWidgets import QApplication, QWidget
from napari_vit_tfm.napari.latest_job import LatestJob

app, started = QApplication([]), threading.Event()
how = sys.argv[1]

def compute(request, is_cancelled):
    started.set()
    if how == "cancelled":
        # A step that does not answer.
        time.sleep(0.5)
    while not is_cancelled():
        time.sleep(0.01)
    time.sleep(0.2)
    print("stopped", flush=True)

if how == "closed":
    # As napari does.
    from napari.qt.threading import WorkerBase
    app.aboutToQuit.connect(WorkerBase.await_workers)

widget = QWidget()
job = LatestJob(widget, compute, on_result=print, on_error=print)
job.submit(1)
while not started.is_set():
    app.processEvents()
if how == "cancelled":
    job.cancel()
if how == "closed":
    from qtpy.QtCore import QTimer
    QTimer.singleShot(0, app.quit)
    app.exec()
print("end", flush=True)
"""


@pytest.mark.parametrize(
    ("how", "lines"),
    [
        ("running", ["end", "stopped"]),
        ("cancelled", ["end", "stopped"]),
        ("closed", ["stopped", "end"]),
    ],
)
def test_a_process_that_ends_during_a_computation_stops_it(how, lines):
    """A thread that outlives the objects of Qt aborts the process."""
    done = subprocess.run(
        [sys.executable, "-c", _ENDS_DURING_A_COMPUTATION, how],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == lines
