from __future__ import annotations

import math

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_vit_tfm.napari.quantities.table import QuantitiesTable
from napari_vit_tfm.quantities import Row, Scale

COLUMNS = ["strain_energy_fJ", "total_force_nN", "leak"]


def row(frame, cell, energy, force, flags=()):
    values = dict(zip(COLUMNS, (energy, force, math.nan), strict=True))
    return Row(frame, cell, values, flags)


@pytest.fixture
def table(qtbot):
    table = QuantitiesTable()
    qtbot.addWidget(table)
    rows = [
        row(0, 1, 9.5, 1.23456789),
        row(0, 2, 80.0, 3.0, ("border", "holes")),
        row(1, 1, 700.0, 2.0),
        row(1, 2, math.nan, 1.0),
    ]
    table.show_rows({"ViT": rows}, COLUMNS, Scale("Pa", "um"))
    return table


def shown(table, column):
    model = table.model()
    return [model.index(i, column).data() for i in range(model.rowCount())]


def test_numbers_are_sorted_as_numbers_and_unknown_ones_come_last(table):
    assert shown(table, 2) == ["9.5", "80", "700", ""]
    table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    assert shown(table, 2) == ["700", "80", "9.5", ""]
    assert shown(table, 0) == ["1", "0", "0", "1"]
    table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    assert shown(table, 2) == ["9.5", "80", "700", ""]


def test_columns_without_a_number_are_hidden(table):
    assert [table.isColumnHidden(column) for column in range(6)] == [
        *[False] * 4,
        True,
        False,
    ]


def test_the_header_explains_the_columns(table):
    tip = table.model().headerData(
        2, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole
    )
    assert tip.startswith("strain energy: 1/2 sum t.u h^2")


def test_the_whole_table_is_copied_in_the_shown_order(table):
    table.sortByColumn(3, Qt.SortOrder.AscendingOrder)
    table.copy()
    lines = QGuiApplication.clipboard().text().split("\n")
    assert lines == [
        "frame\tcell\tstrain_energy_fJ\ttotal_force_nN\tflags",
        "1\t2\t\t1\t",
        "0\t1\t9.5\t1.234568\t",
        "1\t1\t700\t2\t",
        "0\t2\t80\t3\tborder, holes",
    ]


def test_the_selected_cells_are_copied(table, qtbot):
    model = table.model()
    for place in ((0, 1), (1, 2)):
        table.selectionModel().select(
            model.index(*place), table.selectionModel().SelectionFlag.Select
        )
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == (
        "cell\tstrain_energy_fJ\n1\t9.5\n2\t80"
    )


def test_a_double_click_chooses_the_frame_of_the_row(table, qtbot):
    table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    with qtbot.waitSignal(table.frame_chosen) as chosen:
        table.doubleClicked.emit(table.model().index(0, 3))
    assert chosen.args == [1]


def test_the_rows_of_two_tractions_follow_each_other_and_have_their_names(table):
    tables = {
        "ViT": [row(0, 1, 2.0, 1.0), row(1, 1, 3.0, 1.0)],
        "FTTC": [row(0, 1, 4.0, 1.0), row(1, 1, 5.0, 1.0)],
    }
    table.show_rows(tables, COLUMNS, Scale("Pa", "um"))
    assert shown(table, 0) == ["ViT", "FTTC", "ViT", "FTTC"]
    assert shown(table, 3) == ["2", "4", "3", "5"]
    assert table.text().splitlines()[0].startswith("tractions\tframe\tcell")
