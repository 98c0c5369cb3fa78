"""Traction stacks from displacement stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
from napari_vit_tfm.fields import Displacement, FinishedFrames, TractionStack
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction.batches import Batch, Gathered
from napari_vit_tfm.reconstruction.run import Notify, Run

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod


def reconstruct(
    displacement: Displacement,
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    preparation: PreparationConfig | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    on_notice: Notify | None = None,
) -> TractionStack:
    """Reconstruct the tractions of every frame of a displacement stack.

    Parameters
    ----------
    displacement : DisplacementStack or DisplacementStream
        Displacements, of any size from 8 x 8 vectors on; for FTTC from 4 x 4. Vectors
        that are NaN or infinite are holes: they are bridged smoothly for the
        computation.
    substrate : Substrate, keyword-only, optional
        The gel. None is ``Substrate(displacement.gel)``, the gel of the displacements.
    config : ReconstructionConfig, keyword-only, optional
        Model, device and batch size.
    method : ReconstructionMethod, keyword-only, optional
        The loaded model of `config`, so that it is not loaded again. Without `config`,
        any loaded method.
    preparation : PreparationConfig, keyword-only, optional
        What is done to the displacements first. None does nothing but bridge holes.
    on_progress : callable, keyword-only, optional
        Called after every batch with the number of finished frames and of all frames.
    is_cancelled : callable, keyword-only, optional
        Called before every batch, and in large fields before every batch of windows.
        If it returns True, the reconstruction stops.
    on_notice : callable, keyword-only, optional
        Called with notices for the user, one sentence each.

    Returns
    -------
    TractionStack
        Tractions on the grid of the prepared displacements, in Pa, or as ``t / E`` if
        Young's modulus is unknown. They are NaN in holes, unless `preparation` fills
        these, and in frames with more than 10% of holes (50% if they are filled). The
        `Provenance` is in ``metadata["provenance"]``.

    Raises
    ------
    FieldError
        If the field cannot be used.
    ModelError
        If the model cannot be loaded.
    ConfigError
        If the machine has no such device.
    Cancelled
        If `is_cancelled` returned True.

    Examples
    --------
    Two simulated fields on a gel of 10 kPa, reconstructed with Bayesian FTTC:

    >>> from napari_vit_tfm import ReconstructionConfig, reconstruct
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> fields = synthesise(2, seed=0, shape=(48, 64))
    >>> displacement, truth = fields.on_gel(young_pa=10_000, spacing_um=0.8)
    >>> config = ReconstructionConfig(model="bayesian-fttc", device="cpu")
    >>> traction = reconstruct(displacement, config=config)
    >>> traction.data.shape, traction.unit, traction.model
    ((2, 48, 64, 2), 'Pa', 'bayesian-fttc')

    The squared error is small relative to that of predicting zero:

    >>> from napari_vit_tfm.benchmark.metrics import relative_squared_error
    >>> bool((relative_squared_error(traction.data, truth.data) < 0.1).all())
    True
    """
    batches = reconstruct_batches(
        displacement,
        substrate=substrate,
        config=config,
        method=method,
        preparation=preparation,
        is_cancelled=is_cancelled,
        on_notice=on_notice,
    )
    gathered = Gathered()
    for batch in batches:
        gathered.add(batch)
        if on_progress is not None:
            on_progress(batch.stop, batch.total)
    return gathered.traction()


def reconstruct_batches(
    displacement: Displacement,
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    preparation: PreparationConfig | None = None,
    finished: FinishedFrames | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    on_notice: Notify | None = None,
    made_by: str = "",
) -> Iterator[Batch]:
    """Reconstruct tractions batch by batch.

    Only one batch of a `DisplacementStream` is in memory. Fields that the method
    processes in windows are batches of their own, and the batch size is the number of
    windows. A notice about frames, such
    as a drift, is given with the first batch that it is about, and again at the end if
    later batches have changed it.

    Parameters
    ----------
    displacement, substrate, config, method, preparation, is_cancelled, on_notice
        As for `reconstruct`.
    finished : FinishedFrames, keyword-only, optional
        The first frames, if the same run computed them before it was interrupted.
        They are yielded, too, but neither checked nor computed again.
    made_by : str, keyword-only
        The command that computes, for the `Provenance`.

    Yields
    ------
    Batch
        Tractions of the next frames, in order.

    Raises
    ------
    FieldError, ModelError, ConfigError, Cancelled
        As `reconstruct`.
    """
    run = Run(
        *(displacement, substrate, config, method, preparation),
        is_cancelled=is_cancelled,
        on_notice=on_notice,
        made_by=made_by,
    )
    yield from run.batches(finished)
