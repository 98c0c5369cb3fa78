"""The panel below the canvas: all maps of a patch, and the test of a map."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.utils.colormaps import ensure_colormap
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.napari.attention.gallery import Gallery, TileImage
from napari_vit_tfm.napari.attention.inspector import Inspector
from napari_vit_tfm.napari.attention.plots import EvidencePlots
from napari_vit_tfm.napari.attention.view import coloured

_NAME = "Attention: all maps of the patch"


class AttentionPanel(QWidget):
    """Gallery of maps and plots of evidence.

    Parameters
    ----------
    owner : QWidget
        The attention dock, which is the parent while the panel is not docked.
    config : DisplayConfig, optional
        Colour maps.
    """

    def __init__(self, owner: QWidget, *, config: DisplayConfig | None = None) -> None:
        super().__init__(owner)
        self._owner = owner
        self._config = config or DisplayConfig()
        self._window: Any = None
        self.gallery = Gallery()
        self.plots = EvidencePlots()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.gallery, 1)
        layout.addWidget(self.plots)

    def open(self, viewer: ViewerModel) -> None:
        """Dock the panel below the canvas, if the viewer has a window."""
        window = getattr(viewer, "window", None)
        if window is None or self._window is not None:
            return
        self._window = window
        window.add_dock_widget(
            self, name=_NAME, area="bottom", add_vertical_stretch=False
        )

    def close_dock(self) -> None:
        """Remove the panel from the window."""
        window, self._window = self._window, None
        if window is not None and self in window.dock_widgets.values():
            window.remove_dock_widget(self)
        self.setParent(self._owner)
        self.hide()

    def refresh(self, inspector: Inspector) -> None:
        """Show the current view of an inspector."""
        frame, view = inspector.frame, inspector.shown
        self.plots.show_findings(inspector.findings())
        tiles = inspector.tiles()
        if frame is None or view.patch is None:
            shape = (1, 1) if frame is None else frame.grid.field_shape
            self.gallery.show_tiles([], current=-1, outline=None, field_shape=shape)
            return
        is_weights = view.kind == "weights"
        name = (
            self._config.attention_colormap
            if is_weights
            else self._config.displacement_colormap
        )
        colours = ensure_colormap(name).colors
        pictures = [inspector.draw(tile.findings) for tile in tiles]
        images = [
            TileImage(
                tile.name, None if picture is None else coloured(picture, colours)
            )
            for tile, picture in zip(tiles, pictures, strict=True)
        ]
        first = next((picture for picture in pictures if picture is not None), None)
        if first is None:
            self.gallery.hide_scale()
        else:
            ends = f"{first.limits[0]:.3g}", f"{first.limits[1]:.3g}"
            self.gallery.show_scale(colours, ends, first.title)
        rows, columns = frame.grid.field_shape
        x0, y0, x1, y1 = frame.grid.bounds(*view.patch)
        current = [tile.is_current for tile in tiles].index(True)
        self.gallery.show_tiles(
            images,
            current=current,
            outline=(
                (x0 + 0.5) / columns,
                (y0 + 0.5) / rows,
                (x1 + 0.5) / columns,
                (y1 + 0.5) / rows,
            ),
            field_shape=(rows, columns),
        )
