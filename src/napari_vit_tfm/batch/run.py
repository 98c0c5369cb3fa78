"""Analysis of experiments: one after the other, in several processes, or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from napari_vit_tfm.batch.analysis import Settings, analyse_experiment, method_of
from napari_vit_tfm.batch.cluster import on_cluster
from napari_vit_tfm.batch.experiments import Experiment
from napari_vit_tfm.batch.inputs import check_inputs
from napari_vit_tfm.batch.outcome import Outcome, Progress
from napari_vit_tfm.batch.processes import Analyse, in_processes
from napari_vit_tfm.config import BatchConfig
from napari_vit_tfm.errors import Cancelled, ConfigError
from napari_vit_tfm.io.replacing import create_folder
from napari_vit_tfm.reconstruction import resolve_device


def run_batch(
    experiments: Sequence[Experiment],
    folder: str | Path,
    *,
    settings: Settings | None = None,
    n_workers: int = BatchConfig.n_workers,
    scheduler: str | None = None,
    overwrite: bool = False,
    on_outcome: Callable[[Outcome], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> list[Outcome]:
    """Analyse experiments. An experiment that fails does not stop the others.

    Parameters
    ----------
    experiments : sequence of Experiment
        The experiments.
    folder : path
        Folder of the results, which is created. Every experiment has a folder in it,
        with tractions, quantities, adhesions, and a record of what was done. Results
        that are there already, for the same input and settings, are kept.
    settings : Settings, keyword-only, optional
        Method and options.
    n_workers : int, keyword-only
        Number of processes. With 1, experiments are analysed in this process.
    scheduler : str, keyword-only, optional
        Address of the scheduler of a Dask cluster, whose workers analyse the
        experiments instead. They must see the same files under the same paths.
    overwrite : bool, keyword-only
        Whether files in the folder of an experiment are replaced that a batch has not
        written from the same displacements.
    on_outcome : callable, keyword-only, optional
        Called with every outcome, in the order in which they come.
    on_progress : callable, keyword-only, optional
        Called when an experiment starts, and after each of its batches of frames. A
        cluster reports no progress.
    is_cancelled : callable, keyword-only, optional
        Called before every experiment and every batch of frames. If it returns True,
        the batch stops; experiments that are done stay. The workers of a cluster are
        not stopped.

    Returns
    -------
    list of Outcome
        In the order of the experiments.

    Raises
    ------
    ConfigError
        If the method or the device is not there, two experiments have the same name, a
        file that is read would be replaced, or there is no scheduler at the address.
    FieldFileError
        If the folder is a file, or cannot be written.
    Cancelled
        If `is_cancelled` returned True.

    Examples
    --------
    >>> from napari_vit_tfm import ReconstructionConfig
    >>> from napari_vit_tfm.batch import Settings, experiments_of, run_batch
    >>> from napari_vit_tfm.io import write_displacement
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> cells, _ = synthesise(2, seed=0, shape=(24, 24)).on_gel(
    ...     young_pa=8_000, spacing_um=0.8
    ... )
    >>> write_displacement("cells.h5", cells)
    >>> config = ReconstructionConfig(model="bayesian-fttc", device="cpu")
    >>> (outcome,) = run_batch(
    ...     experiments_of(["cells.h5"], "results"),
    ...     "results",
    ...     settings=Settings(config=config),
    ... )
    >>> outcome.experiment.name, outcome.record["frames"], outcome.error
    ('cells', 2, '')
    """
    outcomes: dict[str, Outcome] = {}
    for step in iterate_batch(
        experiments,
        folder,
        settings=settings,
        n_workers=n_workers,
        scheduler=scheduler,
        overwrite=overwrite,
        is_cancelled=is_cancelled,
    ):
        if isinstance(step, Outcome):
            outcomes[step.experiment.name] = step
            if on_outcome is not None:
                on_outcome(step)
        elif on_progress is not None:
            on_progress(step)
    return [outcomes[one.name] for one in experiments]


def iterate_batch(
    experiments: Sequence[Experiment],
    folder: str | Path,
    *,
    settings: Settings | None = None,
    n_workers: int = BatchConfig.n_workers,
    scheduler: str | None = None,
    overwrite: bool = False,
    is_cancelled: Callable[[], bool] | None = None,
) -> Iterator[Progress | Outcome]:
    """Analyse experiments as `run_batch` does, step by step.

    Parameters
    ----------
    experiments, folder, settings, n_workers, scheduler, overwrite, is_cancelled
        As for `run_batch`.

    Yields
    ------
    Progress or Outcome
        In the order in which they come; of one experiment, the outcome is the last.

    Raises
    ------
    ConfigError, Cancelled
        As `run_batch`.
    """
    settings = settings or Settings()
    folder = Path(folder).absolute()
    is_cancelled = is_cancelled or _never
    _check(experiments)
    config = settings.config
    check_inputs(
        folder, experiments, filter(None, [config.model, config.noise.per_vector])
    )
    # A missing model fails once, not for every experiment.
    resolve_device(settings.config.device)
    # The file of a model may have been replaced since the last batch.
    method_of.cache_clear()
    method_of(settings.config)
    create_folder(folder)
    analyse = partial(
        analyse_experiment, folder=folder, settings=settings, overwrite=overwrite
    )
    if scheduler is not None:
        yield from on_cluster(
            partial(_outcome, analyse), experiments, scheduler, is_cancelled
        )
    elif n_workers > 1:
        yield from in_processes(analyse, experiments, n_workers, is_cancelled)
    else:
        for experiment in experiments:
            if is_cancelled():
                raise Cancelled
            yield (yield from analyse(experiment, is_cancelled=is_cancelled))


def _never() -> bool:
    return False


def _check(experiments: Sequence[Experiment]) -> None:
    names: set[str] = set()
    for one in experiments:
        if one.name.casefold() in names:
            raise ConfigError(f"{one.name}: two experiments have this name")
        names.add(one.name.casefold())


def _outcome(analyse: Analyse, experiment: Experiment) -> Outcome:
    """Analyse an experiment where nobody asks for its progress."""
    steps = analyse(experiment)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
