"""A run of the traction dock, without Qt and layers.

torch is imported when the run starts, in a worker thread, since the first import takes
seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial

from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.computing import with_batch_size
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.notices import OF_ALL_FRAMES
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import (
    Batch,
    Gathered,
    reconstruct_batches,
    resolve_device,
)

_SAME_END = 40
"""Characters at the end of a notice that do not depend on the frames."""


@dataclass(frozen=True, eq=False)
class Run:
    """A request to reconstruct a stack.

    Parameters
    ----------
    stack : DisplacementStack
        The displacements.
    substrate : Substrate
        The gel.
    config : ReconstructionConfig
        Model and device.
    preparation : PreparationConfig
        What is done to the displacements first.
    batch_size : int, optional
        Frames per batch; see `with_batch_size`.
    """

    stack: DisplacementStack
    substrate: Substrate
    config: ReconstructionConfig
    preparation: PreparationConfig
    batch_size: int | None = None


@dataclass(frozen=True)
class Loaded:
    """The first step of a run: the model has been loaded.

    Parameters
    ----------
    device : {"cpu", "cuda", "mps"}
        The device of the run.
    """

    device: str


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a run.

    Parameters
    ----------
    device : {"cpu", "cuda", "mps"}
        The device.
    traction : TractionStack
        The tractions.
    seconds : float
        Duration of the run, without loading the model.
    notices : tuple of str
        Notices for the user.
    """

    device: str
    traction: TractionStack
    seconds: float
    notices: tuple[str, ...]


def reconstruct_run(
    methods: MethodCache, run: Run, is_cancelled: Callable[[], bool]
) -> Generator[Loaded | Batch, None, Result]:
    """Reconstruct a stack in batches.

    Parameters
    ----------
    methods : MethodCache
        Loads the method.
    run : Run
        The request.
    is_cancelled : callable
        Whether the run has been cancelled; checked before every batch of frames or of
        windows.

    Yields
    ------
    Loaded or Batch
        Loaded after the model has been loaded; then every batch.

    Returns
    -------
    Result

    Raises
    ------
    FieldError, ModelError, ConfigError
        As for `reconstruction.reconstruct`.
    Cancelled
        If `is_cancelled` returned True.
    """
    device = resolve_device(run.config.device)
    method = methods.load(run.config)
    yield Loaded(device)
    started = time.perf_counter()
    notices: list[str] = []
    gathered = Gathered()
    for batch in reconstruct_batches(
        run.stack,
        substrate=run.substrate,
        config=with_batch_size(run.config, run.batch_size, device),
        method=method,
        preparation=run.preparation,
        is_cancelled=is_cancelled,
        on_notice=partial(_add, notices),
    ):
        gathered.add(batch)
        yield batch
    seconds = time.perf_counter() - started
    return Result(device, gathered.traction(), seconds, tuple(notices))


def _add(notices: list[str], notice: str) -> None:
    """Add a notice; it replaces an earlier one about fewer frames.

    Both end with the same words. Since only the last one is kept, it need not say that
    it is about all frames.
    """
    notices[:] = [one for one in notices if one[-_SAME_END:] != notice[-_SAME_END:]]
    notices.append(notice.removeprefix(OF_ALL_FRAMES))
