"""One run of the traction dock: arrays in, arrays out, no Qt, no layer.

torch is imported here, inside functions: the first call takes seconds, and
those belong to a worker.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.errors import RunError
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.physics.substrate import Substrate


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
    from napari_vit_tfm import reconstruction

    device = reconstruction.resolve_device(run.config.device)
    method = methods.load(run.config)
    yield Update(run.token, device)
    started = time.perf_counter()
    gathered = reconstruction.Gathered()
    notices: list[str] = []
    for batch in reconstruction.reconstruct_batches(
        run.stack,
        substrate=run.substrate,
        config=run.config,
        method=method,
        on_notice=notices.append,
    ):
        gathered.add(batch)
        yield Update(run.token, device, batch.stop, tuple(notices))
    seconds = time.perf_counter() - started
    return Result(run.token, device, gathered.traction(), seconds, tuple(notices))
