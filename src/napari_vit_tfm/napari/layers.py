"""Vector fields as napari layers, and layers as vector fields.

A field is shown by two layers: its magnitude as an Image ``(T, H, W)`` and its
vectors as arrows. This module is the one place where the fields' ``(x, y)``
becomes napari's ``(row, column)``.

The arrows are a Vectors layer of three dimensions, so that napari itself shows
those of the frame the slider stands on: in every viewer, in copies, and for
files that are merely dropped on it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer, Vectors
from napari.utils import Colormap

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import (
    UNIT_LABELS,
    DisplacementStack,
    FloatArray,
    TractionStack,
)

KEY = "napari_vit_tfm"
"""Where a layer's metadata keep its `FieldTag`."""

_OUTLINE_OF = "napari_vit_tfm_outline_of"

Stack = DisplacementStack | TractionStack
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
class FieldTag:
    """What a layer shows; kept in the layer's metadata.

    Parameters
    ----------
    stack : DisplacementStack or TractionStack
        The field itself, whole and in its own unit.
    part : {"magnitude", "arrows"}
        Which of the field's two layers this is.
    quantity : str
        The field in words, the beginning of the layer's name.
    source : str
        For computed tractions, the `field_id` of the displacements that they
        were computed from.
    field_id : str
        Names the field on all its layers, whatever is said about its unit
        later.
    grid_steps_per_unit : float
        Length of an arrow, in steps of the vector grid, per unit of the field;
        0 for magnitudes.
    """

    stack: Stack
    part: Literal["magnitude", "arrows"]
    quantity: str
    source: str = ""
    field_id: str = field(default_factory=lambda: uuid4().hex)
    grid_steps_per_unit: float = 0.0

    def __deepcopy__(self, memo: dict[int, Any]) -> FieldTag:
        """Itself: a duplicated layer shows the same field, not another."""
        return self

    @property
    def layer_name(self) -> str:
        """Name of the layer, such as ``traction magnitude (Pa)``."""
        return f"{self.quantity} {self.part} ({UNIT_LABELS[self.stack.unit]})"

    def has_named(self, layer: Layer) -> bool:
        """Whether a layer has this name and not one that the user gave.

        napari numbers layers that would be called the same: ``... (Pa) [1]``.
        """
        pattern = re.escape(self.layer_name) + r"( \[\d+\])?"
        return re.fullmatch(pattern, layer.name) is not None


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
    spacing = stack.spacing or 1.0
    unit = "um" if stack.spacing else "pixel"
    return {
        "scale": (1.0, spacing, spacing),
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
        "metadata": {_OUTLINE_OF: tag.field_id},
        "shape_type": "polygon",
        "face_color": "transparent",
        "edge_color": "#ffa94d",
        # As wide on the canvas whatever the field's size.
        "edge_width": 0.004 * max(stack.grid_shape),
        **{name: values[-2:] for name, values in place.items()},
    }
    # Here (x, y) becomes (row, column).
    return [(stack.outline[:, ::-1], options, "shapes")]


def field_tag(layer: Layer) -> FieldTag | None:
    """What a layer shows, or None for layers that show no field."""
    tag = layer.metadata.get(KEY)
    return tag if isinstance(tag, FieldTag) else None


def layer_stack(layer: Layer) -> Stack:
    """The field that a layer shows.

    Raises
    ------
    KeyError
        If it shows none.
    """
    return _tag(layer).stack


def _tag(layer: Layer) -> FieldTag:
    tag = field_tag(layer)
    if tag is None:
        raise KeyError(f"the layer {layer.name!r} shows no field")
    return tag


def show_same_field(one: Layer, other: Layer) -> bool:
    """Whether two layers, each of some field, are of one field."""
    return _tag(one).field_id == _tag(other).field_id


def displacement_stack(layer: Layer) -> DisplacementStack | None:
    """The displacements that a layer shows, or None."""
    tag = field_tag(layer)
    if tag is not None and isinstance(tag.stack, DisplacementStack):
        return tag.stack
    return None


def displacement_layers(layers: Iterable[Layer]) -> list[Layer]:
    """One layer for every displacement field, in the order of the layers."""
    found: dict[str, Layer] = {}
    for layer in layers:
        tag = field_tag(layer)
        if tag is not None and isinstance(tag.stack, DisplacementStack):
            found.setdefault(tag.field_id, layer)
    return list(found.values())


def describe(
    layers: Iterable[Layer], layer: Layer, **changes: Any
) -> DisplacementStack | None:
    """Say what a displacement field's numbers mean, on all layers that show it.

    With another spacing these layers, the outline and the tractions computed
    from the field get another scale, where theirs is not the user's own.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    layer : Layer
        One that shows the field.
    **changes
        `unit`, `spacing` and `pixel_size` of the new stack.

    Returns
    -------
    DisplacementStack or None
        The new stack, its vectors untouched; None if `layer` shows no
        displacements.
    """
    shown, old = field_tag(layer), displacement_stack(layer)
    if shown is None or old is None:
        return None
    new = dataclasses.replace(old, **changes)
    for other in layers:
        if new.spacing != old.spacing and _lies_with(other, shown.field_id):
            _replace(other, geometry(old), geometry(new))
        tag = field_tag(other)
        if tag is not None and tag.field_id == shown.field_id:
            _retag(other, dataclasses.replace(tag, stack=new))
    return new


def _lies_with(layer: Layer, field_id: str) -> bool:
    """Whether a layer is the field's, its outline or its computed tractions."""
    tag = field_tag(layer)
    if tag is None:
        return bool(layer.metadata.get(_OUTLINE_OF) == field_id)
    return field_id in (tag.field_id, tag.source)


def _replace(layer: Layer, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Give a layer its new place, unless its scale is one that the user gave."""
    if np.allclose(layer.scale, old["scale"][-layer.ndim :]):
        layer.scale = new["scale"][-layer.ndim :]
        layer.units = new["units"][-layer.ndim :]


def _retag(layer: Layer, tag: FieldTag) -> None:
    # A name that the user gave stays.
    if layer.metadata[KEY].has_named(layer):
        layer.name = tag.layer_name
    layer.metadata = {**layer.metadata, KEY: tag}


def tractions_of(
    layers: Iterable[Layer], source: Layer
) -> tuple[Image | None, Vectors | None]:
    """The layers of the tractions that were computed from a displacement layer."""
    image: Image | None = None
    vectors: Vectors | None = None
    field_id = _tag(source).field_id
    for layer in layers:
        tag = field_tag(layer)
        if tag is None or tag.source != field_id:
            continue
        if tag.part == "magnitude":
            image = layer
        else:
            vectors = layer
    return image, vectors


def layers_of_run(layers: Iterable[Layer], member: Layer) -> list[Layer]:
    """The layers of a displacement field and of the tractions computed from it.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    member : Layer
        One that shows the displacements or the tractions, there or removed.
    """
    tag = _tag(member)
    run = tag.source or tag.field_id
    tags = ((layer, field_tag(layer)) for layer in layers)
    return [layer for layer, one in tags if one and run in (one.field_id, one.source)]


def show_tractions(
    layers: MutableSequence[Layer],
    stack: TractionStack,
    source: Layer,
    *,
    config: DisplayConfig | None = None,
) -> tuple[Image, Vectors]:
    """Show tractions computed from a displacement layer, in place where they are.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    stack : TractionStack
        The tractions, on the grid of `source`.
    source : Layer
        The displacement layer; new layers lie where it lies.
    config : DisplayConfig, optional
        How fields are drawn.

    Returns
    -------
    Image, Vectors
        Magnitude and arrows; those there already, or new ones for what is
        missing.
    """
    new_image, new_vectors = field_layers(
        stack, source=_tag(source).field_id, config=config, **geometry_of(source)
    )
    image, vectors = tractions_of(layers, source)
    if image is None:
        image = Layer.create(*new_image)
        layers.insert(_above_field(layers, source), image)
        show_colorbar(image)
    else:
        _update_image(image, new_image)
    if vectors is None:
        vectors = Layer.create(*new_vectors)
        layers.insert(layers.index(image) + 1, vectors)
    else:
        _update_vectors(vectors, new_vectors)
    return image, vectors


def show_colorbar(image: Image) -> None:
    """Show what an image's colours mean.

    In a small window the bar lies over the field: it is small, and the field
    shines through around it.
    """
    bar = image.colorbar
    bar.size, bar.tick_length, bar.font_size = _COLORBAR_SIZE, 4, 8
    bar.color, bar.box_color = "white", (0, 0, 0, 0.4)
    bar.visible = True


def _above_field(layers: Sequence[Layer], source: Layer) -> int:
    """The place above all layers of a field, below what lies over it."""
    field_id = _tag(source).field_id
    tags = [field_tag(layer) for layer in layers]
    shown = [i for i, tag in enumerate(tags) if tag and tag.field_id == field_id]
    return shown[-1] + 1


def _update_image(image: Image, new: LayerData) -> None:
    data, options, _ = new
    _retag(image, options["metadata"][KEY])
    image.data = data
    image.contrast_limits_range = options["contrast_limits"]
    image.contrast_limits = options["contrast_limits"]


def _update_vectors(vectors: Vectors, new: LayerData) -> None:
    data, options, _ = new
    _retag(vectors, options["metadata"][KEY])
    vectors.data = data
    vectors.features = options["features"]
    vectors.edge_contrast_limits = options["edge_contrast_limits"]
    vectors.refresh_colors()
