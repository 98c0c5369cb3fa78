"""``vit-tfm predict``: tractions of a displacement file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from napari_vit_tfm.cli.options import (
    DisplacementSource,
    batch_size_option,
    displacement_source,
    output_file,
    poisson_option,
    preparation_config,
    reconstruction_config,
    thickness_option,
    young_option,
)
from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
from napari_vit_tfm.gel import Gel


@click.command("predict")
@displacement_source
@output_file
@young_option
@poisson_option
@thickness_option
@preparation_config
@reconstruction_config
@batch_size_option
def command(
    *,
    source: DisplacementSource,
    output: Path,
    young_pa: float | None,
    poisson: float | None,
    thickness_um: float | None,
    preparation: PreparationConfig,
    config: ReconstructionConfig,
    batch_size: int,
) -> None:
    """Reconstruct tractions from the displacements in INPUT.

    Several files are one time-lapse, in the order of the numbers in their names.
    Writes the array `traction` of shape (T, H, W, 2), which is NaN in holes. Prints
    notes about what is unusual in the displacements, such as outliers.
    """
    from napari_vit_tfm.cli.reporting import gel_in_words, timed_run
    from napari_vit_tfm.io import check_output, open_traction
    from napari_vit_tfm.physics.substrate import Substrate

    target = check_output(output, inputs=source.paths)
    with source.open(gel=Gel(young_pa, poisson, thickness_um)) as displacement:
        substrate = Substrate(displacement.gel)
        with open_traction(target) as sink:
            run = timed_run(
                displacement,
                substrate,
                replace(config, batch_size=batch_size),
                preparation=preparation,
                on_traction=sink.append,
            )
    click.echo(f"tractions: {target} ({run.in_words})")
    click.echo(f"gel: {gel_in_words(substrate)}")
    run.report()
