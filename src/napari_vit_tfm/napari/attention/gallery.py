"""All maps of a patch at once, as tiles to click."""

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
    """A tile as it is drawn.

    Parameters
    ----------
    name : str
        What stands over it.
    pixels : array of shape (H, W, 3), optional
        Its picture; None for one that is not known yet.
    """

    name: str
    pixels: Pixels | None


def columns_for(n: int, width: float, height: float, *, aspect: float) -> int:
    """In how many columns tiles are largest.

    Parameters
    ----------
    n : int
        Number of tiles.
    width, height : float
        Room for all, captions included.
    aspect : float, keyword-only
        Height of a tile, caption included, over its width.
    """

    def side(columns: int) -> float:
        rows = math.ceil(n / columns)
        return min(width / columns, height / rows / aspect)

    return max(range(1, max(n, 1) + 1), key=side)


class Gallery(QWidget):
    """Tiles in as many columns as make them largest, and their colour scale.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    clicked = Signal(int)
    """The number of a tile that was clicked."""

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
        self.setMinimumHeight(self._caption() + _SMALLEST_TILE + 2 * _GAP)
        policy = QSizePolicy.Policy.Expanding
        self.setSizePolicy(policy, policy)

    def show_tiles(
        self,
        tiles: Sequence[TileImage],
        *,
        current: int,
        outline: Rectangle | None,
        field_shape: tuple[int, int],
    ) -> None:
        """Show tiles.

        Parameters
        ----------
        tiles : sequence of TileImage
            The tiles; without any there is a hint.
        current : int, keyword-only
            Number of the one that is marked.
        outline : tuple of float, keyword-only, optional
            Left, top, right and bottom of the chosen patch, as fractions of
            the field.
        field_shape : tuple of int, keyword-only
            Rows and columns of the field.
        """
        self._tiles = list(tiles)
        self._images = [_image(tile.pixels) for tile in tiles]
        self._current = current
        self._outline = outline
        self._aspect = field_shape[0] / field_shape[1]
        self.update()

    def show_scale(self, colours: Colours, ends: tuple[str, str], title: str) -> None:
        """Show what the colours mean.

        Parameters
        ----------
        colours : array of shape (n, 3) or more columns
            From the lowest value to the highest, each from 0 to 1.
        ends : tuple of str
            The lowest and the highest value.
        title : str
            What they are values of.
        """
        self._colours, self._ends, self._title = colours, ends, title
        self.update()

    def hide_scale(self) -> None:
        """Show no scale, as long as there is nothing in colours."""
        self._title = ""
        self.update()

    @property
    def has_scale(self) -> bool:
        """Whether it is shown what the colours mean."""
        return bool(self._title)

    @property
    def names(self) -> list[str]:
        """What the tiles are called."""
        return [tile.name for tile in self._tiles]

    @property
    def current(self) -> int:
        """Number of the tile that is marked."""
        return self._current

    def sizeHint(self) -> QSize:
        """Room for one row of tiles."""
        return QSize(640, self._caption() + 140)

    def tile_rect(self, number: int) -> QRectF:
        """Where a tile's picture is, in the widget."""
        caption = self._caption()
        width = self.width() - _BAR - 2 * _GAP
        height = self.height() - 2 * _GAP
        n = max(len(self._tiles), 1)
        # Captions make tiles higher, by an amount that depends on their size.
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

    def _caption(self) -> int:
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
                "Click a patch: the maps of all blocks appear here.",
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
        words = self.fontMetrics().elidedText(
            tile.name, Qt.TextElideMode.ElideRight, int(rect.width())
        )
        painter.drawText(
            QPointF(rect.left(), rect.top() - self.fontMetrics().descent()), words
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
        """The colour bar, at the right of the tiles."""
        caption = self._caption()
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
        # Beside the numbers, and no longer than the bar.
        metrics = self.fontMetrics()
        beside = max(metrics.horizontalAdvance(end) for end in self._ends)
        painter.translate(x + beside + caption, (bar.top() + bar.bottom()) / 2)
        painter.rotate(-90)
        title = metrics.elidedText(
            self._title, Qt.TextElideMode.ElideRight, int(bar.height())
        )
        painter.drawText(QPointF(-metrics.horizontalAdvance(title) / 2, 0), title)
        painter.restore()

    # The mouse

    def tile_at(self, position: QPointF) -> int | None:
        """Number of the tile at a position in the widget."""
        for number in range(len(self._tiles)):
            rect = self.tile_rect(number)
            if rect.adjusted(0, -self._caption(), 0, 0).contains(position):
                return number
        return None

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Tell which tile was clicked."""
        assert event is not None
        number = self.tile_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and number is not None:
            self.clicked.emit(number)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Show a hand over what can be clicked, and its name in full."""
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
        """Forget the mouse."""
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
