"""`TextLabel` and `ChoiceTip`: texts for which there may not be enough room.

As much of them is shown as there is room for, and the tooltip has all of it.
"""

from __future__ import annotations

import html
import math

from qtpy.QtCore import QEvent, QObject, QPoint, QSize, Qt
from qtpy.QtGui import QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QTextLayout
from qtpy.QtWidgets import QComboBox, QLabel, QStyle, QStyleOption, QToolTip

_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_LINE_SEPARATOR = "\N{LINE SEPARATOR}"


class TextLabel(QLabel):
    """A label for longer texts, whose lines are broken.

    A dock does not grow with its texts. Where there is less room, such as with several
    docks in a column, the last line that is shown ends with an ellipsis, and the
    tooltip has the whole text.

    Parameters
    ----------
    lines : int
        Number of lines that are reserved.
    """

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._lines = lines
        self.setIndent(0)
        self.setWordWrap(True)
        # Names of files and layers may look like HTML.
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)

    def minimumSizeHint(self) -> QSize:
        """The lines that are reserved, in the font of the window."""
        hint = super().minimumSizeHint()
        margins = self.contentsMargins()
        reserved = self._lines * self._line_height()
        hint.setHeight(reserved + margins.top() + margins.bottom())
        return hint

    def sizeHint(self) -> QSize:
        """The size of the text, but not less than what is reserved."""
        return super().sizeHint().expandedTo(self.minimumSizeHint())

    def heightForWidth(self, width: int) -> int:
        """The height of the text, but not less than what is reserved."""
        return max(super().heightForWidth(width), self.minimumSizeHint().height())

    @property
    def is_cut(self) -> bool:
        """Whether there is not enough room for the text."""
        return len(self._broken_lines()) > self._n_visible()

    @property
    def visible_text(self) -> str:
        """As much of the text as there is room for."""
        lines, n_visible = self._broken_lines(), self._n_visible()
        if len(lines) <= n_visible:
            return self.text()
        *shown, last = lines[:n_visible]
        right, width = Qt.TextElideMode.ElideRight, self.contentsRect().width()
        shown.append(self.fontMetrics().elidedText(last + _ELLIPSIS, right, width))
        return "\n".join(shown)

    def _n_visible(self) -> int:
        return max(1, self.contentsRect().height() // self._line_height())

    def _line_height(self) -> int:
        # In the label's own metrics, it is rounded down.
        return math.ceil(QFontMetricsF(self.font()).lineSpacing())

    def _broken_lines(self) -> list[str]:
        text = self.text().replace("\n", _LINE_SEPARATOR)
        layout = QTextLayout(text, self.font())
        lines = []
        layout.beginLayout()
        while (line := layout.createLine()).isValid():
            line.setLineWidth(self.contentsRect().width())
            part = text[line.textStart() :][: line.textLength()]
            lines.append(part.rstrip(f" {_LINE_SEPARATOR}"))
        layout.endLayout()
        return lines

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the text, or as much of it as there is room for."""
        if not self.is_cut:
            super().paintEvent(event)
            return
        style = self.style()
        assert style is not None
        option = QStyleOption()
        option.initFrom(self)
        painter = QPainter(self)
        # The background of a style sheet.
        style.drawPrimitive(QStyle.PrimitiveElement.PE_Widget, option, painter, self)
        style.drawItemText(
            painter,
            self.contentsRect(),
            # Its lines are broken already.
            int(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft),
            self.palette(),
            self.isEnabled(),
            self.visible_text,
            self.foregroundRole(),
        )
        painter.end()

    def event(self, event: QEvent | None) -> bool:
        """Show the whole text in the tooltip if a part of it is not visible."""
        place = _where_asked(event)
        if place is None or not self.is_cut:
            return bool(super().event(event))
        QToolTip.showText(place, whole_tip(self.text(), self.toolTip()), self)
        return True


class ChoiceTip(QObject):
    """An event filter of a combo box, whose tooltip then begins with what is chosen.

    Names of layers and files may be longer than the box.
    """

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Whether the event was a question for the tooltip."""
        place = _where_asked(event)
        # At its end, the box is only a QObject.
        if place is None or not isinstance(watched, QComboBox):
            return False
        tip = whole_tip(watched.currentText(), watched.toolTip())
        QToolTip.showText(place, tip, watched)
        return True


def _where_asked(event: QEvent | None) -> QPoint | None:
    """Where on the screen a tooltip is asked for; None if it is another event."""
    if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
        return event.globalPos()
    return None


def whole_tip(text: str, explanation: str) -> str:
    """A text and its explanation as a tooltip, whose lines are broken.

    Parameters
    ----------
    text, explanation : str
        Plain texts; empty if there is none.

    Returns
    -------
    str
        Rich text.
    """
    both = "\n\n".join(part for part in (text, explanation) if part)
    return f"<qt>{html.escape(both).replace(chr(10), '<br>')}</qt>" if both else ""
