"""The table of quantities: one row for each frame and cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from napari_vit_tfm.quantities import QUANTITIES, Row, Scale

Value = int | float | str
Role = Qt.ItemDataRole


class QuantitiesTable(CopiedTable):
    """A table that is sorted by a click on its header, and copied as text.

    Columns without any number are hidden.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    frame_chosen = Signal(int)
    """Emitted with the frame of a row that is double-clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = _Rows(self)
        self._sorted = _Sorted(self)
        self._sorted.setSourceModel(self._rows)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.doubleClicked.connect(self._on_double_click)

    def show_rows(
        self,
        tables: Mapping[str, Sequence[Row]],
        columns: Sequence[str],
        scale: Scale | None,
    ) -> None:
        """Show other rows, in the order of frames and cells.

        Parameters
        ----------
        tables : mapping of str to sequence of Row
            Quantities by the name of the tractions. The names are shown if there are
            several; the rows of the same cell and frame follow each other.
        columns : sequence of str
            Their columns.
        scale : Scale, optional
            Their units, for the explanations of the columns.
        """
        self._rows.show_rows(tables, columns, scale)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        for column in range(self._rows.columnCount()):
            self.setColumnHidden(column, self._rows.is_empty(column))
        self.resizeColumnsToContents()

    def cell_text(self, index: QModelIndex) -> str:
        """The exact number of a cell, or its text."""
        value = index.data(Role.UserRole)
        if value is None:
            return ""
        return f"{value:.7g}" if isinstance(value, float) else str(value)

    def _on_double_click(self, index: QModelIndex) -> None:
        column = self._rows.names.index("frame")
        self.frame_chosen.emit(index.siblingAtColumn(column).data(Role.UserRole))


class _Rows(QAbstractTableModel):
    """The rows in their original order."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.names: list[str] = []
        self._help: dict[str, str] = {}
        self._lines: list[list[Value]] = []

    def show_rows(
        self,
        tables: Mapping[str, Sequence[Row]],
        columns: Sequence[str],
        scale: Scale | None,
    ) -> None:
        self.beginResetModel()
        has_names = len(tables) > 1
        named = [(name, row) for name, rows in tables.items() for row in rows]
        named.sort(key=lambda one: (one[1].frame, one[1].cell))
        self.names = ["frame", "cell", *columns, "flags"] if columns else []
        self.names[:0] = ["tractions"] if has_names else []
        self._lines = [
            [
                *([name] if has_names else []),
                row.frame,
                row.cell,
                *(row.values[column] for column in columns),
                ", ".join(row.flags),
            ]
            for name, row in named
        ]
        self._help = {} if scale is None else _help(scale)
        self.endResetModel()

    def is_empty(self, column: int) -> bool:
        """Whether no row has a value in a column."""
        return all(_shown(line[column]) == "" for line in self._lines)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._lines)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.names)

    def data(self, index: QModelIndex, role: int = Role.DisplayRole) -> Any:
        value = self._lines[index.row()][index.column()]
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
            return self._help.get(self.names[section])
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


def _help(scale: Scale) -> dict[str, str]:
    return {
        one.column(scale): f"{one.words}: {one.formula}" for one in QUANTITIES.values()
    }
