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
from qtpy.QtWidgets import QWidget

from napari_vit_tfm.napari.widgets.table import CopiedTable
from napari_vit_tfm.quantities import Table
from napari_vit_tfm.quantities.tables import Value, exact

Role = Qt.ItemDataRole


class ResultTable(CopiedTable):
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

    def cell_text(self, index: QModelIndex) -> str:
        """The exact number of a cell, or its text."""
        value = index.data(Role.UserRole)
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
