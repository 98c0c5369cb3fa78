"""A plot of one quantity over time, in which a click chooses the frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_vit_tfm.napari.widgets.figures import apply_theme, pixmap_of
from napari_vit_tfm.plain_text import for_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 100
_TEXT_POINTS = 7
_LEAST_SIZE = QSize(260, 180)
_MOST_NAMES = 12
"""Number of names up to which there is a legend."""

_LEGEND_CHARACTERS = 60
"""Width of the legend, which decides on the number of its columns."""

_OPACITY_68, _OPACITY_95 = 0.3, 0.13
"""Opacities of the bands of the intervals."""

_BAR_68, _BAR_95 = 4.0, 1.5
"""Widths of the bars of the intervals of single values."""


@dataclass(frozen=True)
class Line:
    """One line of the plot.

    Parameters
    ----------
    cell, tractions : str
        Names of the cell and the tractions.
    colour, style, marker : str
        Colour, line style and marker, as for matplotlib. The colour is that of the
        cell; if all lines belong to one cell, that of the tractions.
    frames : tuple of int
        Numbers of frames.
    values : tuple of float
        Values in these frames; NaN leaves a gap.
    ends : tuple of tuple of float
        Ends of their intervals, in the order of `ENDS`; NaN if they are not known.
        Without any, there are no bands.
    """

    cell: str
    tractions: str
    colour: str
    style: str
    marker: str
    frames: tuple[int, ...]
    values: tuple[float, ...]
    ends: tuple[tuple[float, ...], ...] = ()

    def is_alone(self, i: int) -> bool:
        """Whether the values before and after a value are not known."""
        beside = self.values[max(0, i - 1) : i] + self.values[i + 1 : i + 2]
        return all(map(math.isnan, beside))


class TimePlot(QWidget):
    """Lines over frames, with a mark at the current frame.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    frame_chosen = Signal(int)
    """Emitted with the frame that is nearest to a click."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: tuple[Line, ...] = ()
        self._label = self._note = ""
        self._reference: float | None = None
        self._frame: int | None = None
        self._drawn: tuple[QPixmap, Axes] | None = None
        self.setMinimumSize(_LEAST_SIZE)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setToolTip("Click to go to a frame.")

    def show_lines(
        self,
        lines: Sequence[Line],
        label: str,
        *,
        reference: float | None = None,
        note: str = "",
    ) -> None:
        """Plot lines; without any, the plot is empty.

        Parameters
        ----------
        lines : sequence of Line
            The lines, with bands for their 68% and 95% intervals.
        label : str
            Quantity and unit.
        reference : float, keyword-only, optional
            Where a thin horizontal line is drawn.
        note : str, keyword-only
            What is written above the lines.
        """
        self._lines, self._label = tuple(lines), label
        self._reference, self._note = reference, note
        self._draw_again()

    def mark_frame(self, frame: int | None) -> None:
        """Mark the current frame; None marks nothing."""
        if frame != self._frame:
            self._frame = frame
            self.update()

    def position_of(self, frame: float) -> float:
        """Horizontal position of a frame, in pixels of the widget."""
        _, axes = self._picture()
        x, _ = axes.transData.transform((frame, 0.0))
        return float(x) / self.devicePixelRatioF()

    def frame_at(self, position: float) -> int | None:
        """The frame that is nearest to a horizontal position; None without lines."""
        frames = [frame for line in self._lines for frame in line.frames]
        if not frames:
            return None
        _, axes = self._picture()
        x = position * self.devicePixelRatioF()
        there, _ = axes.transData.inverted().transform((x, 0.0))
        return min(frames, key=lambda frame: abs(frame - there))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the lines and the mark."""
        super().paintEvent(event)
        if not self._lines:
            return
        pixmap, axes = self._picture()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, pixmap)
        if self._frame is not None:
            ratio = self.devicePixelRatioF()
            x = round(self.position_of(self._frame))
            top = self.height() - round(axes.bbox.y1 / ratio)
            bottom = self.height() - round(axes.bbox.y0 / ratio)
            pen = QPen(QColor(self._text_colour()))
            pen.setStyle(Qt.PenStyle.DashLine)
            painter.setPen(pen)
            painter.drawLine(x, top, x, bottom)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose the frame under the mouse."""
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        frame = self.frame_at(event.position().x())
        if frame is not None:
            self.frame_chosen.emit(frame)

    def changeEvent(self, event: QEvent | None) -> None:
        """Draw again with the new text colour when the theme changes."""
        super().changeEvent(event)
        changes = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)
        if event is not None and event.type() in changes:
            self._draw_again()

    def _draw_again(self) -> None:
        self._drawn = None
        self.update()

    def _text_colour(self) -> str:
        return self.palette().windowText().color().name()

    def _picture(self) -> tuple[QPixmap, Axes]:
        # A widget that has not been laid out has no size yet.
        size = self.size().expandedTo(_LEAST_SIZE) * self.devicePixelRatioF()
        if self._drawn is None or self._drawn[0].size() != size:
            self._drawn = self._draw(size)
        return self._drawn

    def _draw(self, size: QSize) -> tuple[QPixmap, Axes]:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        dpi = _DPI * self.devicePixelRatioF()
        figure = Figure(
            figsize=(size.width() / dpi, size.height() / dpi),
            dpi=dpi,
            layout="constrained",
        )
        figure.set_facecolor("none")
        axes = figure.subplots()
        if self._reference is not None:
            axes.axhline(self._reference, color=self._text_colour(), lw=0.6)
        for line in self._lines:
            _draw_intervals(axes, line)
            axes.plot(
                line.frames,
                line.values,
                color=line.colour,
                ls=line.style,
                marker=line.marker,
                ms=2.5,
                lw=1.2,
            )
        axes.set(xlabel="frame", ylabel=self._label)
        axes.set_title(
            for_figure(self._note),
            loc="right",
            fontsize=_TEXT_POINTS,
            color=self._text_colour(),
        )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.ticklabel_format(axis="y", scilimits=(-3, 4))
        self._add_legend(figure)
        apply_theme(axes, self._text_colour(), text_points=_TEXT_POINTS)
        pixmap = pixmap_of(figure)
        pixmap.setDevicePixelRatio(self.devicePixelRatioF())
        return pixmap, axes

    def _add_legend(self, figure: Figure) -> None:
        """Name the cells by their colours, and the tractions by their line styles.

        One cell needs no name, and the tractions have colours, too.
        """
        from matplotlib.lines import Line2D

        cells = {line.cell: line for line in self._lines}
        tractions = {line.tractions: line for line in self._lines}
        handles = []
        if len(tractions) > 1:
            handles += [
                Line2D(
                    (),
                    (),
                    color=self._text_colour() if len(cells) > 1 else line.colour,
                    ls=line.style,
                    marker=line.marker,
                    ms=2.5,
                    lw=1.2,
                    label=for_figure(name),
                )
                for name, line in tractions.items()
            ]
        if len(cells) > 1:
            handles += [
                Line2D((), (), color=line.colour, label=for_figure(name))
                for name, line in cells.items()
            ]
        if not 0 < len(handles) <= _MOST_NAMES:
            return
        longest = max(len(str(handle.get_label())) for handle in handles)
        figure.legend(
            handles=handles,
            loc="outside upper center",
            ncols=max(1, min(4, _LEGEND_CHARACTERS // (longest + 6))),
            fontsize=_TEXT_POINTS,
            frameon=False,
            labelcolor="linecolor",
        )


def _draw_intervals(axes: Axes, line: Line) -> None:
    """Bands of the intervals of a line, the wider one paler; bars at single values."""
    low68, high68, low95, high95 = line.ends or ((),) * 4
    for low, high, opacity, width in (
        (low95, high95, _OPACITY_95, _BAR_95),
        (low68, high68, _OPACITY_68, _BAR_68),
    ):
        axes.fill_between(
            line.frames[: len(low)], low, high, color=line.colour, alpha=opacity, lw=0
        )
        alone = [i for i in range(len(low)) if line.is_alone(i)]
        axes.vlines(
            [line.frames[i] for i in alone],
            [low[i] for i in alone],
            [high[i] for i in alone],
            color=line.colour,
            alpha=0.5,
            lw=width,
        )
