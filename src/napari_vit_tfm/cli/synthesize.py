"""``vit-tfm synthesize``: displacement fields with known tractions."""

from __future__ import annotations

from pathlib import Path

import click

from napari_vit_tfm.cli.options import output_file
from napari_vit_tfm.config import FIELD_KINDS, REFERENCE_POISSON


@click.command("synthesize")
@click.option(
    "-n",
    "n_fields",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="Number of fields.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    required=True,
    metavar="S",
    help="Seed of the random numbers; the same seed gives the same fields.",
)
@click.option(
    "--kind",
    type=click.Choice(FIELD_KINDS),
    default=FIELD_KINDS[0],
    show_default=True,
    help="Discs, the original work's fields; elongated adhesions anywhere, pulled "
    "along their long axis; or contractile cells with many small adhesions and "
    "balanced forces.",
)
@output_file
def command(*, n_fields: int, seed: int, kind: str, output: Path) -> None:
    """Make displacement fields whose tractions are known.

    Writes `displacement` and `traction`, (N, 104, 104, 2), in fractions of the
    field's width and of Young's modulus, and `segmentation`, (N, 104, 104),
    the patches' numbers. They are clean: no noise is added.
    """
    from napari_vit_tfm import __version__
    from napari_vit_tfm.io import check_output, write_arrays
    from napari_vit_tfm.synthesis import KINDS, synthesise

    target = check_output(output)
    fields = synthesise(n_fields, seed=seed, distribution=KINDS[kind]())
    write_arrays(
        target,
        {
            "displacement": fields.displacement,
            "traction": fields.traction,
            "segmentation": fields.segmentation,
        },
        {
            "": {"kind": kind, "seed": seed, "version": __version__},
            "displacement": {"units": "field"},
            "traction": {"units": "1", "poisson": REFERENCE_POISSON},
        },
    )
    click.echo(f"fields: {target} ({n_fields} fields of {kind}, seed {seed})")
