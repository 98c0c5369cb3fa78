"""The inspector's layers: the map, the patches, and the outlines of some of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.components import LayerList
from napari.layers import Image, Layer, Vectors
from napari.utils import Colormap
from napari.utils.colormaps import ensure_colormap

from napari_vit_tfm.attention.overlay import OverlayKind, Picture
from napari_vit_tfm.attention.patches import Patch, PatchGrid
from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.napari.layers.drawing import plane_geometry_of, show_colorbar

_LINES = "#ffffff"
_LINE_WIDTH = 0.003
"""Of the patches' borders, as a fraction of the field's longer side."""

_CHOSEN = (255, 77, 157)
_POINTED_AT = (255, 255, 255)
_OUTLINE_WIDTH = 0.005
_OUTLINE_PIXELS = 320
"""At most so many pixels along the field's longer side, and four a vector."""

# What is drawn lies where it lay, and a thumbnail takes longer than it is worth.
_PICTURE_ONLY = {"thumbnail": False, "highlight": False, "extent": False}


class AttentionLayers:
    """Layers over one layer of a field, where that layer lies.

    Made when the grid is known and hidden until they have something to show: a
    layer takes longer to make than to change.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers.
    base : Layer
        The field's layer.
    config : DisplayConfig, optional
        How maps are drawn.
    """

    def __init__(
        self, layers: LayerList, base: Layer, *, config: DisplayConfig | None = None
    ) -> None:
        self._layers = layers
        self._base = base
        self._config = config or DisplayConfig()
        self._grid: PatchGrid | None = None
        self._kind: OverlayKind | None = None
        self._map: Image | None = None
        self._lines: Vectors | None = None
        self._outlines: Image | None = None
        self._outlined: tuple[Patch | None, ...] = (None, None)
        self._is_ours_to_show = True
        self._aside: list[Layer] = []

    def __contains__(self, layer: Layer) -> bool:
        return layer in self._own()

    def _own(self) -> list[Layer]:
        layers = (self._map, self._lines, self._outlines)
        return [layer for layer in layers if layer is not None]

    @property
    def base(self) -> Layer:
        """The layer that they lie over."""
        return self._base

    def show_grid(self, grid: PatchGrid) -> None:
        """Draw the patches' borders.

        Parameters
        ----------
        grid : PatchGrid
            The patches.
        """
        if grid == self._grid:
            return
        self.remove()
        self._grid = grid
        self._map = self._image()
        self._map.visible = False
        self._lines = self._line_layer()
        self._outlines = self._outline_layer()
        # What the user has selected stays selected.
        selected = set(self._layers.selection)
        self._layers.extend(self._own())
        self._layers.selection = selected

    def show_map(self, picture: Picture, *, kind: OverlayKind, name: str) -> None:
        """Lay a map over the field.

        Parameters
        ----------
        picture : Picture
            The map, of the grid's field.
        kind : {"weights", "displacement"}, keyword-only
            What it shows: weights let the field shine through, weighted
            displacements stand alone.
        name : str, keyword-only
            What the layer is called.
        """
        image = self._map
        assert image is not None
        if kind != self._kind:
            self._kind = kind
            image.colormap = self._colormap(kind)
            image.opacity = self._config.attention_opacity if kind == "weights" else 1.0
        # In place: a layer that is given other data asks the viewer to measure
        # all layers anew.
        image.data[:] = picture.data
        if tuple(image.contrast_limits) != picture.limits:
            image.contrast_limits_range = picture.limits
            image.contrast_limits = picture.limits
        if image.name != name:
            image.name = name
        if self._is_ours_to_show:
            # From then on, what the user hides stays hidden.
            self._is_ours_to_show = False
            image.visible = True
            show_colorbar(image)
        if image.visible:
            image.refresh(**_PICTURE_ONLY)

    def blank_map(self) -> None:
        """Let the field be seen alone until the next map is known.

        A layer that is hidden and shown again has its colour bar's programs
        compiled anew, which takes longer than most maps do.
        """
        if self._map is not None:
            # Also where the user has hidden it: what comes back is not stale.
            self._map.data[:] = np.nan
            self._map.refresh(**_PICTURE_ONLY)

    def hide_map(self) -> None:
        """Show no map, nor its colours."""
        self.blank_map()
        if self._map is not None and self._map.visible:
            self._map.visible = False
            self._is_ours_to_show = True

    def set_aside(self) -> None:
        """Show nothing until `bring_back`."""
        self.blank_map()
        shown = [layer for layer in self._own() if layer.visible]
        self._aside += shown
        for layer in shown:
            layer.visible = False

    def bring_back(self) -> None:
        """Show what was set aside."""
        shown, self._aside = self._aside, []
        for layer in shown:
            layer.visible = True

    def outline(self, *, chosen: Patch | None, pointed_at: Patch | None) -> None:
        """Outline the chosen patch and the one under the mouse, where there are any.

        Parameters
        ----------
        chosen, pointed_at : tuple of int, keyword-only, optional
            Row and column; one that the grid does not have is no patch.
        """
        image, grid = self._outlines, self._grid
        if image is None or grid is None:
            return
        wanted = pointed_at, chosen
        outlined = tuple(one if one and grid.has(*one) else None for one in wanted)
        if outlined == self._outlined:
            return
        self._outlined = outlined
        image.data[:] = 0
        for patch, colour in zip(outlined, (_POINTED_AT, _CHOSEN), strict=True):
            if patch is not None:
                _draw_border(image.data, grid, patch, colour)
        image.refresh(**_PICTURE_ONLY)

    def move_to(self, base: Layer) -> None:
        """Lay them over another layer of the same field."""
        self._base = base
        self.follow()

    def follow(self) -> None:
        """Bring the layers to where the field's layer is now."""
        place = plane_geometry_of(self._base)
        for layer in self._own():
            if not np.array_equal(layer.affine.affine_matrix, place["affine"]):
                layer.affine = place["affine"]
            if layer.units != place["units"]:
                layer.units = place["units"]

    def remove(self) -> None:
        """Take the layers away, those that are still there."""
        for layer in self._own():
            if layer in self._layers:
                self._layers.remove(layer)
        self._map = self._lines = self._outlines = None
        self._grid = self._kind = None
        self._outlined = (None, None)
        self._is_ours_to_show, self._aside = True, []

    def _image(self) -> Image:
        assert self._grid is not None
        return Image(
            np.zeros(self._grid.field_shape, dtype=np.float32),
            name="attention",
            contrast_limits=(0, 1),
            blending="translucent_no_depth",
            interpolation2d="linear",
            **plane_geometry_of(self._base),
        )

    def _colormap(self, kind: OverlayKind) -> Colormap:
        if kind == "weights":
            return _fading(self._config.attention_colormap)
        return ensure_colormap(self._config.displacement_colormap)

    def _line_layer(self) -> Vectors:
        """Lines, equally wide on the canvas whatever the field's size."""
        assert self._grid is not None
        return Vectors(
            self._grid.lines(),
            name="patches",
            vector_style="line",
            edge_color=_LINES,
            edge_width=_LINE_WIDTH * max(self._grid.field_shape),
            opacity=0.4,
            blending="translucent_no_depth",
            **plane_geometry_of(self._base),
        )

    def _outline_layer(self) -> Image:
        """An image, since lines that move have their programs compiled anew."""
        assert self._grid is not None
        rows, columns = self._grid.field_shape
        finer = _outline_pixels_per_vector(self._grid)
        first = (1 / finer - 1) / 2
        return Image(
            np.zeros((rows * finer, columns * finer, 4), dtype=np.uint8),
            rgb=True,
            name="outlines",
            scale=(1 / finer, 1 / finer),
            translate=(first, first),
            blending="translucent_no_depth",
            interpolation2d="linear",
            **plane_geometry_of(self._base),
        )


def _fading(name: str) -> Colormap:
    """A colormap whose low end is transparent: the field shows through there."""
    levels = np.linspace(0, 1, 256)
    colors = ensure_colormap(name).map(levels)
    colors[:, 3] = np.sqrt(levels)
    return Colormap(colors, name=f"{name}, fading")


def _outline_pixels_per_vector(grid: PatchGrid) -> int:
    return min(_OUTLINE_PIXELS // max(grid.field_shape), 4)


def _draw_border(
    pixels: npt.NDArray[np.uint8],
    grid: PatchGrid,
    patch: Patch,
    colour: tuple[int, int, int],
) -> None:
    """Draw a patch's border, inside the patch, into an image of the field."""
    finer = _outline_pixels_per_vector(grid)
    left, top, right, bottom = (
        round((edge + 0.5) * finer) for edge in grid.bounds(*patch)
    )
    width = round(_OUTLINE_WIDTH * max(grid.field_shape) * finer)
    # Of a narrow patch, too, the inside is seen.
    width = max(min(width, (right - left) // 4, (bottom - top) // 4), 1)
    # What is transparent nearby is of the same colour, for a smooth edge.
    near = pixels[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
    near[near[..., 3] == 0] = (*colour, 0)
    inside = pixels[top:bottom, left:right]
    for side in (np.s_[:width], np.s_[-width:]):
        inside[side] = inside[:, side] = (*colour, 255)
