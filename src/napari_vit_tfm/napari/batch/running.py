"""What the batch dock computes in a thread, without Qt and layers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

from napari_vit_tfm import io
from napari_vit_tfm.batch import (
    Experiment,
    Outcome,
    Overview,
    Progress,
    Settings,
    iterate_batch,
    write_overview,
)
from napari_vit_tfm.batch.analysis import TRACTIONS
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.computing import with_batch_size
from napari_vit_tfm.provenance import KEY, Provenance, files_sha256
from napari_vit_tfm.reconstruction import resolve_device


@dataclass(frozen=True, eq=False)
class BatchRun:
    """A request to analyse experiments.

    Parameters
    ----------
    experiments : tuple of Experiment
        The experiments.
    folder : Path
        Folder of the results.
    settings : Settings
        Method and options.
    batch_size : int, optional
        Frames per batch; see `with_batch_size`.
    n_workers : int
        As for `run_batch`.
    """

    experiments: tuple[Experiment, ...]
    folder: Path
    settings: Settings
    batch_size: int | None
    n_workers: int


def run_experiments(
    run: BatchRun, is_cancelled: Callable[[], bool]
) -> Generator[Progress | Outcome, None, Overview]:
    """Analyse experiments, and write their overview.

    Parameters
    ----------
    run : BatchRun
        The request.
    is_cancelled : callable
        Whether the run has been cancelled; checked before every batch of frames.

    Yields
    ------
    Progress or Outcome
        As `iterate_batch` does.

    Returns
    -------
    Overview
        The files about all experiments.

    Raises
    ------
    ConfigError, ModelError, Cancelled
        As for `iterate_batch`.
    """
    config = run.settings.config
    device = resolve_device(config.device)
    config = with_batch_size(config, run.batch_size, device)
    outcomes: dict[str, Outcome] = {}
    for step in iterate_batch(
        run.experiments,
        run.folder,
        settings=replace(run.settings, config=config),
        n_workers=run.n_workers,
        is_cancelled=is_cancelled,
    ):
        if isinstance(step, Outcome):
            outcomes[step.experiment.name] = step
        yield step
    return write_overview(run.folder, [outcomes[x.name] for x in run.experiments])


@dataclass(frozen=True)
class Loading:
    """A request to read the results of an experiment.

    Parameters
    ----------
    name : str
        Name of the experiment.
    tractions : Path
        The file with the tractions.
    modified_ns : int
        The time when it was written.
    allow_links : bool
        As for `read_displacement`.
    """

    name: str
    tractions: Path
    modified_ns: int
    allow_links: bool


@dataclass(frozen=True, eq=False)
class LoadedResults:
    """Displacements and tractions of an experiment.

    Parameters
    ----------
    displacement : DisplacementStack
        The displacements, as they were read for the computation.
    traction : TractionStack
        The tractions.
    config : ReconstructionConfig
        The configuration that they were computed with.
    """

    displacement: DisplacementStack
    traction: TractionStack
    config: ReconstructionConfig


def loading_of(experiment: Experiment, folder: Path) -> Loading | None:
    """The request for the results of an experiment; None if there are none."""
    path = folder / experiment.name / TRACTIONS
    if not path.is_file():
        return None
    modified_ns = path.stat().st_mtime_ns
    return Loading(experiment.name, path, modified_ns, experiment.allow_links)


def load_results(loading: Loading, _is_cancelled: Callable[[], bool]) -> LoadedResults:
    """Read the results of an experiment, and the displacements that they are from.

    Parameters
    ----------
    loading : Loading
        The request.

    Raises
    ------
    FieldFileError
        If a file cannot be read.
    ConfigError
        If the displacements have changed since then.
    """
    traction = io.read_traction(loading.tractions)
    known: Provenance | None = traction.metadata.get(KEY)
    if known is None:
        raise ConfigError(f"{loading.tractions}: does not say what it is from")
    for file in known.files:
        if not file.exists():
            raise ConfigError(f"{file}: the displacements are no longer there")
    if files_sha256(known.files) != known.input_sha256:
        raise ConfigError(
            f"{known.files[0]}: the displacements have changed since the tractions "
            "were computed: run the batch again"
        )
    return LoadedResults(
        io.read_displacement(
            known.files[0] if len(known.files) == 1 else known.files,
            gel=known.options("gel", Gel),
            **known.reading(allow_links=loading.allow_links),
        ),
        traction,
        known.options("reconstruction", ReconstructionConfig),
    )
