"""``vit-tfm predict``: tractions of a displacement file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from napari_vit_tfm.cli.batch import analyse_all
from napari_vit_tfm.cli.options import (
    batch_size_option,
    noise_config,
    poisson_option,
    preparation_config,
    reconstruction_config,
    thickness_option,
    young_option,
)
from napari_vit_tfm.cli.outputs import Outputs, overwrite_option
from napari_vit_tfm.cli.parameters import FILE
from napari_vit_tfm.cli.quantities import MeasuredRun, TableOptions, table_options
from napari_vit_tfm.cli.reporting import echo
from napari_vit_tfm.cli.source import DisplacementSource, displacement_source
from napari_vit_tfm.config import (
    PreparationConfig,
    QuantitiesConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import exporters, format_in_words


@click.command("predict")
@displacement_source
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="FILE|FOLDER",
    help=f"File to write: {' or '.join(map(format_in_words, exporters()))}. For "
    "several experiments, a folder with the results of each and a summary, as of "
    "vit-tfm batch.",
)
@young_option
@poisson_option
@thickness_option
@preparation_config
@reconstruction_config
@noise_config
@batch_size_option
@click.option(
    "--quantities",
    "table",
    type=FILE,
    metavar="TABLE.csv",
    help="Write energies, forces and moments of the cells, too, as vit-tfm quantities "
    "does. Of several experiments, they are always written.",
)
@table_options
@overwrite_option
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
    noise_files: tuple[Path, ...],
    batch_size: int,
    overwrite: bool,
) -> None:
    """Reconstruct tractions from the displacements in INPUT.

    INPUT is a file or a folder. The files of a folder are one film. Several inputs are
    several experiments, unless --series says that they are one film; two files with
    one component each are one experiment. Several experiments are analysed as by
    vit-tfm batch: a failing one does not stop the others, and what is done already is
    skipped.
    Writes the array `traction` of shape (T, H, W, 2), which is NaN in holes. Prints
    notes about what is unusual in the displacements, such as outliers. With
    --residual, the file also has `displacement_model` and `residual`, of the same
    shape, and `explained` and `chi_squared` of each frame, and a note says what is left
    unexplained.
    """
    config = replace(config, batch_size=batch_size)
    gel = Gel(young_pa, poisson, thickness_um)
    if source.n_experiments > 1:
        _check_options_of_several(output, table, tables)
        settings = (gel, config, preparation, tables.config)
        _predict_several(
            source, output, *settings, others=noise_files, overwrite=overwrite
        )
        return
    outputs = Outputs.of(
        "predict",
        overwrite=overwrite,
        inputs=source.paths,
        others=[tables.mask, config.model, *noise_files],
    )
    _predict(
        source,
        output,
        outputs,
        table=table,
        tables=tables,
        gel=gel,
        preparation=preparation,
        config=config,
    )


def _check_options_of_several(
    folder: Path, table: Path | None, tables: TableOptions
) -> None:
    """Raise an error for options that belong to one experiment."""
    if folder.suffix and not folder.is_dir():
        raise ConfigError(
            f"{folder}: several inputs are several experiments, expected a folder for "
            "their results; if they are the frames of one film, add --series"
        )
    if any(path is not None for path in (table, *tables.further.values())):
        raise ConfigError(
            "--quantities, --adhesions, --changes and --control-table are tables of "
            "one experiment: leave them out; the folder of several has quantities and "
            "adhesions of each"
        )
    if tables.mask is not None:
        raise ConfigError(
            "--mask is the mask of one experiment: for several, use vit-tfm batch with "
            "a table that has a column mask"
        )


def _predict_several(
    source: DisplacementSource,
    folder: Path,
    gel: Gel,
    config: ReconstructionConfig,
    preparation: PreparationConfig,
    quantities: QuantitiesConfig,
    *,
    others: Sequence[Path],
    overwrite: bool,
) -> None:
    """Do what ``vit-tfm batch`` does, with the same options for all inputs."""
    from napari_vit_tfm.batch import Settings, experiments_of

    experiments = [
        replace(
            one,
            dataset=source.dataset,
            unit=source.unit,
            spacing_um=source.spacing_um,
            pixel_size_um=source.pixel_size_um,
            y=source.y,
            components_first=source.components_first,
            allow_links=source.allow_links,
        )
        for one in experiments_of(source.paths, folder)
    ]
    settings = Settings(gel, config, preparation, quantities)
    analyse_all(experiments, folder, settings, others=others, overwrite=overwrite)


def _predict(
    source: DisplacementSource,
    output: Path,
    outputs: Outputs,
    *,
    table: Path | None,
    tables: TableOptions,
    gel: Gel,
    preparation: PreparationConfig,
    config: ReconstructionConfig,
) -> None:
    from napari_vit_tfm.cli.reporting import gel_in_words, note, timed_run
    from napari_vit_tfm.io import check_output
    from napari_vit_tfm.physics.substrate import Substrate
    from napari_vit_tfm.reconstruction import (
        load_method,
        reconstruct,
        reconstruct_to_file,
        resolve_device,
    )

    target = check_output(output, with_companions=config.residual or config.uncertainty)
    outputs.add(target)
    tables.check(table, outputs, beside=target)
    with source.open(gel=gel) as displacement:
        substrate = Substrate(displacement.gel)
        device = resolve_device(config.device)
        method = load_method(config)
        measured = None
        if table is not None:
            measured = MeasuredRun(
                tables,
                displacement.n_frames,
                outputs.maker.inputs[0],
                partial(reconstruct, config=config.of_tractions_alone(), method=method),
            )
        with closing(
            reconstruct_to_file(
                displacement,
                target,
                substrate=substrate,
                config=config,
                method=method,
                preparation=preparation,
                on_notice=note,
                made_by=outputs.maker.name,
            )
        ) as batches:
            run = timed_run(
                batches,
                device=device,
                on_batch=None if measured is None else measured.add,
            )
    echo(f"tractions: {target} ({run.in_words})")
    echo(f"gel: {gel_in_words(substrate)}")
    run.report()
    if table is not None and measured is not None:
        measured.write(table)
