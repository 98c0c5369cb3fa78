"""``vit-tfm demo``: reconstruction of a time-lapse with known tractions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from napari_vit_tfm.cli.options import reconstruction_config
from napari_vit_tfm.cli.outputs import Outputs, overwrite_option
from napari_vit_tfm.cli.parameters import FILE
from napari_vit_tfm.cli.reporting import echo
from napari_vit_tfm.config import ExampleConfig, ReconstructionConfig

if TYPE_CHECKING:
    from napari_vit_tfm.io import Maker

_EXAMPLE = ExampleConfig()


@click.command("demo")
@click.option(
    "-o",
    "--output",
    type=FILE,
    default=Path("vit-tfm-demo"),
    show_default=True,
    metavar="DIR",
    help="Folder for the files.",
)
@reconstruction_config
@overwrite_option
def command(*, output: Path, config: ReconstructionConfig, overwrite: bool) -> None:
    """Reconstruct an example with known tractions.

    Generates a time-lapse and reconstructs it from its file. Writes
    DIR/displacement.h5, DIR/truth.h5 and DIR/traction.h5, and prints the error of the
    tractions.
    """
    from napari_vit_tfm.benchmark.metrics import sum_of_squared_errors
    from napari_vit_tfm.cli.reporting import note, stack_in_words, timed_run
    from napari_vit_tfm.io import read_displacement, read_traction
    from napari_vit_tfm.reconstruction import reconstruct_to_file, resolve_device

    names = ("displacement.h5", "truth.h5", "traction.h5")
    outputs = Outputs.of("demo", overwrite=overwrite, others=[config.model])
    outputs.add_in(output, names)
    displacement, truth, traction = (output / name for name in names)
    _write_example(displacement, truth, outputs.maker)
    stack = read_displacement(displacement)
    batches = reconstruct_to_file(
        stack, traction, config=config, on_notice=note, made_by=outputs.maker.name
    )
    run = timed_run(batches, device=resolve_device(config.device))

    echo(f"displacements: {displacement} ({stack_in_words(stack)})")
    echo(f"known tractions: {truth}")
    echo(f"reconstructed tractions: {traction} ({run.in_words})")
    run.report()
    known = read_traction(truth).data / _EXAMPLE.young_pa
    found = read_traction(traction).data / _EXAMPLE.young_pa
    error = sum_of_squared_errors(found, known).mean()
    of_zero = sum_of_squared_errors(np.zeros_like(known), known).mean()
    echo(
        f"error of the reconstructed tractions: {error:.3g} "
        "(sum of squared errors of t/E, mean over frames); "
        f"predicting zero: {of_zero:.3g}"
    )


def _write_example(displacement: Path, truth: Path, maker: Maker) -> None:
    from napari_vit_tfm.io import gel_attributes, write_arrays, write_traction
    from napari_vit_tfm.provenance import MADE_BY
    from napari_vit_tfm.synthesis import disc_timelapse

    stack, known = disc_timelapse(
        n_frames=_EXAMPLE.n_frames, seed=_EXAMPLE.seed
    ).on_gel(young_pa=_EXAMPLE.young_pa, spacing_um=_EXAMPLE.spacing_um)
    attributes = {"units": stack.unit, "spacing_um": stack.spacing_um}
    write_arrays(
        displacement,
        {"displacement": stack.data},
        {
            "": maker.attributes(displacement.parent),
            "displacement": {**attributes, **gel_attributes(stack.gel)},
        },
    )
    write_traction(truth, replace(known, metadata={MADE_BY: maker.name}))
