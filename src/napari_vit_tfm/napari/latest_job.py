"""Computing in a thread, where only what was asked for last counts."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Event
from typing import Any, Generic, TypeVar

from napari.qt.threading import GeneratorWorker, create_worker

Request = TypeVar("Request", bound=Hashable)
Answer = TypeVar("Answer")


class LatestJob(Generic[Request, Answer]):
    """One request at a time; of those that come meanwhile only the last is kept.

    Every answer comes with its request, by which whoever asked tells whether it
    is still wanted.

    Parameters
    ----------
    function : callable
        Answers a request, in a thread: a generator that yields what there is to
        say on the way and returns the answer, or a plain function. It is also
        given a function that says whether it is cancelled.
    on_answer : callable, keyword-only
        Told a request and its answer, in the thread of the GUI.
    on_error : callable, keyword-only
        Told a request and why it has no answer.
    on_word : callable, keyword-only, optional
        Told a request and what the generator yields.
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
        """Whether something is being computed, or was cancelled and still ends."""
        return self._worker is not None

    @property
    def awaited(self) -> Request | None:
        """The request whose answer somebody still waits for."""
        return self._current if self._next is None else self._next

    def ask(self, request: Request) -> None:
        """Compute an answer now, or after the one that is being computed."""
        if request == self._current:
            self._next = None
        elif self._worker is not None:
            self._next = request
        else:
            self._start(request)

    def cancel(self) -> None:
        """Give up what is being computed, as soon as it notices, and what waits."""
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
        worker.returned.connect(self._returned)
        worker.errored.connect(self._errored)
        worker.finished.connect(self._finished)
        if isinstance(worker, GeneratorWorker):
            worker.yielded.connect(self._yielded)
        self._worker, self._cancelled = worker, cancelled
        worker.start()

    def _yielded(self, word: Any) -> None:
        if self._current is not None and self._on_word is not None:
            self._on_word(self._current, word)

    def _returned(self, answer: Answer) -> None:
        request, self._current = self._current, None
        if request is not None:
            self._on_answer(request, answer)

    def _errored(self, error: Exception) -> None:
        request, self._current = self._current, None
        if request is not None:
            self._on_error(request, error)

    def _finished(self) -> None:
        self._worker = self._current = None
        request, self._next = self._next, None
        if request is not None:
            self._start(request)
