"""Computation in a thread, with at most one waiting request."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable, Generator, Hashable
from typing import Any, Generic, TypeVar

from napari.qt.threading import WorkerBase, create_worker
from qtpy.QtCore import QObject

from napari_vit_tfm.napari.errors import RunError

Request = TypeVar("Request", bound=Hashable)
Step = TypeVar("Step")
Result = TypeVar("Result")


# At the end of a script, the objects of Qt are destroyed, and a thread that still uses
# them aborts the process, however long its step takes. When napari closes, it waits in
# the same way.
atexit.register(WorkerBase.await_workers)


class _IsCancelled:
    """Whether a worker has to stop, because of its job or because napari closes."""

    def __init__(self) -> None:
        self._worker: Callable[[], Any] = lambda: None

    def watch(self, worker: Any) -> None:
        # Its generator has a reference to this object.
        self._worker = weakref.ref(worker)

    def __call__(self) -> bool:
        worker = self._worker()
        return worker is None or bool(worker.abort_requested)


class LatestJob(QObject, Generic[Request, Step, Result]):
    """Computes one request at a time, and keeps only the last waiting request.

    Every result is delivered with its request, so that the receiver can check whether
    the result is still needed. All callbacks run in the GUI thread. After a request has
    been cancelled, only `on_finished` is called. If the owner is destroyed, the
    computation is stopped and no callback is called.

    Parameters
    ----------
    owner : QObject
        The widget that receives the results.
    function : callable
        Computes the result of a request, in a thread. It is called with the request
        and a function that returns whether the request is cancelled. A generator
        yields steps and returns the result; a plain function returns the result. A
        generator that is cancelled stops at its next step.
    on_result : callable, keyword-only
        Called with a request and its result.
    on_error : callable, keyword-only
        Called with a request and the error that was raised; a RunError for a
        RuntimeError.
    on_step : callable, keyword-only, optional
        Called with a request and what the generator yields.
    on_finished : callable, keyword-only, optional
        Called whenever a computation has ended, with or without a result.
    open_bar : callable, keyword-only, optional
        Called with a request; returns its progress bar, a
        ``napari.utils.progress``. `advance` moves it.
    """

    def __init__(
        self,
        owner: QObject,
        function: Callable[[Request, Callable[[], bool]], Any],
        *,
        on_result: Callable[[Request, Result], None],
        on_error: Callable[[Request, Exception], None],
        on_step: Callable[[Request, Step], None] | None = None,
        on_finished: Callable[[], None] | None = None,
        open_bar: Callable[[Request], Any] | None = None,
    ) -> None:
        super().__init__(owner)
        self._function = function
        self._on_result = on_result
        self._on_error = on_error
        self._on_step = on_step
        self._finished = on_finished
        self._open_bar = open_bar
        self._worker: Any = None
        self._bar: Any = None
        self._current: Request | None = None
        self._next: Request | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a computation is running, even if it has been cancelled."""
        return self._worker is not None

    @property
    def pending(self) -> Request | None:
        """The latest request that has neither been completed nor cancelled."""
        return self._current if self._next is None else self._next

    def submit(self, request: Request) -> None:
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
        if self._worker is not None:
            self._worker.quit()

    def advance(self, done: int) -> None:
        """Move the progress bar.

        napari's progress bars process Qt events whenever they change. The end of the
        computation may be handled during this call, so call it last.

        Parameters
        ----------
        done : int
            Number of steps that are done.
        """
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def _start(self, request: Request) -> None:
        self._current = request
        is_cancelled = _IsCancelled()
        worker = create_worker(
            _steps,
            self._function,
            request,
            is_cancelled,
            _start_thread=False,
            _ignore_errors=True,
        )
        is_cancelled.watch(worker)
        worker.yielded.connect(self._on_yielded)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_errored)
        worker.finished.connect(self._on_finished)
        self.destroyed.connect(worker.quit)
        self._worker = worker
        if self._open_bar is not None:
            # It processes Qt events, so the job must be busy before.
            self._bar = self._open_bar(request)
        worker.start()

    def _on_yielded(self, step: Step) -> None:
        if self._current is not None and self._on_step is not None:
            self._on_step(self._current, step)

    def _on_returned(self, result: Result) -> None:
        request, self._current = self._current, None
        if request is not None:
            self._on_result(request, result)

    def _on_errored(self, error: Exception) -> None:
        request, self._current = self._current, None
        if request is not None:
            self._on_error(request, error)

    def _on_finished(self) -> None:
        self.destroyed.disconnect(self._worker.quit)
        self._worker = self._current = None
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()
        request, self._next = self._next, None
        if request is not None:
            self._start(request)
        if self._finished is not None:
            self._finished()


def _steps(
    function: Callable[[Request, Callable[[], bool]], Any],
    request: Request,
    is_cancelled: Callable[[], bool],
) -> Generator[Any, None, Any]:
    """Run a plain function or a generator."""
    try:
        result = function(request, is_cancelled)
        if isinstance(result, Generator):
            result = yield from result
    except RuntimeError as error:
        raise RunError(str(error)) from error
    return result
