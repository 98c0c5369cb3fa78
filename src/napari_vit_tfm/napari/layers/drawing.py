"""Conversion of a field to layers: magnitude, arrows and outline.

A field is shown in two layers: its magnitude as an Image ``(T, H, W)``, and its vectors
as arrows. The arrows are a Vectors layer with three dimensions, so that napari shows
those of the current frame, without code of the plugin.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer, Vectors
from napari.utils import Colormap

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import (
    DISPLACEMENT_COMPANIONS,
    Companions,
    DisplacementStack,
    FloatArray,
    TractionStack,
)
from napari_vit_tfm.napari.layers.axes import swap_components
from napari_vit_tfm.napari.layers.metadata import (
    PREFIX,
    Description,
    Stack,
    new_id,
    overlay_metadata,
)
from napari_vit_tfm.napari.layers.placing import geometry, without_frames
from napari_vit_tfm.napari.layers.registry import (
    FieldArrays,
    grid_of_bins,
    register_drawn,
    register_new_data,
)
from napari_vit_tfm.trust.certainty import deviation_of_magnitude
from napari_vit_tfm.units import consistent_lengths

LayerData = tuple[npt.NDArray[Any], dict[str, Any], str]

# Width and height; high enough for the eight tick labels of some ranges.
_COLORBAR_SIZE = (12.0, 120.0)

# Colours that are not in the colormap of the magnitude below. Short arrows are more
# transparent, so that long ones stand out.
_DISPLACEMENT_ARROWS = Colormap(
    [[1, 1, 1, 0.35], [1, 1, 1, 1]], name="displacement arrows"
)
_TRACTION_ARROWS = Colormap(
    [[0.3, 0.9, 1, 0.2], [0.55, 1, 1, 1]], name="traction arrows"
)


@dataclass(frozen=True, eq=False)
class Arrows:
    """Arrows of a stack; each is the mean of a block of vectors.

    Parameters
    ----------
    data : array of shape (n, 2, 3)
        Start and projection ``(frame, row, column)``, as in napari, in frames and
        grid steps.
    vectors : array of shape (n, 2)
        The mean vectors, components ``(x, y)``, in the unit of the stack.
    grid_steps_per_unit : float
        Length of the arrow of a vector of one unit.
    halfwidths : mapping of str to array of shape (n, 2)
        Mean half-widths of the intervals of tractions, by name. Errors of neighbouring
        vectors are similar, so they are not smaller for a mean.
    """

    data: FloatArray
    vectors: FloatArray
    grid_steps_per_unit: float
    halfwidths: Companions

    @property
    def magnitude(self) -> FloatArray:
        """Lengths of the mean vectors, ``(n,)``, in the unit of the stack."""
        return np.hypot(self.vectors[:, 0], self.vectors[:, 1])

    @property
    def features(self) -> dict[str, FloatArray]:
        """Magnitude of every arrow, and its standard deviation if it is known."""
        features = {"magnitude": self.magnitude}
        if "halfwidth_68" in self.halfwidths:
            features["standard deviation"] = deviation_of_magnitude(
                self.vectors, self.halfwidths["halfwidth_68"]
            )
        return features


def arrow_stride(stack: Stack, config: DisplayConfig) -> int:
    """Side of the blocks with one arrow each, in vectors.

    It is the configured stride, or larger if a long time-lapse would otherwise have
    more arrows than the configured maximum.
    """
    vectors = stack.data.size / 2
    return max(config.arrow_stride, int(np.ceil(np.sqrt(vectors / config.max_arrows))))


def arrows(stack: Stack, config: DisplayConfig) -> Arrows:
    """Compute the arrows of a stack.

    Arrows are means over blocks and not every n-th vector, so that adhesions smaller
    than a block also have an arrow. A block without a finite vector has none. All
    frames have the same length factor, so that arrows can be compared over time.
    """
    stride = arrow_stride(stack, config)
    means = _block_means(stack.data, stride).reshape(-1, 2)
    lengths = np.hypot(means[:, 0], means[:, 1])
    drawn = np.isfinite(lengths)
    longest = float(lengths.max(where=drawn, initial=0.0))
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
    data[:, 1, 1:] = swap_components(means) * factor
    companions = stack.companions if isinstance(stack, TractionStack) else {}
    halfwidths = {
        name: _block_means(vectors, stride).reshape(-1, 2)[drawn]
        for name, vectors in companions.items()
        if name not in DISPLACEMENT_COMPANIONS
    }
    return Arrows(data[drawn], means[drawn], factor, halfwidths)


def _block_means(data: FloatArray, stride: int) -> FloatArray:
    """Means of the finite vectors of blocks; NaN for blocks without any.

    Blocks at the lower and right border may be smaller.
    """
    finite = np.isfinite(data).all(axis=-1, keepdims=True)
    sums, counts = np.where(finite, data, 0).astype(np.float64), finite.astype(float)
    for axis in (1, 2):
        starts = np.arange(0, data.shape[axis], stride)
        sums = np.add.reduceat(sums, starts, axis=axis)
        counts = np.add.reduceat(counts, starts, axis=axis)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return means.astype(np.float32)


def _block_centres(n: int, stride: int) -> npt.NDArray[np.float64]:
    starts = np.arange(0, n, stride)
    centres: npt.NDArray[np.float64] = (starts + np.append(starts[1:], n) - 1) / 2
    return centres


def field_layers(
    stack: Stack,
    *,
    has_frames: bool = True,
    quantity: str | None = None,
    title: str = "",
    attributes: Mapping[str, Any] | None = None,
    bin_size: int = 1,
    config: DisplayConfig | None = None,
    **options: Any,
) -> list[LayerData]:
    """Layer tuples of a field: magnitude and arrows.

    The vectors are added to the registry, for the layers that are created from the
    tuples.

    Parameters
    ----------
    stack : DisplacementStack or TractionStack
        The field.
    has_frames : bool, keyword-only
        Whether the layers have an axis of frames. napari shows layers without it,
        which only a field of one frame can have, at every frame of other layers.
    quantity : str, keyword-only, optional
        Name of the quantity; by default "displacement" or "traction".
    title : str, keyword-only
        Title of the field, such as the name of its file. The layers' names begin with
        it.
    attributes : mapping, keyword-only, optional
        Further attributes of the layers' `Description`.
    bin_size : int, keyword-only
        Side of the squares of vectors whose means the tractions were computed from.
    config : DisplayConfig, keyword-only, optional
        Colours and arrows.
    **options
        Further options of both layers, which override those of `geometry`. Transforms
        have three axes.
    """
    config = config or DisplayConfig()
    of_magnitude = _description(stack, title=title, attributes=attributes or {})
    if quantity is not None:
        of_magnitude = dataclasses.replace(of_magnitude, quantity=quantity)
    of_arrows = dataclasses.replace(of_magnitude, part="arrows")
    lengths, drawn = stack.magnitude(), arrows(stack, config)
    arrow_data, grid = drawn.data, grid_of_bins(bin_size, has_frames=has_frames)
    arrays = FieldArrays(stack.data, stack.outline, metadata=stack.metadata)
    if isinstance(stack, TractionStack):
        arrays.drift, arrays.records = stack.drift, stack.records
        arrays.companions = stack.companions
        arrays.displacement_unit = stack.displacement_unit
    place = {**geometry(stack.spacing_um), **options}
    if not has_frames:
        (lengths,) = lengths
        arrow_data = np.ascontiguousarray(arrow_data[..., 1:])
        place = without_frames(place)
    register_drawn(lengths, of_magnitude, arrays, grid)
    register_drawn(arrow_data, of_arrows, arrays, grid)
    is_displacement = of_magnitude.kind == "displacement"
    common = {"blending": "translucent_no_depth", "opacity": 1.0, **place}
    image = {
        **common,
        "name": of_magnitude.layer_name,
        "metadata": of_magnitude.as_metadata(),
        "colormap": (
            config.displacement_colormap
            if is_displacement
            else config.magnitude_colormap
        ),
        "contrast_limits": _limits(lengths),
    }
    vectors = {
        **common,
        "name": of_arrows.layer_name,
        "metadata": of_arrows.as_metadata(),
        "features": drawn.features,
        "edge_color": "magnitude",
        "edge_colormap": _DISPLACEMENT_ARROWS if is_displacement else _TRACTION_ARROWS,
        "edge_contrast_limits": _limits(drawn.magnitude),
        "edge_width": 0.15 * arrow_stride(stack, config),
        "vector_style": "arrow",
    }
    return [(lengths, image, "image"), (arrow_data, vectors, "vectors")]


def _description(
    stack: Stack, *, title: str, attributes: Mapping[str, Any]
) -> Description:
    """Description of the magnitude layer of a field."""
    gel = dataclasses.asdict(stack.gel)
    if isinstance(stack, DisplacementStack):
        own: dict[str, Any] = {
            "kind": "displacement",
            "quantity": "displacement",
            "pixel_size_um": _known_pixel_size(stack),
            "spacing_in_unit": stack.spacing_in_unit,
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
        **{"field_id": new_id(), **gel, **own, **attributes},
    )


def _known_pixel_size(stack: DisplacementStack) -> float | None:
    """The pixel size, unless it follows from the spacing, which may change."""
    _, implied = consistent_lengths(
        stack.unit, stack.spacing_in_unit, stack.spacing_um, None
    )
    return None if implied == stack.pixel_size_um else stack.pixel_size_um


def _limits(lengths: FloatArray) -> tuple[float, float]:
    return 0.0, float(lengths.max(where=np.isfinite(lengths), initial=0.0)) or 1.0


def with_outline(
    stack: Stack, layers: list[LayerData], **options: Any
) -> list[LayerData]:
    """Layer tuples of a field, with the cell outline if it is known.

    Parameters
    ----------
    stack : DisplacementStack or TractionStack
        The field.
    layers : list of layer tuples
        Magnitude and arrows, from `field_layers`.
    **options
        Further options of the outline's layer.
    """
    if stack.outline is None:
        return layers
    magnitude, vectors = layers
    field_id = magnitude[1]["metadata"][PREFIX + "field_id"]
    place = geometry(stack.spacing_um)
    outline = {
        "name": "cell outline",
        "metadata": overlay_metadata(field_id, "outline"),
        "shape_type": "polygon",
        "face_color": "transparent",
        "edge_color": "#ffa94d",
        # The width on the canvas does not depend on the size of the field.
        "edge_width": 0.004 * max(stack.grid_shape),
        **{name: values[-2:] for name, values in place.items()},
        **options,
    }
    # The last layer becomes active. It must not be the Shapes layer, which itself uses
    # the keys of the inspector.
    return [magnitude, (swap_components(stack.outline), outline, "shapes"), vectors]


def redraw(layer: Layer, new: LayerData) -> None:
    """Replace what a layer shows by a layer tuple of `field_layers`.

    Its style and its place are kept.

    Parameters
    ----------
    layer : Image or Vectors
        The layer.
    new : layer tuple
        The new magnitude or arrows.
    """
    data, options, _ = new
    layer.data = data
    register_new_data(layer)
    if isinstance(layer, Vectors):
        layer.features = options["features"]
        layer.refresh_colors()
        # The new colours are not drawn otherwise.
        layer.refresh()


def show_colorbar(image: Image, *, corner: str = "top_right") -> None:
    """Show the colour bar of an image, and its name with quantity and unit beside it.

    napari's colour bars have no label, but its layers can show their names. In a small
    window, both cover a part of the field, so they are small and transparent.

    Parameters
    ----------
    image : Image
        The image.
    corner : str, keyword-only
        Corner of the canvas.
    """
    bar, name = image.colorbar, image.name_overlay
    bar.size, bar.tick_length = _COLORBAR_SIZE, 4
    for overlay in (bar, name):
        overlay.font_size = 8
        overlay.color, overlay.box_color = "white", (0, 0, 0, 0.4)
        overlay.position = corner
        overlay.visible = True


def hide_colorbar(image: Image) -> None:
    """Hide the colour bar of an image, and the name beside it."""
    image.colorbar.visible = image.name_overlay.visible = False
