"""`ResultTable`: a table of quantities or of adhesions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import (  # type: ignore[attr-defined]
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from qtpy.QtWidgets import QTableView, QWidget

from napari_vit_tfm.quantities import Table
from napari_vit_tfm.quantities.tables import Value, exact

_LEAST_HEIGHT = 150
_ROW_PADDING = 6

Role = Qt.ItemDataRole


class ResultTable(QTableView):
    """A table that is sorted by a click on its header, and copied as text.

    Columns without any value are hidden.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    line_chosen = Signal(int)
    """Emitted with the number of a line that is clicked, or reached with a key."""

    line_opened = Signal(int)
    """Emitted with the number of a line that is double-clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = _Rows(self)
        self._sorted = _Sorted(self)
        self._sorted.setSourceModel(self._rows)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.setMinimumHeight(_LEAST_HEIGHT)
        numbers = self.verticalHeader()
        assert numbers is not None
        numbers.hide()
        numbers.setDefaultSectionSize(self.fontMetrics().lineSpacing() + _ROW_PADDING)
        selection = self.selectionModel()
        assert selection is not None
        selection.currentRowChanged.connect(self._on_line)
        self.clicked.connect(self._on_line)
        self.doubleClicked.connect(self._on_double_click)

    def show_table(self, table: Table, explanations: Mapping[str, str]) -> None:
        """Show another table, in the order of its lines.

        Parameters
        ----------
        table : Table
            The table.
        explanations : mapping of str to str
            Explanations of its columns, for their tool tips.
        """
        self._rows.show_table(table, explanations)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        for column in range(self._rows.columnCount()):
            self.setColumnHidden(column, self._rows.is_empty(column))
        self.resizeColumnsToContents()

    def text(self) -> str:
        """The selected cells, or the whole table if there are not several.

        Columns are separated by tabs, for spreadsheets, in the shown order. The first
        line has their names.
        """
        selected = self.selectedIndexes()
        if len(selected) > 1:
            rows = sorted({index.row() for index in selected})
            columns = sorted({index.column() for index in selected})
        else:
            rows = list(range(self._sorted.rowCount()))
            columns = list(range(self._sorted.columnCount()))
        columns = [column for column in columns if not self.isColumnHidden(column)]
        lines = [[self._rows.names[column] for column in columns]]
        lines += [[self._exact(row, column) for column in columns] for row in rows]
        return "\n".join("\t".join(line) for line in lines)

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

    def _exact(self, row: int, column: int) -> str:
        value = self._sorted.index(row, column).data(Role.UserRole)
        return "" if value is None else exact(value)

    def _on_line(self, index: QModelIndex) -> None:
        if index.isValid():
            self.line_chosen.emit(self._sorted.mapToSource(index).row())

    def _on_double_click(self, index: QModelIndex) -> None:
        self.line_opened.emit(self._sorted.mapToSource(index).row())


class _Rows(QAbstractTableModel):
    """The lines of a table in their original order."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._table = Table((), [])
        self._explanations: Mapping[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._table.header

    def show_table(self, table: Table, explanations: Mapping[str, str]) -> None:
        self.beginResetModel()
        self._table = table
        self._explanations = explanations
        self.endResetModel()

    def is_empty(self, column: int) -> bool:
        """Whether no line has a value in a column."""
        return all(_shown(line[column]) == "" for line in self._table.lines)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._table.lines)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.names)

    def data(self, index: QModelIndex, role: int = Role.DisplayRole) -> Any:
        value = self._table.lines[index.row()][index.column()]
        if role == Role.DisplayRole:
            return _shown(value)
        if role == Role.UserRole:
            is_unknown = isinstance(value, float) and math.isnan(value)
            return None if is_unknown else value
        if role == Role.TextAlignmentRole and not isinstance(value, str):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Vertical or section >= len(self.names):
            return None
        if role == Role.DisplayRole:
            return self.names[section]
        if role == Role.ToolTipRole:
            return self._explanations.get(self.names[section])
        return None


class _Sorted(QSortFilterProxyModel):
    """The rows in a sorted order, in which unknown numbers are always last."""

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        one, other = left.data(Role.UserRole), right.data(Role.UserRole)
        if one is None or other is None:
            is_descending = self.sortOrder() == Qt.SortOrder.DescendingOrder
            return (one is None) == is_descending and one is not other
        return bool(one < other)


def _shown(value: Value) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return str(value)
