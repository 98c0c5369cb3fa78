"""``vit-tfm demo``: the main job on a time-lapse whose tractions are known."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from napari_vit_tfm.cli.options import FILE, reconstruction_config
from napari_vit_tfm.config import REFERENCE_POISSON, ReconstructionConfig

YOUNG_PA = 10_000.0
SPACING_UM = 0.8
N_FRAMES = 12
SEED = 1


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
    from napari_vit_tfm.cli.run import described, timed_run
    from napari_vit_tfm.io import read_displacement, read_traction, write_traction
    from napari_vit_tfm.metrics import sum_of_squared_errors
    from napari_vit_tfm.physics.substrate import Substrate

    output.mkdir(parents=True, exist_ok=True)
    displacement, truth, traction = (
        output / f"{name}.h5" for name in ("displacement", "truth", "traction")
    )
    _write_example(displacement, truth)
    stack = read_displacement(displacement)
    run = timed_run(stack, Substrate(young=YOUNG_PA), config)
    write_traction(traction, run.traction)

    click.echo(f"displacements: {displacement} ({described(stack)})")
    click.echo(f"known tractions: {truth}")
    click.echo(f"reconstructed tractions: {traction} ({described(run.traction)})")
    run.report()
    known = read_traction(truth).data / YOUNG_PA
    found = run.traction.data / YOUNG_PA
    error = sum_of_squared_errors(found, known).mean()
    of_zero = sum_of_squared_errors(np.zeros_like(known), known).mean()
    click.echo(
        f"error against the known tractions: {error:.3g} "
        "(sum of squared errors of t/E, mean over frames); "
        f"predicting zero: {of_zero:.3g}"
    )


def _write_example(displacement: Path, truth: Path) -> None:
    from napari_vit_tfm.fields import TractionStack
    from napari_vit_tfm.io import write_arrays, write_traction
    from napari_vit_tfm.synthesis import disc_timelapse

    fields = disc_timelapse(n_frames=N_FRAMES, seed=SEED)
    width = (fields.displacement.shape[2] - 1) * SPACING_UM
    said = {
        "units": "um",
        "spacing_um": SPACING_UM,
        "young_pa": YOUNG_PA,
        "poisson": REFERENCE_POISSON,
    }
    write_arrays(
        displacement,
        {"displacement": fields.displacement * np.float32(width)},
        {"displacement": said},
    )
    write_traction(
        truth,
        TractionStack(
            fields.traction * np.float32(YOUNG_PA),
            unit="Pa",
            spacing=SPACING_UM,
            young=YOUNG_PA,
            poisson=REFERENCE_POISSON,
        ),
    )
