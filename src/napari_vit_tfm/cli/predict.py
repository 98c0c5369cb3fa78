"""``vit-tfm predict``: tractions of a displacement file."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from napari_vit_tfm.cli.options import (
    FILE,
    DisplacementSource,
    batch_size_option,
    displacement_source,
    poisson_option,
    preparation_config,
    reconstruction_config,
    thickness_option,
    young_option,
)
from napari_vit_tfm.cli.quantities import (
    MeasuredRun,
    TableOptions,
    table_options,
)
from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
from napari_vit_tfm.errors import ConfigError, TFMError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import exporters, format_in_words

RESULT_ENDING = "_tractions.h5"
"""Ending of the files in a folder of results."""


@click.command("predict")
@displacement_source
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="FILE|FOLDER",
    help=f"File to write: {' or '.join(map(format_in_words, exporters()))}. For "
    "several experiments, a folder, in which every input INPUT.txt gets a file "
    f"INPUT{RESULT_ENDING}; if two inputs have the same name, it also gets their "
    "folders.",
)
@young_option
@poisson_option
@thickness_option
@preparation_config
@reconstruction_config
@batch_size_option
@click.option(
    "--quantities",
    "table",
    type=FILE,
    metavar="TABLE.csv",
    help="Write energies, forces and moments of the cells, too, as vit-tfm quantities "
    "does.",
)
@table_options
def command(
    *,
    source: DisplacementSource,
    output: Path,
    table: Path | None,
    tables: TableOptions,
    young_pa: float | None,
    poisson: float | None,
    thickness_um: float | None,
    preparation: PreparationConfig,
    config: ReconstructionConfig,
    batch_size: int,
) -> None:
    """Reconstruct tractions from the displacements in INPUT.

    INPUT is a file or a folder. The files of a folder are one film. Several inputs are
    several experiments, unless --series says that they are one film; two files with
    one component each are one experiment.
    Writes the array `traction` of shape (T, H, W, 2), which is NaN in holes. Prints
    notes about what is unusual in the displacements, such as outliers.
    """
    tables.check(table, inputs=source.paths, others=[output])
    predict = partial(
        _predict,
        table=table,
        tables=tables,
        gel=Gel(young_pa, poisson, thickness_um),
        preparation=preparation,
        config=replace(config, batch_size=batch_size),
    )
    experiments = source.experiments()
    if len(experiments) == 1:
        predict(source, output)
        return
    if table is not None:
        raise ConfigError(
            "--quantities writes the table of one experiment: give one input, or use "
            "vit-tfm quantities for each result"
        )
    failed = 0
    for experiment, target in zip(
        experiments, _targets(experiments, output), strict=True
    ):
        try:
            predict(experiment, target)
        except TFMError as error:
            failed += 1
            click.echo(f"Error: {error}", err=True)
    if failed:
        raise ConfigError(f"{failed} of {len(experiments)} inputs failed")


def _targets(experiments: list[DisplacementSource], folder: Path) -> list[Path]:
    """One file for each experiment in the folder, which is created.

    If two of them have the same name, the files are put into folders as the inputs are.
    """
    if folder.suffix and not folder.is_dir():
        raise ConfigError(
            f"{folder}: several inputs are several experiments, expected a folder for "
            "their tractions; if they are the frames of one film, add --series"
        )
    inputs = [one.paths[0].resolve() for one in experiments]
    targets = [folder / _result_name(path) for path in inputs]
    if len(set(targets)) < len(targets):
        above = os.path.commonpath([path.parent for path in inputs])
        targets = [
            folder / path.parent.relative_to(above) / _result_name(path)
            for path in inputs
        ]
    for number, (path, target) in enumerate(zip(inputs, targets, strict=True)):
        if path in inputs[:number]:
            raise ConfigError(f"{path}: the input is given twice")
        if target in targets[:number]:
            other = inputs[targets.index(target)]
            raise ConfigError(
                f"{other} and {path} would have the same output file {target}: give "
                "them to separate commands, with other folders"
            )
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
    return targets


def _result_name(path: Path) -> str:
    """Name of the file of results of a file or a folder."""
    return (path.name if path.is_dir() else path.stem) + RESULT_ENDING


def _predict(
    source: DisplacementSource,
    output: Path,
    *,
    table: Path | None,
    tables: TableOptions,
    gel: Gel,
    preparation: PreparationConfig,
    config: ReconstructionConfig,
) -> None:
    from napari_vit_tfm.cli.reporting import gel_in_words, timed_run
    from napari_vit_tfm.io import check_output, open_traction
    from napari_vit_tfm.physics.substrate import Substrate
    from napari_vit_tfm.reconstruction import Batch, load_method, reconstruct

    target = check_output(output, inputs=[*source.paths, *tables.inputs])
    with source.open(gel=gel) as displacement:
        substrate = Substrate(displacement.gel)
        method = load_method(config)
        measured = None
        if table is not None:
            measured = MeasuredRun(
                tables,
                displacement.n_frames,
                partial(reconstruct, config=config, method=method),
            )
        with open_traction(target) as sink:

            def keep(batch: Batch) -> None:
                sink.append(batch.traction)
                if measured is not None:
                    measured.add(batch)

            run = timed_run(
                displacement,
                substrate,
                config,
                method=method,
                preparation=preparation,
                on_batch=keep,
            )
    click.echo(f"tractions: {target} ({run.in_words})")
    click.echo(f"gel: {gel_in_words(substrate)}")
    run.report()
    if table is not None and measured is not None:
        measured.write(table)
