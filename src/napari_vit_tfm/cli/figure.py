"""``vit-tfm figure``: tractions as a figure or an animation."""

from __future__ import annotations

from pathlib import Path

import click

from napari_vit_tfm.cli.outputs import Outputs, overwrite_option
from napari_vit_tfm.cli.parameters import FILE, command_option, count
from napari_vit_tfm.cli.reporting import echo
from napari_vit_tfm.config import FigureConfig
from napari_vit_tfm.options import options_of

_FIGURE = options_of(FigureConfig)


@click.command("figure")
@click.argument("path", type=FILE, metavar="TRACTION")
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="FILE",
    help="File to write: .png or .svg for one frame; .gif or .mp4 for an animation of "
    "all frames. MP4 needs the package imageio-ffmpeg.",
)
@click.option(
    "--frame",
    type=count(0),
    metavar="N",
    help="Number of the frame, from 0. Default: the first.",
)
@command_option(_FIGURE["limit"])
@command_option(_FIGURE["frames_per_second"])
@command_option(_FIGURE["dpi"])
@overwrite_option
def command(
    *,
    path: Path,
    output: Path,
    frame: int | None,
    limit: float | None,
    frames_per_second: int,
    dpi: int,
    overwrite: bool,
) -> None:
    """Draw tractions: magnitude, arrows and scales.

    TRACTION is a file of tractions. The colour scale is the same for all frames.
    """
    from napari_vit_tfm.cli.reporting import note
    from napari_vit_tfm.io import read_traction
    from napari_vit_tfm.plotting.files import check_figure, write_traction_figure

    outputs = Outputs.of("figure", overwrite=overwrite, inputs=[path])
    outputs.add(output)
    check_figure(output, frame=frame)
    config = FigureConfig(limit=limit, frames_per_second=frames_per_second, dpi=dpi)
    traction = read_traction(path, on_notice=note)
    write_traction_figure(
        output,
        traction,
        frame=frame,
        config=config,
        signature=outputs.maker.signature(output.parent),
    )
    echo(f"figure: {output}")
