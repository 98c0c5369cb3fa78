"""``vit-tfm batch``: many experiments, one summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_vit_tfm.cli.options import (
    batch_size_option,
    noise_config,
    poisson_option,
    preparation_config,
    reconstruction_config,
    thickness_option,
    young_option,
)
from napari_vit_tfm.cli.outputs import overwrite_option
from napari_vit_tfm.cli.parameters import FILE, command_option
from napari_vit_tfm.cli.quantities import quantities_config
from napari_vit_tfm.cli.reporting import echo, note
from napari_vit_tfm.config import (
    BatchConfig,
    PreparationConfig,
    QuantitiesConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.options import options_of

if TYPE_CHECKING:
    from napari_vit_tfm.batch import Experiment, Outcome, Settings


@click.command("batch")
@click.argument("table", type=FILE, metavar="EXPERIMENTS.csv")
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="FOLDER",
    help="Folder to write.",
)
@command_option(options_of(BatchConfig)["n_workers"])
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Scheduler of a Dask cluster, whose workers analyse the experiments instead.",
)
@young_option
@poisson_option
@thickness_option
@quantities_config
@preparation_config
@reconstruction_config
@noise_config
@batch_size_option
@overwrite_option
def command(
    *,
    table: Path,
    output: Path,
    n_workers: int,
    scheduler: str | None,
    young_pa: float | None,
    poisson: float | None,
    thickness_um: float | None,
    quantities: QuantitiesConfig,
    preparation: PreparationConfig,
    config: ReconstructionConfig,
    noise_files: tuple[Path, ...],
    batch_size: int,
    overwrite: bool,
) -> None:
    """Analyse all experiments in a table.

    EXPERIMENTS.csv has one row for each experiment, and a column `file`. It may have
    the columns experiment (a name), mask, young_pa, poisson, thickness_um,
    spacing_um, pixel_size_um, dataset, unit and y. All others, such as condition and
    replicate, are carried through to the summary. Writes tractions and quantities of
    each experiment, summary.csv, provenance.json and summary.png. What is done already
    is skipped.
    """
    from napari_vit_tfm.batch import Settings, check_inputs, read_experiments

    others = [table, *noise_files]
    # A summary is no table of experiments; the reason is that of a wrong folder.
    check_inputs(output, [], others)
    settings = Settings(
        gel=Gel(young_pa, poisson, thickness_um),
        config=replace(config, batch_size=batch_size),
        preparation=preparation,
        quantities=quantities,
    )
    analyse_all(
        read_experiments(table),
        output,
        settings,
        others=others,
        n_workers=n_workers,
        scheduler=scheduler,
        overwrite=overwrite,
    )


def analyse_all(
    experiments: Sequence[Experiment],
    folder: Path,
    settings: Settings,
    *,
    others: Sequence[Path],
    n_workers: int = BatchConfig.n_workers,
    scheduler: str | None = None,
    overwrite: bool,
) -> None:
    """Analyse experiments, print what became of them, and write the overview.

    Parameters
    ----------
    experiments : sequence of Experiment
        The experiments.
    folder : Path
        Folder of the results.
    settings : Settings
        Method and options.
    others : sequence of Path, keyword-only
        Further files that are read, such as the table of experiments.
    n_workers, scheduler, overwrite
        As for `run_batch`.

    Raises
    ------
    ConfigError
        If a file that is read, or one of others, would be replaced. At the end, if
        experiments failed or a file of the overview cannot be written.
    """
    from napari_vit_tfm.batch import (
        check_inputs,
        check_overview,
        run_batch,
        write_overview,
    )

    check_inputs(folder, experiments, others)
    check_overview(folder, overwrite=overwrite)
    outcomes = run_batch(
        experiments,
        folder,
        settings=settings,
        n_workers=n_workers,
        scheduler=scheduler,
        overwrite=overwrite,
        on_outcome=_report,
    )
    overview = write_overview(folder, outcomes)
    echo(f"written: {', '.join(map(str, overview.files))}")
    for problem in overview.problems:
        echo(f"Error: {problem}", err=True)
    failed = sum(bool(outcome.error) for outcome in outcomes)
    if failed:
        raise ConfigError(f"{failed} of {len(outcomes)} experiments failed")
    if overview.problems:
        raise ConfigError("all experiments are done, but not all files were written")


def _report(outcome: Outcome) -> None:
    name = outcome.experiment.name
    if outcome.error:
        echo(f"Error: {name}: {outcome.error}", err=True)
        return
    done = ", done before" if outcome.was_done else ""
    echo(f"{name}: {outcome.record['frames']} frames{done}")
    for sentence in outcome.record["notes"]:
        note(f"{name}: {sentence}")
