"""``vit-tfm info``: contents of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from napari_vit_tfm.cli.options import FILE
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.units import DISPLACEMENT_UNITS

if TYPE_CHECKING:
    from napari_vit_tfm.io import FieldFile

MOST_ARRAYS = 12
"""Number of arrays that are listed."""


@click.command("info")
@click.argument("path", type=FILE, metavar="INPUT")
def command(*, path: Path) -> None:
    """Show the contents of INPUT, and how they are read."""
    from napari_vit_tfm.io import open_field_file

    with open_field_file(path) as file:
        _show(file)


def _show(file: FieldFile) -> None:
    from napari_vit_tfm.cli.reporting import model_in_words, note, stack_in_words
    from napari_vit_tfm.io import (
        read_displacement,
        read_traction,
        summarise,
    )

    summary = summarise(file)
    click.echo(f"{file.path}: {summary.format}")
    for entry in summary.arrays[:MOST_ARRAYS]:
        click.echo(f"  {entry}")
    if len(summary.arrays) > MOST_ARRAYS:
        click.echo(f"  and {len(summary.arrays) - MOST_ARRAYS} more arrays")
    if summary.traction is not None:
        try:
            traction = read_traction(file)
        except FieldFileError as error:
            # The displacements can be used even if the tractions cannot.
            if summary.displacement is None:
                raise
            click.echo(f"traction: {summary.traction}, not readable: {error}")
        else:
            click.echo(f"traction: {summary.traction}, {stack_in_words(traction)}")
            _show_lengths(traction)
            if traction.model:
                click.echo(f"  model: {model_in_words(traction)}")
    # For a file with neither, reading raises an error that lists its contents.
    if summary.displacement is not None or summary.traction is None:
        displacement = read_displacement(file, ignore_gel_errors=True, on_notice=note)
        in_words = stack_in_words(displacement)
        click.echo(f"displacement: {summary.displacement}, {in_words}")
        _show_lengths(displacement)
        if displacement.unit is None:
            click.echo(f"  to use it, add --units {'|'.join(DISPLACEMENT_UNITS)}")


def _show_lengths(stack: DisplacementStack | TractionStack) -> None:
    x, y = np.abs(stack.data).max(axis=(0, 1, 2))
    click.echo(f"  largest: {x:.4g} along x, {y:.4g} along y")
    if stack.spacing_um is not None:
        click.echo(f"  spacing: {stack.spacing_um:g} um")
    if isinstance(stack, DisplacementStack) and stack.pixel_size_um is not None:
        click.echo(f"  pixel size: {stack.pixel_size_um:g} um")
    if stack.outline is not None:
        click.echo(f"  outline: {len(stack.outline)} points")
