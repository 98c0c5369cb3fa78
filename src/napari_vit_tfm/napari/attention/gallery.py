"""A gallery of all maps of a patch, as clickable tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# PyQt calls it pyqtSignal, and qtpy renames it without exporting the name.
from qtpy.QtCore import (  # type: ignore[attr-defined]
    QEvent,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from qtpy.QtGui import (
    QColor,
    QImage,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

_GAP = 6
_BAR = 84
_SMALLEST_TILE = 48
_CHOSEN = QColor("#ff4d9d")
_EMPTY = QColor("#3a3f47")

Colours = npt.NDArray[np.floating]
Pixels = npt.NDArray[np.uint8]
Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class TileImage:
    """Name and image of a tile.

    Parameters
    ----------
    name : str
        Caption above the tile.
    pixels : array of shape (H, W, 3), optional
        The image; None if the map has not been computed.
    """

    name: str
    pixels: Pixels | None


def columns_for(n: int, width: float, height: float, *, aspect: float) -> int:
    """The number of columns for which tiles are largest.

    Parameters
    ----------
    n : int
        Number of tiles.
    width, height : float
        Available space for all tiles, including captions.
    aspect : float, keyword-only
        Height of a tile, including its caption, divided by its width.
    """

    def side(columns: int) -> float:
        rows = math.ceil(n / columns)
        return min(width / columns, height / rows / aspect)

    return max(range(1, max(n, 1) + 1), key=side)


class Gallery(QWidget):
    """Tiles, arranged so that they are as large as possible, and a colour scale.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    clicked = Signal(int)
    """Emitted with the index of the clicked tile."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tiles: list[TileImage] = []
        self._images: list[QImage | None] = []
        self._current = -1
        self._outline: Rectangle | None = None
        self._aspect = 1.0
        self._colours: Colours = np.zeros((2, 3))
        self._ends = ("", "")
        self._title = ""
        self.setMouseTracking(True)
        self.setMinimumHeight(self._caption_height() + _SMALLEST_TILE + 2 * _GAP)
        policy = QSizePolicy.Policy.Expanding
        self.setSizePolicy(policy, policy)

    def show_tiles(
        self,
        tiles: Sequence[TileImage],
        *,
        outline: Rectangle | None,
        field_shape: tuple[int, int],
    ) -> None:
        """Show tiles, none of them highlighted.

        Parameters
        ----------
        tiles : sequence of TileImage
            The tiles.
        outline : tuple of float, keyword-only, optional
            Left, top, right and bottom of the chosen patch, as fractions of
            the field.
        field_shape : tuple of int, keyword-only
            Rows and columns of the field.
        """
        self._tiles = list(tiles)
        self._images = [_image(tile.pixels) for tile in tiles]
        self._current = -1
        self._outline = outline
        self._aspect = field_shape[0] / field_shape[1]
        self.update()

    def clear(self) -> None:
        """Remove the tiles, and show a hint instead."""
        if self._tiles:
            self._tiles, self._images = [], []
            self.update()

    def mark(self, number: int) -> None:
        """Highlight a tile.

        Parameters
        ----------
        number : int
            Index of the tile.
        """
        if number != self._current:
            self._current = number
            self.update()

    def show_scale(self, colours: Colours, ends: tuple[str, str], title: str) -> None:
        """Show the colour scale.

        Parameters
        ----------
        colours : array of shape (n, 3) or (n, 4)
            Colours from the lowest value to the highest, with components from 0
            to 1.
        ends : tuple of str
            Labels of the lowest and the highest value.
        title : str
            Title of the scale.
        """
        self._colours, self._ends, self._title = colours, ends, title
        self.update()

    def hide_scale(self) -> None:
        """Hide the colour scale, when no tile has an image."""
        self._title = ""
        self.update()

    @property
    def has_scale(self) -> bool:
        """Whether the colour scale is shown."""
        return bool(self._title)

    @property
    def names(self) -> list[str]:
        """Captions of the tiles."""
        return [tile.name for tile in self._tiles]

    @property
    def current(self) -> int:
        """Index of the tile that is highlighted."""
        return self._current

    def sizeHint(self) -> QSize:
        """Preferred size: one row of tiles."""
        return QSize(640, self._caption_height() + 140)

    def tile_rect(self, number: int) -> QRectF:
        """Rectangle of a tile's image, in widget coordinates."""
        caption = self._caption_height()
        width = self.width() - _BAR - 2 * _GAP
        height = self.height() - 2 * _GAP
        n = max(len(self._tiles), 1)
        # The caption adds to the height; 100 pixels is a typical tile width.
        aspect = self._aspect + caption / 100
        columns = columns_for(n, width, height, aspect=aspect)
        rows = math.ceil(n / columns)
        side = min(
            width / columns - _GAP, (height / rows - caption - _GAP) / self._aspect
        )
        side = max(side, 8.0)
        row, column = divmod(number, columns)
        return QRectF(
            _GAP + column * (side + _GAP),
            _GAP + caption + row * (side * self._aspect + caption + _GAP),
            side,
            side * self._aspect,
        )

    def _caption_height(self) -> int:
        return self.fontMetrics().lineSpacing()

    # Drawing

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the tiles and the scale."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if not self._tiles:
            painter.setPen(self.palette().windowText().color())
            painter.drawText(
                self.rect(),
                Qt.AlignmentFlag.AlignCenter,
                "Click a patch to see the maps of all blocks here.",
            )
            return
        for number in range(len(self._tiles)):
            self._paint_tile(painter, number)
        if self.has_scale:
            self._paint_scale(painter)

    def _paint_tile(self, painter: QPainter, number: int) -> None:
        tile, image, rect = (
            self._tiles[number],
            self._images[number],
            self.tile_rect(number),
        )
        chosen = number == self._current
        painter.setPen(_CHOSEN if chosen else self.palette().windowText().color())
        caption = self.fontMetrics().elidedText(
            tile.name, Qt.TextElideMode.ElideRight, int(rect.width())
        )
        painter.drawText(
            QPointF(rect.left(), rect.top() - self.fontMetrics().descent()), caption
        )
        if image is None:
            painter.fillRect(rect, _EMPTY)
            painter.setPen(QColor("white"))
            painter.drawText(
                rect,
                Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap,
                "click to compute",
            )
        else:
            painter.drawImage(rect, image)
            self._paint_outline(painter, rect)
        if chosen:
            painter.setPen(QPen(_CHOSEN, 3))
            painter.drawRect(rect)

    def _paint_outline(self, painter: QPainter, rect: QRectF) -> None:
        if self._outline is None:
            return
        left, top, right, bottom = self._outline
        painter.setPen(QPen(_CHOSEN, 1))
        painter.drawRect(
            QRectF(
                rect.left() + left * rect.width(),
                rect.top() + top * rect.height(),
                (right - left) * rect.width(),
                (bottom - top) * rect.height(),
            )
        )

    def _paint_scale(self, painter: QPainter) -> None:
        """Draw the colour bar to the right of the tiles."""
        caption = self._caption_height()
        right = self.tile_rect(0).right()
        for number in range(len(self._tiles)):
            right = max(right, self.tile_rect(number).right())
        top = self.tile_rect(0).top()
        bottom = min(self.tile_rect(len(self._tiles) - 1).bottom(), top + 160)
        bar = QRectF(right + 2 * _GAP, top, 12, bottom - top)
        gradient = QLinearGradient(bar.bottomLeft(), bar.topLeft())
        for level in np.linspace(0, 1, 17):
            red, green, blue = self._colours[round(level * (len(self._colours) - 1))][
                :3
            ]
            gradient.setColorAt(float(level), QColor.fromRgbF(red, green, blue))
        painter.fillRect(bar, gradient)
        painter.setPen(self.palette().windowText().color())
        low, high = self._ends
        x = bar.right() + 4
        painter.drawText(QPointF(x, bar.top() + caption * 0.7), high)
        painter.drawText(QPointF(x, bar.bottom()), low)
        painter.save()
        # The title is beside the labels and hardly longer than the bar.
        metrics, room = self.fontMetrics(), bar.height() + caption
        label_width = max(metrics.horizontalAdvance(end) for end in self._ends)
        painter.translate(x + label_width + caption, (bar.top() + bar.bottom()) / 2)
        painter.rotate(-90)
        title = self._title
        if metrics.horizontalAdvance(title) > room:
            # Omit the last word, "attention".
            title = title.rpartition(" ")[0]
        title = metrics.elidedText(title, Qt.TextElideMode.ElideRight, int(room))
        painter.drawText(QPointF(-metrics.horizontalAdvance(title) / 2, 0), title)
        painter.restore()

    # The mouse

    def tile_at(self, position: QPointF) -> int | None:
        """Index of the tile at a position in the widget, or None."""
        for number in range(len(self._tiles)):
            rect = self.tile_rect(number)
            if rect.adjusted(0, -self._caption_height(), 0, 0).contains(position):
                return number
        return None

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Emit `clicked` for the tile under the mouse."""
        assert event is not None
        number = self.tile_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and number is not None:
            self.clicked.emit(number)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Show a hand cursor and the full caption over a tile."""
        assert event is not None
        number = self.tile_at(event.position())
        if number is None:
            self.unsetCursor()
            QToolTip.hideText()
        else:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
            QToolTip.showText(
                event.globalPosition().toPoint(), self._tiles[number].name, self
            )

    def leaveEvent(self, event: QEvent | None) -> None:
        """Reset the cursor."""
        self.unsetCursor()
        super().leaveEvent(event)


def _image(pixels: Pixels | None) -> QImage | None:
    if pixels is None:
        return None
    height, width, _ = pixels.shape
    data = np.ascontiguousarray(pixels)
    image = QImage(
        data.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
    )
    # A QImage does not own the bytes that it is made from.
    return image.copy()
