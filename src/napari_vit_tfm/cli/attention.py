"""``vit-tfm attention``: what a patch attends to."""

from __future__ import annotations

import re
from pathlib import Path

import click
import numpy as np

from napari_vit_tfm.cli.options import (
    DisplacementSource,
    displacement_source,
    output_file,
    poisson_option,
    reconstruction_config,
    thickness_option,
)
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import FieldError


def _patch_position(
    ctx: click.Context, param: click.Parameter, value: str
) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not ROW,COL, such as 2,11", ctx, param)
    return int(match[1]), int(match[2])


@click.command("attention")
@displacement_source
@click.option(
    "--frame",
    type=click.IntRange(min=0),
    required=True,
    metavar="T",
    help="Frame, counted from 0.",
)
@click.option(
    "--patch",
    callback=_patch_position,
    required=True,
    metavar="ROW,COL",
    help="Patch, counted from 0,0 at the top left.",
)
@output_file
@poisson_option
@thickness_option
@reconstruction_config
def command(
    *,
    source: DisplacementSource,
    frame: int,
    patch: tuple[int, int],
    output: Path,
    poisson: float,
    thickness: float,
    config: ReconstructionConfig,
) -> None:
    """Follow what one patch of one frame attends to, block by block.

    Writes, as NPZ (.npz) or HDF5 (.h5), `rollout`, (blocks, rows, columns): the
    patch's attention rollout over the grid of patches; and `overlay`,
    (blocks, H, W): that map times the length of the displacements.
    """
    from napari_vit_tfm import __version__
    from napari_vit_tfm.cli.run import SHORT_SHA256, checked_output, note
    from napari_vit_tfm.inspection import frame_attention
    from napari_vit_tfm.io import write_arrays
    from napari_vit_tfm.physics.substrate import Substrate
    from napari_vit_tfm.reconstruct import load_method

    target = checked_output(output, source.path)
    substrate = Substrate(poisson=poisson, thickness=thickness)
    stack = source.read(on_layer=substrate.is_layer)
    method = load_method(config)
    attention = frame_attention(
        stack,
        frame,
        substrate=substrate,
        config=config,
        method=method,
        on_notice=note,
    )
    blocks = range(attention.n_blocks)
    try:
        rollout = np.stack([attention.map(block, *patch) for block in blocks])
    except IndexError as error:
        raise FieldError(f"{source.path}: {error}, counted from 0") from error
    overlay = np.stack(
        [attention.overlay(block, *patch, kind="displacement") for block in blocks]
    )
    of_file = {
        "frame": frame,
        "patch_row": patch[0],
        "patch_column": patch[1],
        "model": method.name,
        "model_sha256": method.sha256,
        "version": __version__,
    }
    write_arrays(
        target,
        {"rollout": rollout, "overlay": overlay},
        {"": of_file, "overlay": {"units": stack.unit}},
    )
    click.echo(
        f"attention: {target} (patch {patch[0]},{patch[1]} of "
        f"{attention.grid.rows} x {attention.grid.columns} in frame {frame}, "
        f"{len(rollout)} blocks)"
    )
    click.echo(f"model: {method.name}, sha256 {method.sha256[:SHORT_SHA256]}")
