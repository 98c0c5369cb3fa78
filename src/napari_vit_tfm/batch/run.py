"""Analysis of experiments, one after the other or in several processes."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vit_tfm import __version__
from napari_vit_tfm.batch.cluster import on_cluster
from napari_vit_tfm.batch.experiments import Experiment
from napari_vit_tfm.batch.outcome import Outcome, outcome_of
from napari_vit_tfm.config import (
    PreparationConfig,
    QuantitiesConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError, TFMError
from napari_vit_tfm.fields import Displacement
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import (
    input_files,
    open_displacement,
    open_traction,
    read_labels,
)
from napari_vit_tfm.io.writing import replacing
from napari_vit_tfm.provenance import files_sha256
from napari_vit_tfm.quantities import Recorder
from napari_vit_tfm.reconstruction import (
    load_method,
    reconstruct,
    reconstruct_batches,
    resolve_device,
)

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

TRACTIONS = "tractions.h5"
QUANTITIES = "quantities.csv"
ADHESIONS = "adhesions.csv"
RECORD = "record.json"
"""Files in the folder of an experiment. The record is written last."""


@dataclass(frozen=True)
class Settings:
    """How all experiments of a batch are analysed.

    Parameters
    ----------
    gel : Gel
        Values of the gel for experiments that do not name their own.
    config : ReconstructionConfig
        Method, device, batch size.
    preparation : PreparationConfig
        What is done to the displacements first.
    quantities : QuantitiesConfig
        Regions and controls.
    """

    gel: Gel = field(default_factory=Gel)
    config: ReconstructionConfig = field(default_factory=ReconstructionConfig)
    preparation: PreparationConfig = field(default_factory=PreparationConfig)
    quantities: QuantitiesConfig = field(default_factory=QuantitiesConfig)


def run_batch(
    experiments: Sequence[Experiment],
    folder: str | Path,
    *,
    settings: Settings | None = None,
    n_workers: int = 1,
    scheduler: str | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
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
    on_outcome : callable, keyword-only, optional
        Called with every outcome, in the order in which they come.

    Returns
    -------
    list of Outcome
        In the order of the experiments.

    Raises
    ------
    ConfigError
        If the method or the device is not there, the folder is a file, or there is no
        scheduler at the address.
    """
    settings = settings or Settings()
    folder = Path(folder).absolute()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file, expected a folder for the results")
    # A missing model fails once, not for every experiment.
    resolve_device(settings.config.device)
    # The file of a model may have been replaced since the last batch.
    _method.cache_clear()
    _method(settings.config)
    folder.mkdir(parents=True, exist_ok=True)
    analyse = partial(analyse_experiment, folder=folder, settings=settings)
    outcomes: dict[str, Outcome] = {}
    found = (
        _in_processes(analyse, experiments, n_workers)
        if scheduler is None
        else on_cluster(analyse, experiments, scheduler)
    )
    for outcome in found:
        outcomes[outcome.experiment.name] = outcome
        if on_outcome is not None:
            on_outcome(outcome)
    return [outcomes[one.name] for one in experiments]


def _in_processes(
    analyse: Callable[[Experiment], Outcome],
    experiments: Sequence[Experiment],
    n_workers: int,
) -> Iterator[Outcome]:
    if n_workers == 1:
        yield from map(analyse, experiments)
        return
    n_threads = max(1, (os.cpu_count() or 1) // n_workers)
    with ProcessPoolExecutor(
        n_workers,
        # A forked process would share the threads of torch.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_limit_threads,
        initargs=(n_threads,),
    ) as pool:
        running = {pool.submit(analyse, one): one for one in experiments}
        try:
            for future in as_completed(running):
                yield outcome_of(future, running[future])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _limit_threads(n: int) -> None:
    import torch

    torch.set_num_threads(n)


def analyse_experiment(
    experiment: Experiment, *, folder: Path, settings: Settings
) -> Outcome:
    """Analyse one experiment, unless its results are there already.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    folder : Path, keyword-only
        Folder of all results.
    settings : Settings, keyword-only
        Method and options.

    Returns
    -------
    Outcome
        With the reason if it failed.
    """
    if experiment.error:
        return Outcome(experiment, {}, error=experiment.error)
    try:
        settings = replace(settings, gel=experiment.gel.filled_from(settings.gel))
        key = _key(experiment, settings)
        target = folder / experiment.name
        done = _finished(target, key)
        if done is not None:
            return Outcome(experiment, done, was_done=True)
        target.mkdir(exist_ok=True)
        (target / RECORD).unlink(missing_ok=True)
        record = _analyse(experiment, target, settings)
        record |= key
        with replacing(target / RECORD) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return Outcome(experiment, record)
    except TFMError as error:
        return Outcome(experiment, {}, error=str(error))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return Outcome(experiment, {}, error=f"{experiment.file}: {reason}")


def _analyse(
    experiment: Experiment, target: Path, settings: Settings
) -> dict[str, Any]:
    """Write the results of an experiment; what was done, for its record."""
    notes: list[str] = []

    def keep(sentence: str) -> None:
        if sentence not in notes:
            notes.append(sentence)

    method = _method(settings.config)
    labels = None if experiment.mask is None else read_labels(experiment.mask)
    with open_displacement(
        experiment.file,
        dataset=experiment.dataset,
        unit=experiment.unit,
        spacing_um=experiment.spacing_um,
        pixel_size_um=experiment.pixel_size_um,
        gel=settings.gel,
        y=experiment.y,
        on_notice=keep,
    ) as displacement:
        _check_lengths(displacement)
        recorder = Recorder(
            settings.quantities,
            n_frames=displacement.n_frames,
            labels=labels,
            with_adhesions=True,
        )
        with open_traction(target / TRACTIONS) as sink:
            for batch in reconstruct_batches(
                displacement,
                config=settings.config,
                method=method,
                preparation=settings.preparation,
                on_notice=keep,
            ):
                sink.append(batch.traction)
                recorder.add(
                    batch.traction,
                    displacement=batch.displacement,
                    reconstruct=partial(
                        reconstruct, config=settings.config, method=method
                    ),
                )
    recorder.write(target / QUANTITIES)
    recorder.write_adhesions(target / ADHESIONS)
    return {
        "file": str(experiment.file),
        "mask": None if experiment.mask is None else str(experiment.mask),
        "frames": displacement.n_frames,
        "columns": recorder.columns,
        "model": method.name,
        "notes": [*notes, *recorder.notes()],
    }


@lru_cache(maxsize=1)
def _method(config: ReconstructionConfig) -> ReconstructionMethod:
    """The method of all experiments, which is loaded once in a process."""
    return load_method(config)


def _check_lengths(displacement: Displacement) -> None:
    if displacement.unit is None:
        raise ConfigError("the displacement's unit is not known: fill the column unit")
    needed = (*displacement.missing_lengths, *displacement.gel.needs)
    for name in needed:
        if getattr(displacement, name) is None:
            raise ConfigError(f"{name} is not known: fill the column {name}")


def _key(experiment: Experiment, settings: Settings) -> dict[str, Any]:
    """What the results depend on."""
    options = {
        "dataset": experiment.dataset,
        "unit": experiment.unit,
        "y": experiment.y,
        "spacing_um": experiment.spacing_um,
        "pixel_size_um": experiment.pixel_size_um,
        "gel": asdict(settings.gel),
        # The device and the size of batches do not change the results.
        "reconstruction": {
            name: value
            for name, value in asdict(settings.config).items()
            if name not in ("device", "batch_size")
        },
        "preparation": asdict(settings.preparation),
        "quantities": asdict(settings.quantities),
    }
    return {
        "input_sha256": files_sha256(input_files(experiment.file)),
        "mask_sha256": _mask_sha256(experiment.mask),
        "model_sha256": _method(settings.config).sha256,
        "version": __version__,
        "options": json.loads(json.dumps(options)),
    }


def _mask_sha256(path: Path | None) -> str | None:
    if path is None:
        return None
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file")
    return files_sha256(sorted(path.iterdir()) if path.is_dir() else [path])


def _finished(target: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """The record of results that are complete and belong to the key; else None."""
    names = (RECORD, TRACTIONS, QUANTITIES, ADHESIONS)
    if not all((target / name).is_file() for name in names):
        return None
    try:
        record = json.loads((target / RECORD).read_text(encoding="utf-8"))
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    same = all(record.get(name) == value for name, value in key.items())
    return record if same else None
