"""Analysis of experiments in several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event

from napari_vit_tfm.batch.experiments import Experiment
from napari_vit_tfm.batch.outcome import Outcome, Progress, outcome_of
from napari_vit_tfm.errors import Cancelled

Analyse = Callable[..., Generator[Progress, None, Outcome]]
"""Analyses one experiment, as `analyse_experiment` does."""

_POLL_S = 0.1
"""Time between two looks at the progress of the workers."""

Frames = tuple[str, int, int]
"""Name of an experiment, number of frames that are done, and of all frames."""


def in_processes(
    analyse: Analyse,
    experiments: Sequence[Experiment],
    n_workers: int,
    is_cancelled: Callable[[], bool],
) -> Iterator[Progress | Outcome]:
    """Analyse experiments in several processes, which end with this one.

    Parameters
    ----------
    analyse : callable
        Analyses an experiment, and can be sent to a process.
    experiments : sequence of Experiment
        The experiments.
    n_workers : int
        Number of processes.
    is_cancelled : callable
        Checked several times a second.

    Yields
    ------
    Progress or Outcome
        In the order in which they come. An experiment whose process died has failed.

    Raises
    ------
    Cancelled
        If `is_cancelled` returned True. The experiments that are being analysed have
        stopped after their present batch of frames.
    """
    # A forked process would share the threads of torch.
    context = multiprocessing.get_context("spawn")
    stop, frames = context.Event(), context.SimpleQueue()
    by_name = {one.name: one for one in experiments}
    n_threads = max(1, (os.cpu_count() or 1) // n_workers)
    with ProcessPoolExecutor(
        min(n_workers, max(1, len(experiments))),
        mp_context=context,
        initializer=_start,
        initargs=(n_threads, stop, frames),
    ) as pool:
        futures = {pool.submit(_outcome, analyse, one): one for one in experiments}
        left = set(futures)
        try:
            while left:
                done, left = wait(left, _POLL_S, return_when=FIRST_COMPLETED)
                while not frames.empty():
                    name, n_done, n_frames = frames.get()
                    yield Progress(by_name[name], n_done, n_frames)
                for future in done:
                    yield outcome_of(future, futures[future])
                if is_cancelled():
                    raise Cancelled
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


# In the processes

_stop: Event
_frames: SimpleQueue[Frames]


def _start(n_threads: int, stop: Event, frames: SimpleQueue[Frames]) -> None:
    """Prepare a process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    global _stop, _frames
    _stop, _frames = stop, frames
    torch.set_num_threads(n_threads)


def _end_with_parent() -> None:
    """End this process when its parent has ended.

    A parent that is killed cannot end its processes, and they would wait for ever.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _outcome(analyse: Analyse, experiment: Experiment) -> Outcome:
    """Analyse an experiment, and send its progress to the parent."""
    steps = analyse(experiment, is_cancelled=_stop.is_set)
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        _frames.put((experiment.name, step.n_done, step.n_frames))
