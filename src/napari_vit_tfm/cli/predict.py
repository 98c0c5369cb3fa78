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
    reconstruction_config,
    thickness_option,
    young_option,
)
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.gel import Gel


@click.command("predict")
@displacement_source
@output_file
@young_option
@poisson_option
@thickness_option
@reconstruction_config
@batch_size_option
def command(
    *,
    source: DisplacementSource,
    output: Path,
    young_pa: float | None,
    poisson: float | None,
    thickness_um: float | None,
    config: ReconstructionConfig,
    batch_size: int,
) -> None:
    """Reconstruct the tractions behind the displacements in INPUT.

    Writes the array `traction`, (T, H, W, 2).
    """
    from napari_vit_tfm.cli.reporting import (
        checked_output,
        described,
        gel_in_words,
        timed_run,
    )
    from napari_vit_tfm.io import write_traction
    from napari_vit_tfm.physics.substrate import Substrate

    target = checked_output(output, source.path)
    stack = source.read(gel=Gel(young_pa, poisson, thickness_um))
    substrate = Substrate(stack.gel)
    run = timed_run(stack, substrate, replace(config, batch_size=batch_size))
    write_traction(target, run.traction)
    click.echo(f"tractions: {target} ({described(run.traction)})")
    click.echo(f"gel: {gel_in_words(substrate)}")
    run.report()
