"""The inspector's layers: map, patch grid, the chosen patch, the one pointed at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.components import LayerList
from napari.layers import Image, Layer, Vectors
from napari.utils import Colormap
from napari.utils.colormaps import ensure_colormap

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.inspection import Patch
from napari_vit_tfm.napari.layers import plane_geometry_of, show_colorbar
from napari_vit_tfm.napari.maps import Picture
from napari_vit_tfm.patches import OverlayKind, PatchGrid

_CHOSEN = "#ff4d9d"
_POINTED_AT = "#ffffff"

# What is drawn lies where it lay: neither extent nor thumbnail change with it.
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
        self._lines: dict[str, Vectors] = {}

    def __contains__(self, layer: Layer) -> bool:
        return layer in self._own()

    def _own(self) -> list[Layer]:
        return [] if self._map is None else [self._map, *self._lines.values()]

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
        nowhere = np.zeros((4, 2, 2))
        self._lines = {
            "grid": self._line_layer(grid.lines(), "patches", _POINTED_AT, 0.002, 0.4),
            "pointed at": self._line_layer(
                nowhere, "patch under the mouse", _POINTED_AT, 0.004, 0.9
            ),
            "chosen": self._line_layer(nowhere, "chosen patch", _CHOSEN, 0.006, 1.0),
        }
        for layer in self._own():
            layer.visible = layer is self._lines["grid"]
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
        if image.visible:
            image.refresh(**_PICTURE_ONLY)
        else:
            image.visible = True
            show_colorbar(image)

    def hide_map(self) -> None:
        """Show no map."""
        if self._map is not None:
            self._map.visible = False

    def choose(self, patch: Patch | None) -> None:
        """Outline the chosen patch, or none."""
        self._outline("chosen", patch)

    def point_at(self, patch: Patch | None) -> None:
        """Outline the patch under the mouse, or none."""
        self._outline("pointed at", patch)

    def _outline(self, which: str, patch: Patch | None) -> None:
        layer = self._lines.get(which)
        if layer is None:
            return
        if patch is not None:
            assert self._grid is not None
            # In place: as many lines as before, somewhere else.
            layer.data[:] = _border(self._grid, patch)
            layer.refresh(**_PICTURE_ONLY)
        if layer.visible != (patch is not None):
            layer.visible = patch is not None

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
        self._map = self._grid = self._kind = None
        self._lines = {}

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

    def _line_layer(
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
            **plane_geometry_of(self._base),
        )


def _fading(name: str) -> Colormap:
    """A colormap whose low end is transparent: the field shows through there."""
    levels = np.linspace(0, 1, 256)
    colors = ensure_colormap(name).map(levels)
    colors[:, 3] = np.sqrt(levels)
    return Colormap(colors, name=f"{name}, fading")


def _border(grid: PatchGrid, patch: Patch) -> npt.NDArray[np.float64]:
    """Border of a patch, four lines of start and vector, each ``(row, column)``."""
    x0, y0, x1, y1 = grid.bounds(*patch)
    across, down = (0.0, x1 - x0), (y1 - y0, 0.0)
    return np.array(
        [[(y0, x0), across], [(y1, x0), across], [(y0, x0), down], [(y0, x1), down]]
    )
