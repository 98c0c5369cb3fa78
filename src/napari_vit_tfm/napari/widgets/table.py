"""`CopiedTable`: a table that is copied as text."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from qtpy.QtWidgets import QTableView, QWidget

_LEAST_HEIGHT = 150
_ROW_PADDING = 6


class CopiedTable(QTableView):
    """A table of which several cells, or all, are copied as text.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumHeight(_LEAST_HEIGHT)
        numbers = self.verticalHeader()
        assert numbers is not None
        numbers.hide()
        numbers.setDefaultSectionSize(self.fontMetrics().lineSpacing() + _ROW_PADDING)

    def text(self) -> str:
        """The selected cells, or the whole table if there are not several.

        Columns are separated by tabs, for spreadsheets, in the shown order. The first
        line has their names.
        """
        model = self.model()
        assert model is not None
        selected = self.selectedIndexes()
        if len(selected) > 1:
            rows = sorted({index.row() for index in selected})
            columns = sorted({index.column() for index in selected})
        else:
            rows = list(range(model.rowCount()))
            columns = list(range(model.columnCount()))
        columns = [column for column in columns if not self.isColumnHidden(column)]
        names = [
            model.headerData(column, Qt.Orientation.Horizontal) for column in columns
        ]
        lines = [
            [self.cell_text(model.index(row, column)) for column in columns]
            for row in rows
        ]
        return "\n".join("\t".join(map(str, line)) for line in [names, *lines])

    def cell_text(self, index: QModelIndex) -> str:
        """Text of a cell."""
        return str(index.data())

    def copy(self) -> None:
        """Copy `text` to the clipboard."""
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(self.text())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Copy on Ctrl+C; Qt would copy one cell."""
        if event is not None and event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)
