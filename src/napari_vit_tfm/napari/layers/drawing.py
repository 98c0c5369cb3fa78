"""How a field is drawn: magnitude, arrows, outline.

A field is shown by two layers: its magnitude as an Image ``(T, H, W)`` and its
vectors as arrows.

The arrows are a Vectors layer of three dimensions, so that napari itself shows
those of the frame the slider stands on: in every viewer, in copies, and for
files that are merely dropped on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image
from napari.utils import Colormap

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import DisplacementStack, FloatArray, TractionStack
from napari_vit_tfm.napari.layers.axes import swap_components
from napari_vit_tfm.napari.layers.metadata import (
    PREFIX,
    Description,
    Stack,
    mark_over,
    new_id,
)
from napari_vit_tfm.napari.layers.placing import geometry
from napari_vit_tfm.napari.layers.registry import FieldArrays, hand_over

LayerData = tuple[npt.NDArray[Any], dict[str, Any], str]

# High enough for the eight numbers that some ranges get.
_COLORBAR_SIZE = (12.0, 120.0)

# Neither colour occurs in the colormap of the magnitude underneath, and short
# arrows fade, so that the long ones are seen first.
_DISPLACEMENT_ARROWS = Colormap(
    [[1, 1, 1, 0.35], [1, 1, 1, 1]], name="displacement arrows"
)
_TRACTION_ARROWS = Colormap(
    [[0.3, 0.9, 1, 0.2], [0.55, 1, 1, 1]], name="traction arrows"
)


@dataclass(frozen=True, eq=False)
class Arrows:
    """Arrows of a stack, each the mean of a small block of vectors.

    Parameters
    ----------
    data : array of shape (n, 2, 3)
        Start and projection in napari's order ``(frame, row, column)``, in
        frames and grid steps.
    magnitude : array of shape (n,)
        Lengths of the mean vectors, in the stack's unit.
    grid_steps_per_unit : float
        How long a vector of one unit is drawn.
    """

    data: FloatArray
    magnitude: FloatArray
    grid_steps_per_unit: float


def arrow_stride(stack: Stack, config: DisplayConfig) -> int:
    """Side of the blocks that get one arrow each, in vectors.

    The configured one, or more for a time-lapse so long that all its arrows
    would exceed the configured number.
    """
    vectors = stack.data.size / 2
    return max(config.arrow_stride, int(np.ceil(np.sqrt(vectors / config.max_arrows))))


def arrows(stack: Stack, config: DisplayConfig) -> Arrows:
    """Arrows to draw for a stack.

    Means over blocks, not every n-th vector: an adhesion smaller than a block
    has its arrow, too. One length factor serves all frames, so that arrows can
    be compared over time.
    """
    stride = arrow_stride(stack, config)
    means = _block_means(stack.data, stride)
    lengths = np.hypot(means[..., 0], means[..., 1]).ravel()
    longest = float(lengths.max())
    factor = config.longest_arrow * stride / longest if longest > 0 else 1.0
    height, width = stack.grid_shape
    start = np.meshgrid(
        np.arange(stack.n_frames),
        _block_centres(height, stride),
        _block_centres(width, stride),
        indexing="ij",
    )
    data = np.zeros((lengths.size, 2, 3), dtype=np.float32)
    data[:, 0] = np.stack(start, axis=-1).reshape(-1, 3)
    data[:, 1, 1:] = swap_components(means).reshape(-1, 2) * factor
    return Arrows(data, lengths, factor)


def _block_means(data: FloatArray, stride: int) -> FloatArray:
    """Mean vectors of blocks; those at the lower and right border are smaller."""
    means = data.astype(np.float64)
    for axis in (1, 2):
        starts = np.arange(0, data.shape[axis], stride)
        sizes = np.diff(starts, append=data.shape[axis])
        along_axis = [-1 if other == axis else 1 for other in range(4)]
        means = np.add.reduceat(means, starts, axis=axis) / sizes.reshape(along_axis)
    return means.astype(np.float32)


def _block_centres(n: int, stride: int) -> npt.NDArray[np.float64]:
    starts = np.arange(0, n, stride)
    centres: npt.NDArray[np.float64] = (starts + np.append(starts[1:], n) - 1) / 2
    return centres


def field_layers(
    stack: Stack,
    *,
    quantity: str | None = None,
    title: str = "",
    described: Mapping[str, Any] | None = None,
    config: DisplayConfig | None = None,
    **options: Any,
) -> list[LayerData]:
    """The two layers of a field, magnitude and arrows, as napari's layer tuples.

    The field itself is handed over to `registry`, for the layers that are made of
    these tuples.

    Parameters
    ----------
    stack : DisplacementStack or TractionStack
        The field.
    quantity : str, keyword-only, optional
        The field in words; "displacement" or "traction" after the stack's type.
    title : str, keyword-only
        What the field belongs to, the beginning of the layers' names; such as its
        file's name.
    described : mapping, keyword-only, optional
        Further attributes of the layers' `Description`.
    config : DisplayConfig, keyword-only, optional
        How fields are drawn.
    **options
        Options of both layers, over those of `geometry`.
    """
    config = config or DisplayConfig()
    shown = _description(stack, title=title, described=described or {})
    if quantity is not None:
        shown = dataclasses.replace(shown, quantity=quantity)
    shown_as_arrows = dataclasses.replace(shown, part="arrows")
    lengths, drawn = stack.magnitude(), arrows(stack, config)
    drift = stack.drift if isinstance(stack, TractionStack) else None
    arrays = FieldArrays(stack.data, stack.outline, drift, stack.metadata)
    hand_over(lengths, shown, arrays)
    hand_over(drawn.data, shown_as_arrows, arrays)
    is_displacement = shown.kind == "displacement"
    common = {
        **geometry(stack.spacing_um),
        "blending": "translucent_no_depth",
        "opacity": 1.0,
        **options,
    }
    image = {
        **common,
        "name": shown.layer_name,
        "metadata": shown.as_metadata(),
        "colormap": (
            config.displacement_colormap
            if is_displacement
            else config.magnitude_colormap
        ),
        "contrast_limits": _limits(lengths),
    }
    vectors = {
        **common,
        "name": shown_as_arrows.layer_name,
        "metadata": shown_as_arrows.as_metadata(),
        "features": {"magnitude": drawn.magnitude},
        "edge_color": "magnitude",
        "edge_colormap": _DISPLACEMENT_ARROWS if is_displacement else _TRACTION_ARROWS,
        "edge_contrast_limits": _limits(drawn.magnitude),
        "edge_width": 0.15 * arrow_stride(stack, config),
        "vector_style": "arrow",
    }
    return [(lengths, image, "image"), (drawn.data, vectors, "vectors")]


def _description(
    stack: Stack, *, title: str, described: Mapping[str, Any]
) -> Description:
    """Description of the magnitude layer of a field."""
    gel = dataclasses.asdict(stack.gel)
    if isinstance(stack, DisplacementStack):
        own: dict[str, Any] = {
            "kind": "displacement",
            "quantity": "displacement",
            "pixel_size_um": stack.pixel_size_um,
        }
    else:
        own = {
            "kind": "traction",
            "quantity": "traction",
            "model": stack.model,
            "model_sha256": stack.model_sha256,
        }
    return Description(
        part="magnitude",
        title=title,
        unit=stack.unit,
        **{"field_id": new_id(), **gel, **own, **described},
    )


def _limits(lengths: FloatArray) -> tuple[float, float]:
    return 0.0, float(lengths.max(where=np.isfinite(lengths), initial=0.0)) or 1.0


def with_outline(
    stack: Stack, shown: list[LayerData], **options: Any
) -> list[LayerData]:
    """Layer tuples of a field, with the cell's outline where it is known.

    Parameters
    ----------
    stack : DisplacementStack or TractionStack
        The field.
    shown : list of layer tuples
        The field's layers, from `field_layers`.
    **options
        Options of the outline's layer.
    """
    if stack.outline is None:
        return shown
    magnitude, vectors = shown
    field_id = magnitude[1]["metadata"][PREFIX + "field_id"]
    place = geometry(stack.spacing_um)
    outline = {
        "name": "cell outline",
        "metadata": mark_over(field_id, "outline"),
        "shape_type": "polygon",
        "face_color": "transparent",
        "edge_color": "#ffa94d",
        # As wide on the canvas whatever the field's size.
        "edge_width": 0.004 * max(stack.grid_shape),
        **{name: values[-2:] for name, values in place.items()},
        **options,
    }
    # The last layer becomes the active one, and shapes have uses of their own for
    # the inspector's keys.
    return [magnitude, (swap_components(stack.outline), outline, "shapes"), vectors]


def show_colorbar(image: Image) -> None:
    """Show what an image's colours mean.

    In a small window the bar lies over the field: it is small, and the field
    shines through around it.
    """
    bar = image.colorbar
    bar.size, bar.tick_length, bar.font_size = _COLORBAR_SIZE, 4, 8
    bar.color, bar.box_color = "white", (0, 0, 0, 0.4)
    bar.visible = True
