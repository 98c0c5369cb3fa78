from __future__ import annotations

import threading
from collections.abc import Callable, Generator

import pytest

from napari_vit_tfm.napari.latest_job import LatestJob


@pytest.fixture
def answers() -> list:
    return []


@pytest.fixture
def make(answers):
    def job(function: Callable) -> LatestJob:
        return LatestJob(
            function,
            on_answer=lambda request, answer: answers.append((request, answer)),
            on_error=lambda request, error: answers.append((request, type(error))),
            on_word=lambda request, word: answers.append((request, word)),
        )

    return job


def test_of_many_requests_the_first_and_the_last_are_answered(make, answers, qtbot):
    go_on = threading.Event()

    def answer(request: int, _is_cancelled: Callable[[], bool]) -> int:
        go_on.wait(10)
        return request**2

    job = make(answer)
    for request in range(5):
        job.ask(request)
    assert job.is_busy
    go_on.set()
    qtbot.waitUntil(lambda: not job.is_busy)
    assert answers == [(0, 0), (4, 16)]


def test_errors_come_with_their_request(make, answers, qtbot):
    job = make(lambda request, _is_cancelled: 1 / request)
    job.ask(0)
    qtbot.waitUntil(lambda: not job.is_busy)
    assert answers == [(0, ZeroDivisionError)]
    job.ask(1)
    qtbot.waitUntil(lambda: not job.is_busy)
    assert answers[1:] == [(1, 1.0)]


def test_a_cancelled_request_has_no_answer(make, answers, qtbot):
    started = threading.Event()

    def answer(
        request: str, is_cancelled: Callable[[], bool]
    ) -> Generator[str, None, str]:
        yield "on the way"
        started.set()
        while not is_cancelled() and request == "long":
            threading.Event().wait(0.01)
        return request

    job = make(answer)
    job.ask("long")
    qtbot.waitUntil(started.is_set)
    job.cancel()
    assert job.is_busy
    assert job.awaited is None
    job.ask("short")
    qtbot.waitUntil(lambda: not job.is_busy)
    assert ("long", "long") not in answers
    assert answers[-2:] == [("short", "on the way"), ("short", "short")]
