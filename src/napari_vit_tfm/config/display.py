"""How fields are shown and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from napari_vit_tfm.constraints import Count, Flag, Positive, Share, Text, check
from napari_vit_tfm.options import Number


@dataclass(frozen=True)
class FigureConfig:
    """How tractions are drawn.

    Parameters
    ----------
    limit : float, optional
        Magnitude at the end of the colour scale, in the unit of the tractions. None is
        the largest of all frames.
    frames_per_second : int
        Speed of an animation.
    dpi : int
        Resolution of pictures, in dots per inch.
    """

    limit: Annotated[
        float | None,
        Number(
            label="Limit",
            help="Traction at the end of the colour scale, in Pa, or as t/E if the "
            "tractions are t/E",
            otherwise="the largest of all frames",
        ),
    ] = None
    frames_per_second: Annotated[
        int,
        Number(
            label="Frames per second",
            help="Speed of an animation",
            minimum=1,
            maximum=60,
            excludes_minimum=False,
            is_whole=True,
            flag="fps",
        ),
    ] = 5
    dpi: Annotated[
        int,
        Number(
            label="Resolution",
            help="Resolution of pictures, in dots per inch",
            minimum=50,
            maximum=1200,
            excludes_minimum=False,
            is_whole=True,
        ),
    ] = 150

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class DisplayConfig:
    """Configuration of the display of fields.

    Parameters
    ----------
    arrow_stride : int
        Distance between drawn arrows, in vectors of the field, where it does not follow
        the zoom.
    arrow_distance_px : float
        Distance between neighbouring arrows on the canvas, in pixels, where it follows
        the zoom.
    longest_arrow : float
        Length of the longest arrow of a field, in strides.
    max_arrows : int
        Largest number of arrows of all frames, where all are drawn. More arrows slow
        the frame slider down.
    magnitude_colormap, displacement_colormap, attention_colormap : str
        Names of napari colormaps.
    attention_opacity : float
        Opacity of the attention overlay, 0 to 1.
    cpu_batch_size : int
        Frames per batch in the plugin on a CPU, unless the user sets it: small, so that
        progress is seen, and not slower than larger batches.
    update_last_result : bool
        Whether a run updates the layers of the field's last result, instead of
        making new ones.
    residual, uncertainty : bool
        As in `ReconstructionConfig`, for a run in the Traction dock: who looks at a
        picture should see how far it can be trusted.
    fade_uncertain : bool
        Whether tractions fade where they are below two standard deviations.
    """

    arrow_stride: Count = 3
    arrow_distance_px: Positive = 20.0
    longest_arrow: Positive = 3.5
    max_arrows: Count = 150_000
    magnitude_colormap: Text = "inferno"
    displacement_colormap: Text = "viridis"
    attention_colormap: Text = "GnBu_r"
    attention_opacity: Share = 0.75
    cpu_batch_size: Count = 1
    update_last_result: Flag = False
    residual: Flag = True
    uncertainty: Flag = True
    fade_uncertain: Flag = True

    def __post_init__(self) -> None:
        check(self)
