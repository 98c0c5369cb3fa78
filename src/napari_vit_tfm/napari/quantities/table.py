"""`ResultTable`: a table of quantities or of adhesions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
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
from napari_vit_tfm.quantities.intervals import ENDS
from napari_vit_tfm.quantities.tables import Value, exact, is_end

Role = Qt.ItemDataRole

_NO_REMARKS: Mapping[str, str] = MappingProxyType({})

_MOST_DECIMALS = 4
"""Most decimals of a number with an interval; smaller numbers have an exponent."""


class ResultTable(CopiedTable):
    """A table that is sorted by a click on its header, and copied as text.

    A value with an interval is shown with the ends of that of 68%; its tooltip has all
    of them. Columns of ends, and those without any value, are hidden.

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

    @property
    def table(self) -> Table:
        """The table in its original order, with all columns."""
        return self._rows.table

    def show_table(
        self,
        table: Table,
        explanations: Mapping[str, str],
        remarks: Mapping[str, str] = _NO_REMARKS,
    ) -> None:
        """Show another table, in the order of its lines.

        Parameters
        ----------
        table : Table
            The table.
        explanations : mapping of str to str
            Explanations of its columns, for their tool tips.
        remarks : mapping of str to str
            Last lines of the tool tips of the values in columns with intervals.
        """
        self._rows.show_table(table, explanations, remarks)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        for column in range(self._rows.columnCount()):
            is_hidden = self._rows.is_end(column) or self._rows.is_empty(column)
            self.setColumnHidden(column, is_hidden)
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
        self.table = Table((), [])
        self._explanations: Mapping[str, str] = {}
        self._remarks: Mapping[str, str] = {}
        self._ends: dict[int, list[int]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.table.header

    def show_table(
        self,
        table: Table,
        explanations: Mapping[str, str],
        remarks: Mapping[str, str],
    ) -> None:
        self.beginResetModel()
        self.table = table
        self._explanations, self._remarks = explanations, remarks
        place = {name: column for column, name in enumerate(table.header)}
        self._ends = {
            column: [place[f"{name}_{end}"] for end in ENDS]
            for name, column in place.items()
            if f"{name}_{ENDS[0]}" in place
        }
        self.endResetModel()

    def is_end(self, column: int) -> bool:
        """Whether a column has an end of an interval."""
        return is_end(self.names[column])

    def is_empty(self, column: int) -> bool:
        """Whether no line has a value in a column."""
        return all(_shown(line[column]) == "" for line in self.table.lines)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.table.lines)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.names)

    def data(self, index: QModelIndex, role: int = Role.DisplayRole) -> Any:
        line = self.table.lines[index.row()]
        value = line[index.column()]
        ends = [line[column] for column in self._ends.get(index.column(), ())]
        if role == Role.DisplayRole:
            return with_interval(value, ends) or _shown(value)
        if role == Role.ToolTipRole:
            remark = self._remarks.get(self.names[index.column()], "")
            return "\n".join(filter(None, [_interval_in_words(ends), remark])) or None
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


def with_interval(value: Value, ends: Sequence[Value]) -> str:
    """A value with the ends of its 68% interval, without digits that mean nothing.

    Parameters
    ----------
    value : float
        The value.
    ends : sequence of float
        Ends of its intervals, in the order of `ENDS`.

    Returns
    -------
    str
        Empty if they are not known. The interval has two or three digits.

    Examples
    --------
    >>> from napari_vit_tfm.napari.quantities.table import with_interval
    >>> with_interval(1.23456, (1.0987, 1.4111, 0.95, 1.7))
    '1.23 (1.10 to 1.41)'
    >>> with_interval(12345.6, (11000.0, 14000.0, 9000.0, 16000.0))
    '12300 (11000 to 14000)'
    >>> with_interval(1.2, ())
    ''
    """
    if not ends:
        return ""
    numbers = [float(number) for number in (value, *ends[:2])]
    if not all(map(math.isfinite, numbers)):
        return ""
    half_width = (numbers[2] - numbers[1]) / 2
    n_decimals = 1 - math.floor(math.log10(half_width)) if half_width > 0 else 3
    if not 0 <= n_decimals <= _MOST_DECIMALS:
        shown = [f"{round(number, n_decimals):.6g}" for number in numbers]
    else:
        shown = [f"{number:.{n_decimals}f}" for number in numbers]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def _interval_in_words(ends: Sequence[Value]) -> str:
    """All ends of the intervals of a value; empty if they are not known."""
    if not ends or math.isnan(float(ends[0])):
        return ""
    low68, high68, low95, high95 = (f"{end:.4g}" for end in ends)
    return f"68%: {low68} to {high68}\n95%: {low95} to {high95}"
