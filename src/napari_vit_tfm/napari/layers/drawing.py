"""How a field is drawn: magnitude, arrows, outline, and where they lie.

A field is shown by two layers: its magnitude as an Image ``(T, H, W)`` and its
vectors as arrows. This module is the one place where the fields' ``(x, y)``
becomes napari's ``(row, column)``.

The arrows are a Vectors layer of three dimensions, so that napari itself shows
those of the frame the slider stands on: in every viewer, in copies, and for
files that are merely dropped on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer
from napari.utils import Colormap

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import DisplacementStack, FloatArray
from napari_vit_tfm.napari.layers.tags import (
    KEY,
    OUTLINE_OF,
    FieldTag,
    Stack,
    layer_stack,
)

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
    # Here (x, y) becomes (row, column).
    data[:, 1, 1:] = means[..., ::-1].reshape(-1, 2) * factor
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


def geometry(stack: Stack) -> dict[str, Any]:
    """Scale, units and axis labels of a field's layers.

    In micrometres where the spacing of the vectors is known, else in steps of
    the vector grid, which napari calls pixels.
    """
    step = stack.spacing_um or 1.0
    unit = "um" if stack.spacing_um else "pixel"
    return {
        "scale": (1.0, step, step),
        "units": ("pixel", unit, unit),
        "axis_labels": ("frame", "y", "x"),
    }


def geometry_of(layer: Layer) -> dict[str, Any]:
    """Where a layer lies, for other layers of the same grid to lie there, too."""
    names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    return {name: getattr(layer, name) for name in names}


def plane_geometry_of(layer: Layer) -> dict[str, Any]:
    """Where one frame of a field lies, for layers of rows and columns only."""
    points = np.vstack([np.zeros(layer.ndim), np.eye(layer.ndim)[-2:]])
    origin, row, column = (np.array(layer.data_to_world(p))[-2:] for p in points)
    affine = np.eye(3)
    affine[:2] = np.stack([row - origin, column - origin, origin], axis=1)
    return {
        "affine": affine,
        "units": layer.units[-2:],
        "axis_labels": layer.axis_labels[-2:],
    }


def frame_at(layer: Layer, point: Iterable[float]) -> int | None:
    """The frame of a field's layer that a viewer at a point in the world shows.

    None where the field has none: another one may be longer.
    """
    frame = round(float(layer.world_to_data(tuple(point))[-3]))
    return frame if 0 <= frame < layer_stack(layer).n_frames else None


def field_layers(
    stack: Stack,
    *,
    quantity: str | None = None,
    source: str = "",
    config: DisplayConfig | None = None,
    **options: Any,
) -> list[LayerData]:
    """The two layers of a field, magnitude and arrows, as napari's layer tuples.

    Parameters
    ----------
    stack : DisplacementStack or TractionStack
        The field.
    quantity : str, optional
        The field in words; "displacement" or "traction" after the stack's type.
    source : str
        For computed tractions, the `FieldTag.field_id` of the displacements.
    config : DisplayConfig, optional
        How fields are drawn.
    **options
        Options of both layers, over those of `geometry`.
    """
    config = config or DisplayConfig()
    displacement = isinstance(stack, DisplacementStack)
    tag = FieldTag(
        stack,
        part="magnitude",
        quantity=quantity or ("displacement" if displacement else "traction"),
        source=source,
    )
    lengths, drawn = stack.magnitude(), arrows(stack, config)
    drawn_tag = _arrows_tag(tag, drawn)
    common = {
        **geometry(stack),
        "blending": "translucent_no_depth",
        "opacity": 1.0,
        **options,
    }
    image = {
        **common,
        "name": tag.layer_name,
        "metadata": {KEY: tag},
        "colormap": (
            config.displacement_colormap if displacement else config.magnitude_colormap
        ),
        "contrast_limits": _limits(lengths),
    }
    vectors = {
        **common,
        "name": drawn_tag.layer_name,
        "metadata": {KEY: drawn_tag},
        "features": {"magnitude": drawn.magnitude},
        "edge_color": "magnitude",
        "edge_colormap": _DISPLACEMENT_ARROWS if displacement else _TRACTION_ARROWS,
        "edge_contrast_limits": _limits(drawn.magnitude),
        "edge_width": 0.15 * arrow_stride(stack, config),
        "vector_style": "arrow",
    }
    return [(lengths, image, "image"), (drawn.data, vectors, "vectors")]


def _arrows_tag(tag: FieldTag, drawn: Arrows) -> FieldTag:
    return dataclasses.replace(
        tag, part="arrows", grid_steps_per_unit=drawn.grid_steps_per_unit
    )


def _limits(lengths: FloatArray) -> tuple[float, float]:
    return 0.0, float(lengths.max(where=np.isfinite(lengths), initial=0.0)) or 1.0


def outline_layer(shown: Sequence[LayerData]) -> list[LayerData]:
    """The cell's outline as a layer tuple; none where it is not known.

    Parameters
    ----------
    shown : sequence of layer tuples
        The field's layers, from `field_layers`.
    """
    tag: FieldTag = shown[0][1]["metadata"][KEY]
    stack = tag.stack
    if stack.outline is None:
        return []
    place = geometry(stack)
    options = {
        "name": "cell outline",
        "metadata": {OUTLINE_OF: tag.field_id},
        "shape_type": "polygon",
        "face_color": "transparent",
        "edge_color": "#ffa94d",
        # As wide on the canvas whatever the field's size.
        "edge_width": 0.004 * max(stack.grid_shape),
        **{name: values[-2:] for name, values in place.items()},
    }
    # Here (x, y) becomes (row, column).
    return [(stack.outline[:, ::-1], options, "shapes")]


def show_colorbar(image: Image) -> None:
    """Show what an image's colours mean.

    In a small window the bar lies over the field: it is small, and the field
    shines through around it.
    """
    bar = image.colorbar
    bar.size, bar.tick_length, bar.font_size = _COLORBAR_SIZE, 4, 8
    bar.color, bar.box_color = "white", (0, 0, 0, 0.4)
    bar.visible = True
