"""``vit-tfm batch``: many experiments, one summary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_vit_tfm.cli.options import (
    FILE,
    batch_size_option,
    poisson_option,
    preparation_config,
    reconstruction_config,
    thickness_option,
    young_option,
)
from napari_vit_tfm.cli.quantities import quantities_config
from napari_vit_tfm.cli.reporting import note
from napari_vit_tfm.config import (
    PreparationConfig,
    QuantitiesConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.gel import Gel

if TYPE_CHECKING:
    from napari_vit_tfm.batch import Outcome

FIGURE = "summary.png"


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
@click.option(
    "--workers",
    "n_workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that analyse experiments at the same time.",
)
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
@batch_size_option
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
    batch_size: int,
) -> None:
    """Analyse all experiments in a table.

    EXPERIMENTS.csv has one row for each experiment, and a column `file`. It may have
    the columns mask, young_pa, poisson, thickness_um, spacing_um, pixel_size_um,
    dataset, unit and y. All others, such as condition and replicate, are carried
    through to the summary. Writes tractions and quantities of each experiment,
    summary.csv, provenance.json and summary.png. What is done already is skipped.
    """
    from napari_vit_tfm.batch import (
        Settings,
        draw_summary,
        read_experiments,
        run_batch,
        write_provenance,
        write_summary,
    )
    from napari_vit_tfm.batch.summary import SUMMARY
    from napari_vit_tfm.plotting import write_png

    if table.resolve() == (output / SUMMARY).resolve():
        raise ConfigError(
            f"{table}: the summary would replace the table of experiments: choose "
            "another folder"
        )
    experiments = read_experiments(table)
    settings = Settings(
        gel=Gel(young_pa, poisson, thickness_um),
        config=replace(config, batch_size=batch_size),
        preparation=preparation,
        quantities=quantities,
    )
    outcomes = run_batch(
        experiments,
        output,
        settings=settings,
        n_workers=n_workers,
        scheduler=scheduler,
        on_outcome=_report,
    )
    summary = write_summary(output, outcomes)
    write_provenance(output, outcomes)
    figure = draw_summary(summary)
    if figure is not None:
        write_png(output / FIGURE, figure)
    click.echo(f"summary: {summary}")
    failed = sum(bool(outcome.error) for outcome in outcomes)
    if failed:
        raise ConfigError(f"{failed} of {len(outcomes)} experiments failed")


def _report(outcome: Outcome) -> None:
    name = outcome.experiment.name
    if outcome.error:
        click.echo(f"Error: {name}: {outcome.error}", err=True)
        return
    done = ", done before" if outcome.was_done else ""
    click.echo(f"{name}: {outcome.record['frames']} frames{done}")
    for sentence in outcome.record["notes"]:
        note(f"{name}: {sentence}")
