"""Computation in a thread, of which only the latest request counts."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Event
from typing import Any, Generic, TypeVar

from napari.qt.threading import GeneratorWorker, create_worker

Request = TypeVar("Request", bound=Hashable)
Answer = TypeVar("Answer")


class LatestJob(Generic[Request, Answer]):
    """Computes one request at a time, and keeps only the last waiting request.

    Every answer is delivered with its request, so that the receiver can tell
    whether the answer is still needed.

    Parameters
    ----------
    function : callable
        Computes the answer to a request, in a thread. It is called with the request
        and a function that returns whether the request is cancelled. A generator
        yields progress and returns the answer; a plain function returns the answer.
    on_answer : callable, keyword-only
        Called with a request and its answer, in the GUI thread.
    on_error : callable, keyword-only
        Called with a request and the error that it raised, in the GUI thread.
    on_word : callable, keyword-only, optional
        Called with a request and what the generator yields, in the GUI thread.
    """

    def __init__(
        self,
        function: Callable[[Request, Callable[[], bool]], Any],
        *,
        on_answer: Callable[[Request, Answer], None],
        on_error: Callable[[Request, Exception], None],
        on_word: Callable[[Request, Any], None] | None = None,
    ) -> None:
        self._function = function
        self._on_answer = on_answer
        self._on_error = on_error
        self._on_word = on_word
        self._worker: Any = None
        self._cancelled = Event()
        self._current: Request | None = None
        self._next: Request | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a computation is running, even if it has been cancelled."""
        return self._worker is not None

    @property
    def awaited(self) -> Request | None:
        """The latest request that has not been answered or cancelled."""
        return self._current if self._next is None else self._next

    def ask(self, request: Request) -> None:
        """Compute a request now, or after the one that is running."""
        if request == self._current:
            self._next = None
        elif self._worker is not None:
            self._next = request
        else:
            self._start(request)

    def cancel(self) -> None:
        """Cancel the running request at its next check, and the waiting one."""
        self._next = self._current = None
        self._cancelled.set()

    def _start(self, request: Request) -> None:
        self._current = request
        cancelled = Event()
        worker = create_worker(
            self._function,
            request,
            cancelled.is_set,
            _start_thread=False,
            _ignore_errors=True,
        )
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_errored)
        worker.finished.connect(self._on_finished)
        if isinstance(worker, GeneratorWorker):
            worker.yielded.connect(self._on_yielded)
        self._worker, self._cancelled = worker, cancelled
        worker.start()

    def _on_yielded(self, word: Any) -> None:
        if self._current is not None and self._on_word is not None:
            self._on_word(self._current, word)

    def _on_returned(self, answer: Answer) -> None:
        request, self._current = self._current, None
        if request is not None:
            self._on_answer(request, answer)

    def _on_errored(self, error: Exception) -> None:
        request, self._current = self._current, None
        if request is not None:
            self._on_error(request, error)

    def _on_finished(self) -> None:
        self._worker = self._current = None
        request, self._next = self._next, None
        if request is not None:
            self._start(request)
