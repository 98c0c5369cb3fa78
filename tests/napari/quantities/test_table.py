from __future__ import annotations

import math

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_vit_tfm.napari.quantities.table import ResultTable, with_interval
from napari_vit_tfm.quantities import (
    Interval,
    Origin,
    Row,
    gel_factors,
    side_by_side,
    table_of_rows,
)

COLUMNS = ["strain_energy_fJ", "total_force_nN", "leak"]


def row(frame, cell, energy, force, flags=()):
    values = dict(zip(COLUMNS, (energy, force, math.nan), strict=True))
    return Row(frame, cell, values, flags)


@pytest.fixture
def table(qtbot):
    table = ResultTable()
    qtbot.addWidget(table)
    rows = [
        row(0, 1, 9.5, 1.23456789),
        row(0, 2, 80.0, 3.0, ("border", "holes")),
        row(1, 1, 700.0, 2.0),
        row(1, 2, math.nan, 1.0),
    ]
    table.show_table(table_of_rows(COLUMNS, rows), {"total_force_nN": "the sum"})
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
    model, role = table.model(), Qt.ItemDataRole.ToolTipRole
    assert model.headerData(3, Qt.Orientation.Horizontal, role) == "the sum"
    assert model.headerData(2, Qt.Orientation.Horizontal, role) is None


def test_the_whole_table_is_copied_in_the_shown_order(table):
    table.sortByColumn(3, Qt.SortOrder.AscendingOrder)
    table.copy()
    lines = QGuiApplication.clipboard().text().split("\n")
    assert lines == [
        "frame\tcell\tstrain_energy_fJ\ttotal_force_nN\tflags",
        "1\t2\t\t1\t",
        "0\t1\t9.5\t1.234568\t",
        "1\t1\t700\t2\t",
        "0\t2\t80\t3\tborder;holes",
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


@pytest.mark.parametrize("way", ["click", "key", "double-click"])
def test_a_line_that_is_chosen_is_that_of_the_unsorted_table(table, qtbot, way):
    table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    index = table.model().index(0, 3)
    signal = table.line_opened if way == "double-click" else table.line_chosen
    with qtbot.waitSignal(signal) as chosen:
        if way == "key":
            table.setCurrentIndex(index)
        else:
            event = table.clicked if way == "click" else table.doubleClicked
            event.emit(index)
    assert chosen.args == [2]


def test_tractions_side_by_side_have_their_fields_and_methods(table):
    rows = [row(0, 1, 2.0, 1.0), row(1, 1, 3.0, 1.0)]
    found = side_by_side(
        [
            table_of_rows(COLUMNS, rows, origin=Origin("cell_07", method))
            for method in ("ViT", "FTTC", "Bayesian FTTC")
        ]
    )
    table.show_table(found, {})
    assert shown(table, 0) == ["cell_07"] * 6
    assert shown(table, 1) == ["ViT", "FTTC", "Bayesian FTTC"] * 2
    assert shown(table, 2) == ["0"] * 3 + ["1"] * 3
    assert table.text().splitlines()[0].startswith("field\tmethod\tframe\tcell")


@pytest.mark.parametrize(
    ("value", "ends", "expected"),
    [
        (1.23456, (1.0987, 1.4111, 0.9, 1.6), "1.23 (1.10 to 1.41)"),
        (-51.04, (-55.5, -46.1, -60.0, -40.0), "-51.0 (-55.5 to -46.1)"),
        (12345.6, (11040.0, 13960.0, 9000.0, 16000.0), "12300 (11000 to 14000)"),
        (3.21e-7, (3.11e-7, 3.42e-7, 3e-7, 4e-7), "3.21e-07 (3.11e-07 to 3.42e-07)"),
        (0.0, (0.0, 0.0, 0.0, 0.0), "0.000 (0.000 to 0.000)"),
        (1.2, (math.nan, math.nan, math.nan, math.nan), ""),
        ("border", (), ""),
    ],
)
def test_a_value_has_no_more_digits_than_its_interval_has(value, ends, expected):
    assert with_interval(value, ends) == expected


def test_columns_of_ends_are_shown_with_their_value(table):
    interval = Interval(2.8, 3.3, 2.5, 3.6)
    first = Row(0, 1, {"total_force_nN": 3.0}, (), {"total_force_nN": interval})
    unknown = Row(1, 1, {"total_force_nN": 2.0}, ())
    found = table_of_rows(
        ["total_force_nN"],
        [first, unknown],
        with_intervals=True,
        gel=gel_factors(0.1),
    )
    table.show_table(found, {}, {"total_force_nN": "and the gel"})
    hidden = [i for i in range(len(found.header)) if table.isColumnHidden(i)]
    assert [found.header[i] for i in hidden] == [
        *(f"total_force_nN_{end}" for end in ("low68", "high68", "low95", "high95")),
        *(f"gel_{end}" for end in ("low68", "high68", "low95", "high95")),
        "flags",
    ]
    assert shown(table, 2) == ["3.00 (2.80 to 3.30)", "2"]
    tip = table.model().index(0, 2).data(Qt.ItemDataRole.ToolTipRole)
    assert tip.splitlines() == ["68%: 2.8 to 3.3", "95%: 2.5 to 3.6", "and the gel"]
    # Sorting and copying use the numbers.
    table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    assert table.text().splitlines()[1:] == ["1\t1\t2", "0\t1\t3"]
    assert table.table is found
