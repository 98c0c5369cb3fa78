"""Figures of matplotlib in the docks, drawn in the colours of napari's theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QImage, QPixmap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def pixmap_of(figure: Figure) -> QPixmap:
    """Draw a figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    width, height = canvas.get_width_height()
    pixels = bytes(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    layout = QImage.Format.Format_RGBA8888
    return QPixmap.fromImage(QImage(pixels, width, height, 4 * width, layout))


def apply_theme(axes: Axes, colour: str, *, text_points: float) -> None:
    """Draw axes and texts in a colour, on a transparent background.

    Parameters
    ----------
    axes : Axes
        The axes.
    colour : str
        Colour of the theme's text.
    text_points : float, keyword-only
        Size of the labels.
    """
    axes.set_facecolor("none")
    axes.tick_params(colors=colour, labelsize=text_points)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=colour, fontsize=text_points)
        axis.get_offset_text().set(color=colour, fontsize=text_points)
    for text in (axes.title, *axes.texts):
        text.set_color(colour)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(colour)
