"""Figures and animations of tractions as files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vit_tfm import __version__
from napari_vit_tfm.config import FigureConfig
from napari_vit_tfm.errors import ConfigError, FieldFileError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.io.json_text import to_json
from napari_vit_tfm.io.replacing import check_place, replacing, write_bytes
from napari_vit_tfm.io.signature import sign_gif
from napari_vit_tfm.io.writing import traction_attributes
from napari_vit_tfm.plotting.traction import TractionPlot

if TYPE_CHECKING:
    from matplotlib.animation import AbstractMovieWriter

_CREATOR = f"napari-vit-tfm {__version__}"


def write_traction_figure(
    path: Path,
    traction: TractionStack,
    *,
    frame: int | None = None,
    config: FigureConfig | None = None,
    signature: str | None = None,
) -> None:
    """Write tractions as a figure or an animation, as the extension says.

    Parameters
    ----------
    path : Path
        The file, .png or .svg for one frame, .gif or .mp4 for all frames. An existing
        file is replaced. A figure has the attributes of the tractions, as in their
        files, as JSON in its description, and so has an MP4 in its comment.
    traction : TractionStack
        The tractions.
    frame : int, keyword-only, optional
        Number of the frame of a figure; None is the first.
    config : FigureConfig, keyword-only, optional
        Colour scale, resolution and speed.
    signature : str, keyword-only, optional
        Who made the file, see `napari_vit_tfm.io.Maker`.

    Raises
    ------
    ConfigError
        If a package for the format is missing, or an animation is to have one frame.
    FieldError
        If there is no such frame, or the limit is not positive.
    FieldFileError
        If the extension is unknown, or the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from napari_vit_tfm import TractionStack
    >>> from napari_vit_tfm.plotting.files import write_traction_figure
    >>> traction = TractionStack(np.ones((3, 16, 24, 2)), unit="Pa", spacing_um=0.8)
    >>> write_traction_figure(Path("traction.svg"), traction, frame=2)
    >>> Path("traction.svg").exists()
    True
    """
    path = check_figure(path, frame=frame)
    config = config or FigureConfig()
    plot = TractionPlot(traction, limit=config.limit)
    attributes = to_json(dict(traction_attributes(traction, path.parent)))
    said = _Said(attributes, signature)
    if path.suffix.lower() in ANIMATIONS:
        with replacing(path) as temporary:
            _write_frames(temporary, plot, traction.n_frames, config, said)
            if path.suffix.lower() == ".gif" and signature is not None:
                sign_gif(temporary, signature)
    else:
        plot.show(frame or 0)
        write_bytes(path, _figure(plot, path.suffix.lower(), config, said))


def check_figure(path: Path, *, frame: int | None = None) -> Path:
    """Return the path, or raise an error if no figure can be written there.

    Parameters and errors are those of `write_traction_figure`.
    """
    suffix = path.suffix.lower()
    if suffix not in (*FIGURES, *ANIMATIONS):
        raise FieldFileError(
            f"{path}: found the extension {path.suffix!r}, expected one of "
            f"{', '.join((*FIGURES, *ANIMATIONS))}"
        )
    check_place(path)
    if suffix in ANIMATIONS:
        if frame is not None:
            raise ConfigError(
                f"{path}: an animation has all frames; for frame {frame} write "
                f"{' or '.join(FIGURES)}"
            )
        package, told = _NEEDS[suffix]
        if find_spec(package) is None:
            raise ConfigError(f"{path}: {told}")
    return path


@dataclass(frozen=True)
class _Said:
    """What a file says about the tractions, and about who made it."""

    attributes: str
    signature: str | None


def _figure(
    plot: TractionPlot, suffix: str, config: FigureConfig, said: _Said
) -> bytes:
    """Content of a file with the figure."""
    creator = "Software" if suffix == ".png" else "Creator"
    content = BytesIO()
    plot.figure.savefig(
        content,
        format=suffix.removeprefix("."),
        dpi=config.dpi,
        metadata={
            creator: _CREATOR,
            "Description": said.attributes,
            "Source": said.signature,
        },
    )
    return content.getvalue()


def _write_frames(
    path: Path, plot: TractionPlot, n_frames: int, config: FigureConfig, said: _Said
) -> None:
    from matplotlib import rc_context

    writer, ffmpeg = ANIMATIONS[path.suffix.lower()](config, said)
    # Where things are must not depend on the number in the title.
    plot.figure.draw_without_rendering()
    plot.figure.set_layout_engine("none")
    first: BaseException | None = None
    try:
        with (
            rc_context({"animation.ffmpeg_path": ffmpeg}),
            writer.saving(plot.figure, str(path), config.dpi),
        ):
            try:
                for frame in range(n_frames):
                    plot.show(frame)
                    writer.grab_frame()
            except BaseException as error:
                first = error
                raise
    except Exception as error:
        # After Ctrl-C, ffmpeg has ended, too, and a GIF may have no frame: the errors
        # about it must not hide the first one.
        cause = first or error
        if isinstance(cause, subprocess.CalledProcessError | BrokenPipeError):
            raise OSError(0, "ffmpeg failed, perhaps since the disk is full") from cause
        raise cause from None


def _gif(config: FigureConfig, said: _Said) -> tuple[AbstractMovieWriter, str]:
    from matplotlib.animation import PillowWriter

    return PillowWriter(fps=config.frames_per_second), ""


def _mp4(config: FigureConfig, said: _Said) -> tuple[AbstractMovieWriter, str]:
    from matplotlib.animation import FFMpegWriter

    program = import_module("imageio_ffmpeg").get_ffmpeg_exe()
    writer = FFMpegWriter(
        fps=config.frames_per_second,
        codec="h264",
        metadata={
            "encoded_by": _CREATOR,
            "comment": said.attributes,
            "description": said.signature or "",
        },
    )
    return writer, program


FIGURES = (".png", ".svg")
"""Extensions of figures of one frame."""

ANIMATIONS: dict[
    str,
    Callable[[FigureConfig, _Said], tuple[AbstractMovieWriter, str]],
] = {".gif": _gif, ".mp4": _mp4}
"""Extensions of animations, with their writers and the path of ffmpeg."""

_NEEDS = {
    ".gif": ("PIL", "GIF files need the package Pillow: pip install Pillow"),
    ".mp4": (
        "imageio_ffmpeg",
        "MP4 files need the package imageio-ffmpeg: pip install imageio-ffmpeg, or "
        "write a .gif",
    ),
}
