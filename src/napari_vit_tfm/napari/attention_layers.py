"""The layers of the attention dock: map, patch grid and the chosen patch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.components import LayerList
from napari.layers import Image, Layer, Vectors
from napari.utils import Colormap
from napari.utils.colormaps import ensure_colormap

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import FloatArray
from napari_vit_tfm.napari.layers import plane_geometry_of, show_colorbar
from napari_vit_tfm.patches import OverlayKind, PatchGrid


class AttentionLayers:
    """Attention over one displacement layer, where that layer lies.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers.
    source : Layer
        The displacement layer.
    config : DisplayConfig, optional
        How the map is drawn.
    """

    def __init__(
        self, layers: LayerList, source: Layer, *, config: DisplayConfig | None = None
    ) -> None:
        self._layers = layers
        self._source = source
        self._config = config or DisplayConfig()
        self._grid: PatchGrid | None = None
        self._kind: OverlayKind | None = None
        self.map: Image | None = None
        self.lines: Vectors | None = None
        self.outline: Vectors | None = None

    def __contains__(self, layer: Layer) -> bool:
        return layer in self._own()

    def _own(self) -> list[Layer]:
        own = (self.map, self.lines, self.outline)
        return [layer for layer in own if layer is not None]

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
        self.lines = self._lines(grid.lines(), "patches", "#ffffff", 0.002, 0.4)
        self._insert(len(self._layers), self.lines)

    def show_map(
        self,
        map_: FloatArray,
        *,
        grid: PatchGrid,
        patch: tuple[int, int],
        limits: tuple[float, float],
        kind: OverlayKind,
        name: str,
    ) -> None:
        """Lay a map over the field and outline the patch that it belongs to.

        Parameters
        ----------
        map_ : array of shape (H, W)
            The map.
        grid : PatchGrid, keyword-only
            The patches.
        patch : tuple of int, keyword-only
            Row and column of the patch.
        limits : tuple of float, keyword-only
            Values at the ends of the colour scale.
        kind : {"weights", "displacement"}, keyword-only
            What the map shows: attention lets the field shine through, weighted
            displacements stand alone.
        name : str, keyword-only
            What the map shows.
        """
        self.show_grid(grid)
        border = _border(grid, patch)
        if self.map is None or self.outline is None:
            self.map = self._image(map_, limits)
            self.outline = self._lines(border, "chosen patch", "#ff4d9d", 0.006, 1.0)
            # The map lies below the patches' borders.
            self._insert(self._layers.index(self.lines), self.map)
            self._insert(len(self._layers), self.outline)
            show_colorbar(self.map)
        else:
            self.map.data = map_
            self.map.contrast_limits_range = limits
            self.map.contrast_limits = limits
            self.outline.data = border
        if kind != self._kind:
            self._kind = kind
            self.map.colormap = self._colormap(kind)
            self.map.opacity = (
                self._config.attention_opacity if kind == "weights" else 1.0
            )
        self.map.name = name

    def follow(self) -> None:
        """Bring the layers to where the displacement layer is now."""
        place = plane_geometry_of(self._source)
        for layer in self._own():
            layer.affine = place["affine"]
            layer.units = place["units"]

    def remove(self) -> None:
        """Take the layers away, those that are still there."""
        for layer in self._own():
            if layer in self._layers:
                self._layers.remove(layer)
        self.map = self.lines = self.outline = self._grid = self._kind = None

    def _image(self, map_: FloatArray, limits: tuple[float, float]) -> Image:
        return Image(
            map_,
            contrast_limits=limits,
            blending="translucent_no_depth",
            interpolation2d="linear",
            **plane_geometry_of(self._source),
        )

    def _colormap(self, kind: OverlayKind) -> Colormap:
        if kind == "weights":
            return _fading(self._config.attention_colormap)
        return ensure_colormap(self._config.displacement_colormap)

    def _lines(
        self,
        segments: npt.NDArray[np.float64],
        name: str,
        color: str,
        width: float,
        opacity: float,
    ) -> Vectors:
        """Lines whose width is a fraction of the field's longer side.

        They are then as wide on the canvas whatever the field's size.
        """
        assert self._grid is not None
        return Vectors(
            segments,
            name=name,
            vector_style="line",
            edge_color=color,
            edge_width=width * max(self._grid.field_shape),
            opacity=opacity,
            blending="translucent_no_depth",
            **plane_geometry_of(self._source),
        )

    def _insert(self, place: int, layer: Layer) -> None:
        # What the user has selected stays selected.
        selected = set(self._layers.selection)
        self._layers.insert(place, layer)
        self._layers.selection = selected


def _fading(name: str) -> Colormap:
    """A colormap whose low end is transparent: the field shows through there."""
    levels = np.linspace(0, 1, 256)
    colors = ensure_colormap(name).map(levels)
    colors[:, 3] = np.sqrt(levels)
    return Colormap(colors, name=f"{name}, fading")


def _border(grid: PatchGrid, patch: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Border of a patch, four lines of start and vector, each ``(row, column)``."""
    x0, y0, x1, y1 = grid.bounds(*patch)
    across, down = (0.0, x1 - x0), (y1 - y0, 0.0)
    return np.array(
        [[(y0, x0), across], [(y1, x0), across], [(y0, x0), down], [(y0, x1), down]]
    )
