"""``vit-tfm demo``: the main job on a time-lapse whose tractions are known."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from napari_vit_tfm.cli.options import FILE, reconstruction_config
from napari_vit_tfm.config import ExampleConfig, ReconstructionConfig

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
def command(*, output: Path, config: ReconstructionConfig) -> None:
    """Reconstruct an example whose tractions are known.

    It is a time-lapse and goes the way of any other, from file to file. Writes
    DIR/displacement.h5, DIR/truth.h5 and DIR/traction.h5, and tells the error
    against the truth.
    """
    from napari_vit_tfm.benchmark.metrics import sum_of_squared_errors
    from napari_vit_tfm.cli.reporting import described, timed_run
    from napari_vit_tfm.io import open_traction, read_displacement, read_traction
    from napari_vit_tfm.physics.substrate import Substrate

    output.mkdir(parents=True, exist_ok=True)
    displacement, truth, traction = (
        output / f"{name}.h5" for name in ("displacement", "truth", "traction")
    )
    _write_example(displacement, truth)
    stack = read_displacement(displacement)
    with open_traction(traction) as sink:
        run = timed_run(stack, Substrate(stack.gel), config, on_traction=sink.append)

    click.echo(f"displacements: {displacement} ({described(stack)})")
    click.echo(f"known tractions: {truth}")
    click.echo(f"reconstructed tractions: {traction} ({run.in_words})")
    run.report()
    known = read_traction(truth).data / _EXAMPLE.young_pa
    found = read_traction(traction).data / _EXAMPLE.young_pa
    error = sum_of_squared_errors(found, known).mean()
    of_zero = sum_of_squared_errors(np.zeros_like(known), known).mean()
    click.echo(
        f"error against the known tractions: {error:.3g} "
        "(sum of squared errors of t/E, mean over frames); "
        f"predicting zero: {of_zero:.3g}"
    )


def _write_example(displacement: Path, truth: Path) -> None:
    from napari_vit_tfm.io import gel_attributes, write_arrays, write_traction
    from napari_vit_tfm.synthesis import disc_timelapse

    stack, known = disc_timelapse(
        n_frames=_EXAMPLE.n_frames, seed=_EXAMPLE.seed
    ).on_gel(young_pa=_EXAMPLE.young_pa, spacing_um=_EXAMPLE.spacing_um)
    said = {"units": stack.unit, "spacing_um": stack.spacing_um}
    write_arrays(
        displacement,
        {"displacement": stack.data},
        {"displacement": {**said, **gel_attributes(stack.gel)}},
    )
    write_traction(truth, known)
