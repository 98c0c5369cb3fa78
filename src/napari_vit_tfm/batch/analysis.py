"""Analysis of one experiment, and the settings of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vit_tfm import __version__
from napari_vit_tfm.batch.experiments import Experiment
from napari_vit_tfm.batch.outcome import Outcome, Progress
from napari_vit_tfm.config import (
    PreparationConfig,
    QuantitiesConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import Cancelled, ConfigError, TFMError, out_of_memory
from napari_vit_tfm.fields import Displacement
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import Maker, input_files, open_displacement, read_labels
from napari_vit_tfm.io.replacing import create_folder, replacing
from napari_vit_tfm.options import flag_of, options_of
from napari_vit_tfm.provenance import files_sha256
from napari_vit_tfm.quantities import Recorder
from napari_vit_tfm.reconstruction import (
    load_method,
    reconstruct,
    reconstruct_to_file,
)
from napari_vit_tfm.units import LENGTHS

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

TRACTIONS = "tractions.h5"
QUANTITIES = "quantities.csv"
ADHESIONS = "adhesions.csv"
RECORD = "record.json"
"""Files in the folder of an experiment. The record is written last."""

_COMMAND = "vit-tfm batch"
"""The command that made the tractions, in their file."""

_FLAGS = {name: flag_of(option) for name, option in options_of(Displacement).items()}
"""Names of options on the command line."""


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


def analyse_experiment(
    experiment: Experiment,
    *,
    folder: Path,
    settings: Settings,
    overwrite: bool = False,
    is_cancelled: Callable[[], bool] | None = None,
) -> Generator[Progress, None, Outcome]:
    """Analyse one experiment, unless its results are there already.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    folder : Path, keyword-only
        Folder of all results.
    settings : Settings, keyword-only
        Method and options.
    overwrite : bool, keyword-only
        Whether files are replaced that a batch has not written from the same
        displacements.
    is_cancelled : callable, keyword-only, optional
        As for `reconstruct`.

    Yields
    ------
    Progress
        Before the first and after every batch of frames.

    Returns
    -------
    Outcome
        With the reason if it failed.

    Raises
    ------
    Cancelled
        If `is_cancelled` returned True.
    """
    if experiment.error:
        return Outcome(experiment, {}, error=experiment.error)
    target = folder / experiment.name
    try:
        yield Progress(experiment, 0, 0)
        settings = replace(settings, gel=experiment.gel.filled_from(settings.gel))
        key = _key(experiment, settings)
        done = _finished(target, key)
        if done is not None:
            return Outcome(experiment, done, was_done=True)
        _check_target(target, experiment)
        if not overwrite:
            _check_own(target, experiment, key)
        create_folder(target)
        (target / RECORD).unlink(missing_ok=True)
        record = yield from _analyse(experiment, target, settings, is_cancelled)
        record |= key
        with replacing(target / RECORD) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return Outcome(experiment, record)
    except Cancelled:
        raise
    except TFMError as error:
        return Outcome(experiment, {}, error=str(error))
    except OSError as error:
        path = error.filename2 or error.filename or experiment.file
        reason = error.strerror or type(error).__name__
        return Outcome(experiment, {}, error=f"{path}: {reason}")
    except Exception as error:
        reason = out_of_memory(error) or f"{type(error).__name__}: {error}"
        return Outcome(experiment, {}, error=f"{experiment.file}: {reason}")


def _analyse(
    experiment: Experiment,
    target: Path,
    settings: Settings,
    is_cancelled: Callable[[], bool] | None,
) -> Generator[Progress, None, dict[str, Any]]:
    """Write the results of an experiment; what was done, for its record."""
    notes: list[str] = []

    def keep(sentence: str) -> None:
        if sentence not in notes:
            notes.append(sentence)

    method = method_of(settings.config)
    labels = None
    if experiment.mask is not None:
        labels = read_labels(experiment.mask, on_notice=keep)
    with open_displacement(
        experiment.file,
        dataset=experiment.dataset,
        unit=experiment.unit,
        spacing_um=experiment.spacing_um,
        pixel_size_um=experiment.pixel_size_um,
        gel=settings.gel,
        y=experiment.y,
        components_first=experiment.components_first,
        allow_links=experiment.allow_links,
        on_notice=keep,
    ) as displacement:
        _check_lengths(displacement)
        yield Progress(experiment, 0, displacement.n_frames)
        recorder = Recorder(
            settings.quantities,
            n_frames=displacement.n_frames,
            labels=labels,
            with_adhesions=True,
        )
        with closing(
            reconstruct_to_file(
                displacement,
                target / TRACTIONS,
                config=settings.config,
                method=method,
                preparation=settings.preparation,
                is_cancelled=is_cancelled,
                on_notice=keep,
                made_by=_COMMAND,
            )
        ) as batches:
            for batch in batches:
                recorder.add(
                    batch.traction,
                    displacement=batch.displacement,
                    reconstruct=partial(
                        reconstruct,
                        config=settings.config.of_tractions_alone(),
                        method=method,
                        is_cancelled=is_cancelled,
                    ),
                )
                yield Progress(experiment, batch.stop, batch.total)
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
def method_of(config: ReconstructionConfig) -> ReconstructionMethod:
    """The method of all experiments, which is loaded once in a process.

    Parameters
    ----------
    config : ReconstructionConfig
        Model and options.
    """
    return load_method(config)


def _check_target(target: Path, experiment: Experiment) -> None:
    """Raise an error if the results would be among the files that they are from."""
    read = input_files(experiment.file)
    read += [] if experiment.mask is None else [experiment.mask]
    for file in read:
        if file.resolve().parent == target.resolve():
            raise ConfigError(
                f"{target}: the results would be beside their input {file.name}: "
                "choose another folder for the results"
            )


def _check_own(target: Path, experiment: Experiment, key: dict[str, Any]) -> None:
    """Raise an error if there are files that may not be those of this experiment."""
    record = _record(target)
    is_own = (
        record.get("file") == str(experiment.file)
        or record.get("input_sha256") == key["input_sha256"]
        # A batch that is interrupted has no record.
        or Maker(_COMMAND, (experiment.file,)).has_made(target / TRACTIONS)
    )
    for name in (TRACTIONS, QUANTITIES, ADHESIONS, RECORD):
        if (target / name).exists() and not is_own:
            raise ConfigError(
                f"{target / name}: already exists, and is not of a batch with the same "
                "displacements: choose another folder for the results; on the command "
                "line, --overwrite replaces it"
            )


def _record(target: Path) -> dict[str, Any]:
    """The record of an experiment; empty if there is none."""
    try:
        record = json.loads((target / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _check_lengths(displacement: Displacement) -> None:
    if displacement.unit is None:
        raise ConfigError(
            "the displacements' unit is not known: fill the column unit of the table; "
            f"without a table, set it for all files ({_FLAGS['unit']})"
        )
    needed = (*displacement.missing_lengths, *displacement.gel.needs)
    for name in needed:
        if getattr(displacement, name) is None:
            raise ConfigError(
                f"{LENGTHS[name]} is not known: fill the column {name} of the table; "
                f"without a table, set it for all files ({_FLAGS[name]})"
            )


def _key(experiment: Experiment, settings: Settings) -> dict[str, Any]:
    """What the results depend on."""
    noise_map = settings.config.noise.per_vector
    options = {
        "dataset": experiment.dataset,
        "unit": experiment.unit,
        "y": experiment.y,
        "components_first": experiment.components_first,
        "allow_links": experiment.allow_links,
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
        "noise_map_sha256": _mask_sha256(Path(noise_map)) if noise_map else None,
        "model_sha256": method_of(settings.config).sha256,
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
    record = _record(target)
    same = all(record.get(name) == value for name, value in key.items())
    return record if same else None
