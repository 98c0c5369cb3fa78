"""What the docks' worker threads do: arrays in, arrays out, no Qt, no layer.

torch is imported here, inside functions: the first call takes seconds, and
those belong to a worker.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, FieldError, TractionStack
from napari_vit_tfm.physics.substrate import Substrate

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod


class MethodCache:
    """The last method that was asked for, so that it is not loaded every time.

    Each dock has its own, since a method's weights are moved between devices
    in place.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._key: object = None
        self._method: ReconstructionMethod | None = None

    def load(self, config: ReconstructionConfig) -> ReconstructionMethod:
        """The method of a configuration.

        Raises
        ------
        ModelError
            If it cannot be loaded.
        """
        from napari_vit_tfm import reconstruct

        file = Path(config.model)
        changed = file.stat().st_mtime_ns if file.is_file() else 0
        key = (config.model, config.heads, changed)
        with self._lock:
            if self._method is None or key != self._key:
                self._method = reconstruct.load_method(config)
                self._key = key
            return self._method


class RunError(Exception):
    """A RuntimeError in a run, which is its cause.

    The worker's own library takes a RuntimeError for the end of the program:
    it tells nobody, and the worker never finishes.
    """


@dataclass(frozen=True, eq=False)
class Run:
    """One reconstruction, as it was started.

    Parameters
    ----------
    token : int
        Its number, by which the dock knows its results.
    stack : DisplacementStack
        The displacements.
    substrate : Substrate
        The gel.
    config : ReconstructionConfig
        Model and device.
    """

    token: int
    stack: DisplacementStack
    substrate: Substrate
    config: ReconstructionConfig


@dataclass(frozen=True, eq=False)
class Update:
    """How far a run has come: frames done, and what there is to say."""

    token: int
    device: str
    done: int = 0
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """What a run has given, and in how many seconds after loading the model."""

    token: int
    device: str
    traction: TractionStack
    seconds: float
    notices: tuple[str, ...] = ()


def reconstruct_in_batches(
    run: Run, methods: MethodCache
) -> Generator[Update, None, Result]:
    """Reconstruct a stack, with a word after loading the model and every batch.

    Parameters
    ----------
    run : Run
        What to reconstruct.
    methods : MethodCache
        Where the method comes from.

    Yields
    ------
    Update
        How far it has come.

    Returns
    -------
    Result
        The tractions.

    Raises
    ------
    RunError
        Instead of a RuntimeError, which is what most of torch's errors are.
    """
    try:
        return (yield from _batches(run, methods))
    except RuntimeError as error:
        raise RunError(str(error)) from error


def _batches(run: Run, methods: MethodCache) -> Generator[Update, None, Result]:
    from napari_vit_tfm import reconstruct

    device = reconstruct.resolve_device(run.config.device)
    method = methods.load(run.config)
    yield Update(run.token, device)
    started = time.perf_counter()
    data = np.empty_like(run.stack.data)
    notices: list[str] = []
    for batch in reconstruct.reconstruct_batches(
        run.stack,
        substrate=run.substrate,
        config=run.config,
        method=method,
        on_notice=notices.append,
    ):
        data[batch.start : batch.stop] = batch.data
        yield Update(run.token, device, batch.stop, tuple(notices))
    traction = reconstruct.traction_stack(
        run.stack, data, substrate=run.substrate, method=method
    )
    seconds = time.perf_counter() - started
    return Result(run.token, device, traction, seconds, tuple(notices))


def is_expected(error: Exception) -> bool:
    """Whether an error's own words tell the user what to do."""
    return isinstance(error, FieldError | OSError)


def in_one_line(error: Exception) -> str:
    """What went wrong, for the person who started it."""
    text = " ".join(str(error).split())
    if is_expected(error):
        return text
    kind = type(error.__cause__ if isinstance(error, RunError) else error)
    return f"unexpected error ({kind.__name__}): {text}"
