"""The inspector's layers: the map, the grid of patches, and the patch outlines."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import LayerList
from napari.layers import Image, Layer, Vectors
from napari.utils import Colormap
from napari.utils.colormaps import ensure_colormap

from napari_vit_tfm.attention.overlay import OverlayKind, Picture
from napari_vit_tfm.attention.patches import Patch, PatchGrid
from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.napari.attention.shown import NOTHING, Shown
from napari_vit_tfm.napari.layers.drawing import show_colorbar
from napari_vit_tfm.napari.layers.following import keeps_selection
from napari_vit_tfm.napari.layers.placing import plane_geometry_of

_LINES = "#ffffff"
_LINE_WIDTH = 0.003
"""Width of the patches' borders, as a fraction of the field's longer side."""

_CHOSEN = (255, 77, 157)
_HOVERED = (255, 255, 255)
_OUTLINE_WIDTH = 0.005
_OUTLINE_PIXELS = 320
"""Maximum number of pixels along the field's longer side; at most four a vector."""


class AttentionLayers:
    """Layers drawn over a layer of a field, with the same transform.

    The layers are created once per grid and hidden while they have nothing to
    show, since creating a layer takes longer than changing it.

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
        self._bin_size = 1
        self._kind: OverlayKind | None = None
        self._map: Image | None = None
        self._lines: Vectors | None = None
        self._outlines: Image | None = None
        self._outlined: tuple[Patch | None, ...] = (None, None)
        self._shown = NOTHING
        self._show_next_map = True
        self._hidden_layers: list[Layer] = []

    def __contains__(self, layer: Layer) -> bool:
        return layer in self._all_layers()

    def _all_layers(self) -> list[Layer]:
        layers = (self._map, self._lines, self._outlines)
        return [layer for layer in layers if layer is not None]

    @property
    def base(self) -> Layer:
        """The layer of the field below these layers."""
        return self._base

    def show(self, shown: Shown) -> None:
        """Update what differs from what is shown now.

        Parameters
        ----------
        shown : Shown
            What is shown; a field is inspected.
        """
        before, self._shown = self._shown, shown
        if not shown.is_drawn:
            if before.is_drawn:
                self._hide_all()
            return
        if not before.is_drawn:
            self._show_all()
        if shown.frame is not None:
            n = shown.frame.preparation.bin_size
            self.show_grid(shown.frame.grid, bin_size=n)
        self.outline(chosen=shown.patch, hovered=shown.hovered)
        stays = shown.frame is before.frame and shown.picture is before.picture
        if before.is_drawn and stays:
            return
        if shown.frame is None:
            self._blank_map()
        elif shown.picture is None:
            self._hide_map()
        else:
            self._show_map(shown.picture, shown.view.kind)

    def show_grid(self, grid: PatchGrid, *, bin_size: int = 1) -> None:
        """Draw the borders of the patches.

        Parameters
        ----------
        grid : PatchGrid
            The patches.
        bin_size : int, keyword-only
            Vectors of the field along a side of one node of the grid.
        """
        if (grid, bin_size) == (self._grid, self._bin_size):
            return
        self.remove()
        self._grid, self._bin_size = grid, bin_size
        self._map = self._create_map()
        self._map.visible = False
        self._lines = self._create_lines()
        self._outlines = self._create_outlines()
        with keeps_selection(self._layers):
            self._layers.extend(self._all_layers())

    def _show_map(self, picture: Picture, kind: OverlayKind) -> None:
        """Show a map over the field.

        Weights darken the field where they are low; weighted displacements are
        opaque.
        """
        image = self._map
        assert image is not None
        if kind != self._kind:
            self._kind = kind
            image.colormap = self._colormap(kind)
            image.opacity = self._config.attention_opacity if kind == "weights" else 1.0
        # In place: new data would make the viewer compute the extent of all layers.
        image.data[:] = picture.data
        if tuple(image.contrast_limits) != picture.limits:
            image.contrast_limits_range = picture.limits
            image.contrast_limits = picture.limits
        name = f"map ({picture.title})"
        if image.name != name:
            image.name = name
        if self._show_next_map:
            # Only once, so that the user can hide the map.
            self._show_next_map = False
            image.visible = True
            show_colorbar(image, corner="bottom_right")
        _draw_again(image)

    def _blank_map(self) -> None:
        """Make the map transparent until the next map is available.

        Hiding and showing the layer instead would recompile the shaders of its
        colour bar, which takes longer than computing most maps.
        """
        if self._map is not None:
            # Also if the user has hidden the map, so that no old map reappears.
            self._map.data[:] = np.nan
            _draw_again(self._map)

    def _hide_map(self) -> None:
        """Hide the map and its colour bar."""
        self._blank_map()
        if self._map is not None and self._map.visible:
            self._map.visible = False
            self._show_next_map = True

    def _hide_all(self) -> None:
        """Hide all layers until `_show_all`."""
        self._blank_map()
        shown = [layer for layer in self._all_layers() if layer.visible]
        self._hidden_layers += shown
        for layer in shown:
            layer.visible = False

    def _show_all(self) -> None:
        """Show the layers that `_hide_all` has hidden."""
        shown, self._hidden_layers = self._hidden_layers, []
        for layer in shown:
            layer.visible = True

    def outline(self, *, chosen: Patch | None, hovered: Patch | None) -> None:
        """Outline the chosen patch and the patch under the mouse.

        Parameters
        ----------
        chosen, hovered : tuple of int, keyword-only, optional
            Row and column; None, or a patch outside the grid, is not outlined.
        """
        image, grid = self._outlines, self._grid
        if image is None or grid is None:
            return
        wanted = hovered, chosen
        outlined = tuple(
            patch if patch and grid.has(*patch) else None for patch in wanted
        )
        if outlined == self._outlined:
            return
        self._outlined = outlined
        image.data[:] = 0
        for patch, colour in zip(outlined, (_HOVERED, _CHOSEN), strict=True):
            if patch is not None:
                _draw_border(image.data, grid, patch, colour)
        _draw_again(image)

    def move_to(self, base: Layer) -> None:
        """Move the layers over another layer of the same field."""
        self._base = base
        self.follow()

    def follow(self) -> None:
        """Apply the transform and units of the field's layer."""
        layers = self._all_layers()
        if not layers:
            # The field may not have been read yet, so that its axes are not known.
            return
        geometry = self._geometry()
        for layer in layers:
            if not np.array_equal(layer.affine.affine_matrix, geometry["affine"]):
                layer.affine = geometry["affine"]
            if layer.units != geometry["units"]:
                layer.units = geometry["units"]

    def remove(self) -> None:
        """Remove the layers that are still in the viewer."""
        removed = self._all_layers()
        # First, since the removal of these layers by the user ends the inspection.
        self._map = self._lines = self._outlines = None
        for layer in removed:
            if layer in self._layers:
                self._layers.remove(layer)
        self._grid = self._kind = None
        self._outlined = (None, None)
        self._show_next_map, self._hidden_layers = True, []

    def _geometry(self) -> dict[str, Any]:
        return plane_geometry_of(self._base, self._bin_size)

    def _create_map(self) -> Image:
        assert self._grid is not None
        return Image(
            np.zeros(self._grid.field_shape, dtype=np.float32),
            name="attention",
            contrast_limits=(0, 1),
            blending="translucent_no_depth",
            interpolation2d="linear",
            **self._geometry(),
        )

    def _colormap(self, kind: OverlayKind) -> Colormap:
        if kind == "weights":
            return _fading_colormap(self._config.attention_colormap)
        return ensure_colormap(self._config.displacement_colormap)

    def _create_lines(self) -> Vectors:
        """Lines whose width on the canvas does not depend on the field's size."""
        assert self._grid is not None
        return Vectors(
            self._grid.lines(),
            name="patches",
            vector_style="line",
            edge_color=_LINES,
            edge_width=_LINE_WIDTH * max(self._grid.field_shape),
            opacity=0.4,
            blending="translucent_no_depth",
            **self._geometry(),
        )

    def _create_outlines(self) -> Image:
        """An image, since changing a line layer recompiles its shaders."""
        assert self._grid is not None
        rows, columns = self._grid.field_shape
        resolution = _outline_pixels_per_vector(self._grid)
        first = (1 / resolution - 1) / 2
        return Image(
            np.zeros((rows * resolution, columns * resolution, 4), dtype=np.uint8),
            rgb=True,
            name="outlines",
            scale=(1 / resolution, 1 / resolution),
            translate=(first, first),
            blending="translucent_no_depth",
            interpolation2d="linear",
            **self._geometry(),
        )


def _draw_again(layer: Image) -> None:
    """Draw a layer whose pixels have been changed in place.

    The slice that napari draws is a view of the data, so only the event that draws it
    is needed. `Layer.refresh` would make the same slice again first.
    """
    if layer.visible:
        layer.events.set_data()


def _fading_colormap(name: str) -> Colormap:
    """A colormap whose low end is black and half transparent.

    Over the field, it darkens what has little weight, so that the map is readable on
    all colours of the field.
    """
    levels = np.linspace(0, 1, 256)
    colors = ensure_colormap(name).map(levels)
    colors[:, :3] *= levels[:, None] ** 0.35
    colors[:, 3] = (1 + np.sqrt(levels)) / 2
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
    resolution = _outline_pixels_per_vector(grid)
    left, top, right, bottom = (
        round((edge + 0.5) * resolution) for edge in grid.bounds(*patch)
    )
    width = round(_OUTLINE_WIDTH * max(grid.field_shape) * resolution)
    # Leave the inside of narrow patches visible.
    width = max(min(width, (right - left) // 4, (bottom - top) // 4), 1)
    # Transparent pixels nearby get the same colour, for smooth interpolation.
    near = pixels[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
    near[near[..., 3] == 0] = (*colour, 0)
    inside = pixels[top:bottom, left:right]
    for side in (np.s_[:width], np.s_[-width:]):
        inside[side] = inside[:, side] = (*colour, 255)
