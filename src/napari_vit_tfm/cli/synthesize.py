"""``vit-tfm synthesize``: displacement fields with known tractions."""

from __future__ import annotations

from pathlib import Path

import click

from napari_vit_tfm.cli.options import output_file
from napari_vit_tfm.cli.outputs import Outputs, overwrite_option
from napari_vit_tfm.cli.parameters import count, number
from napari_vit_tfm.cli.reporting import echo
from napari_vit_tfm.config import FIELD_KINDS, MIN_SIDE
from napari_vit_tfm.constraints import Range
from napari_vit_tfm.gel import REFERENCE_GEL


@click.command("synthesize")
@click.option(
    "-n",
    "n_fields",
    type=count(),
    required=True,
    metavar="N",
    help="Number of fields.",
)
@click.option(
    "--seed",
    type=count(0),
    required=True,
    metavar="S",
    help="Random seed; the same seed gives the same fields.",
)
@click.option(
    "--kind",
    type=click.Choice(list(FIELD_KINDS)),
    default="discs",
    show_default=True,
    help="; ".join(f"{name}: {text}" for name, text in FIELD_KINDS.items()) + ".",
)
@click.option(
    "--grid",
    type=count(MIN_SIDE),
    nargs=2,
    default=(104, 104),
    show_default=True,
    metavar="ROWS COLUMNS",
    help="Number of rows and columns of vectors.",
)
@click.option(
    "--window",
    type=number(Range(maximum=8, excludes_minimum=False)),
    default=0.0,
    show_default=True,
    metavar="STEPS",
    help="Side of the interrogation window over which displacements are averaged, in "
    "grid steps. Must be 0 for discs.",
)
@output_file
@overwrite_option
def command(
    *,
    n_fields: int,
    seed: int,
    kind: str,
    grid: tuple[int, int],
    window: float,
    output: Path,
    overwrite: bool,
) -> None:
    """Generate displacement fields with known tractions.

    Writes `displacement` and `traction` of shape (N, ROWS, COLUMNS, 2), as fractions of
    the field width and of Young's modulus, and `segmentation` of shape (N, ROWS,
    COLUMNS), the numbers of adhesions or regions. No noise is added.
    """
    from napari_vit_tfm import __version__
    from napari_vit_tfm.io import check_output, gel_attributes, write_arrays
    from napari_vit_tfm.synthesis import KINDS, synthesise

    target = check_output(output, any_array=True)
    outputs = Outputs.of("synthesize", overwrite=overwrite)
    outputs.add(target)
    fields = synthesise(
        n_fields, seed=seed, shape=grid, distribution=KINDS[kind](), window=window
    )
    write_arrays(
        target,
        {
            "displacement": fields.displacement,
            "traction": fields.traction,
            "segmentation": fields.segmentation,
        },
        {
            "": {
                "kind": kind,
                "seed": seed,
                "window": window,
                "version": __version__,
                **outputs.maker.attributes(target.parent),
            },
            "displacement": {"units": "field"},
            "traction": {"units": "1", **gel_attributes(REFERENCE_GEL)},
        },
    )
    echo(f"fields: {target} ({n_fields} fields of {kind}, seed {seed})")
