"""The panel below the canvas: all maps of a patch, and the test of a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.utils.colormaps import ensure_colormap
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_vit_tfm.attention.overlay import Picture
from napari_vit_tfm.attention.patch import PatchFindings
from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.napari.attention.gallery import Gallery, TileImage
from napari_vit_tfm.napari.attention.plots import EvidencePlots
from napari_vit_tfm.napari.attention.shown import (
    NOTHING,
    Shown,
    all_maps,
    have_same_maps,
)
from napari_vit_tfm.napari.widgets.view import ViewFitter

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
        self._shown = NOTHING
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
        # Not a child of this widget, whose parent changes.
        self._view_fitter = ViewFitter(viewer, self._owner)
        self._view_fitter.fit_soon()

    def close_dock(self) -> None:
        """Remove the panel from the window."""
        window, self._window = self._window, None
        if window is not None and self in window.dock_widgets.values():
            window.remove_dock_widget(self)
        self.setParent(self._owner)
        self.hide()

    def show_maps(self, shown: Shown) -> None:
        """Update what differs from what is shown now.

        Parameters
        ----------
        shown : Shown
            The patch and the map shown.
        """
        before, self._shown = self._shown, shown
        findings = shown.findings
        self.plots.show_findings(findings)
        if findings is None:
            self.gallery.clear()
            return
        maps = all_maps(findings)
        if not have_same_maps(findings, before.findings):
            self._show_pictures(maps, shown)
        current = [item is findings for item in maps.values()].index(True)
        self.gallery.mark(current)

    def _show_pictures(self, maps: Mapping[str, PatchFindings], shown: Shown) -> None:
        findings = shown.findings
        assert findings is not None
        pictures = {
            name: shown.picture if item is findings else item.picture()
            for name, item in maps.items()
        }
        colours = ensure_colormap(self._colormap(findings)).colors
        tiles = [
            TileImage(name, None if drawn is None else coloured(drawn, colours))
            for name, drawn in pictures.items()
        ]
        grid = findings.frame.grid
        rows, columns = grid.field_shape
        x0, y0, x1, y1 = grid.bounds(*findings.patch)
        self.gallery.show_tiles(
            tiles,
            outline=(
                (x0 + 0.5) / columns,
                (y0 + 0.5) / rows,
                (x1 + 0.5) / columns,
                (y1 + 0.5) / rows,
            ),
            field_shape=(rows, columns),
        )
        first = next((drawn for drawn in pictures.values() if drawn is not None), None)
        if first is None:
            self.gallery.hide_scale()
        else:
            ends = f"{first.limits[0]:.3g}", f"{first.limits[1]:.3g}"
            self.gallery.show_scale(colours, ends, first.title)

    def _colormap(self, findings: PatchFindings) -> str:
        if findings.view.kind == "weights":
            return self._config.attention_colormap
        return self._config.displacement_colormap


def coloured(
    drawn: Picture, colours: npt.NDArray[np.floating]
) -> npt.NDArray[np.uint8]:
    """Convert a picture to RGB, ``(H, W, 3)``.

    Parameters
    ----------
    drawn : Picture
        The picture.
    colours : array of shape (n, 3) or (n, 4)
        Colours from the lowest value to the highest, with components from 0 to 1.
    """
    low, high = drawn.limits
    levels = np.clip((drawn.data - low) / (high - low), 0, 1)
    table = np.round(colours[:, :3] * 255).astype(np.uint8)
    pixels: npt.NDArray[np.uint8] = table[
        np.round(levels * (len(table) - 1)).astype(np.intp)
    ]
    return pixels
