"""Labels for sentences."""

from __future__ import annotations

import html

import pytest
from qtpy.QtCore import QEvent, QPoint
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QComboBox, QToolTip, QWidget

from napari_vit_tfm.napari.widgets.forms import may_shrink
from napari_vit_tfm.napari.widgets.text_label import TextLabel

TEXT = (
    "The tractions explain 98% of the squared displacement in each of 12 frames. " * 3
)


@pytest.fixture
def label(qtbot):
    def make(text: str, *, lines: int = 1, style: str = "") -> TextLabel:
        label = TextLabel(lines)
        label.setStyleSheet(style)
        label.setText(text)
        qtbot.addWidget(label)
        label.show()
        return label

    return make


def tip_of(widget: QWidget) -> str:
    """The tooltip that appears when the mouse rests on a widget."""
    place = QPoint(5, 5)
    asks = QHelpEvent(QEvent.Type.ToolTip, place, widget.mapToGlobal(place))
    QApplication.sendEvent(widget, asks)
    tip = QToolTip.text()
    QToolTip.hideText()
    return tip


def whole(label: TextLabel) -> str:
    return " ".join(label.visible_text.split())


@pytest.mark.parametrize("style", ["", "QLabel { font-size: 13pt; padding: 4px }"])
def test_a_text_is_whole_at_the_height_it_asks_for(label, style):
    shown = label(TEXT, style=style)
    shown.resize(300, shown.heightForWidth(300))
    assert not shown.is_cut
    assert shown.visible_text == TEXT
    # One line less.
    shown.resize(300, shown.height() - shown.fontMetrics().lineSpacing())
    assert shown.is_cut


@pytest.mark.parametrize("n_lines", [1, 2, 3])
def test_what_does_not_fit_is_left_out_and_said_in_the_tooltip(label, n_lines):
    shown = label(TEXT, lines=n_lines)
    shown.setToolTip("A large share alone is no merit.")
    shown.resize(300, shown.minimumSizeHint().height())
    lines = shown.visible_text.split("\n")
    assert len(lines) == n_lines
    assert lines[-1].endswith("…")
    assert all(shown.fontMetrics().horizontalAdvance(line) <= 300 for line in lines)
    assert TEXT.startswith(whole(shown).removesuffix("…"))
    assert shown.text() == TEXT
    tip = tip_of(shown)
    for part in (TEXT.strip(), "no merit"):
        assert part in tip


def test_the_drawn_text_is_broken_into_lines(label):
    shown = label(TEXT, lines=2)
    shown.resize(300, shown.minimumSizeHint().height())
    before = shown.grab().toImage()
    assert shown.is_cut
    # The same lines in a label that has room for them.
    other = label(shown.visible_text, lines=2)
    other.resize(shown.size())
    assert not other.is_cut
    assert other.grab().toImage() == before


def test_lines_of_a_text_are_kept(label):
    shown = label("first\nsecond\nthird", lines=2)
    shown.resize(300, shown.minimumSizeHint().height())
    assert shown.visible_text == "first\nsecond…"
    shown.resize(300, shown.heightForWidth(300))
    assert shown.visible_text == "first\nsecond\nthird"


def test_a_reserved_line_has_the_height_of_the_font_that_is_set_later(label):
    shown = label("word", lines=2)
    small = shown.minimumSizeHint().height()
    shown.setStyleSheet("QLabel { font-size: 20pt }")
    shown.ensurePolished()
    assert shown.minimumSizeHint().height() > 1.3 * small
    assert shown.heightForWidth(300) >= shown.minimumSizeHint().height()


def test_names_that_look_like_html_are_shown_as_they_are(label):
    shown = label("<b>cell</b> " * 40)
    shown.resize(300, shown.minimumSizeHint().height())
    assert shown.visible_text.startswith("<b>cell</b> <b>")
    assert html.escape("<b>cell</b>") in tip_of(shown)


def test_the_tooltip_of_a_narrow_combo_box_has_the_whole_name(qtbot):
    combo = QComboBox()
    qtbot.addWidget(combo)
    may_shrink(combo)
    combo.setToolTip("The displacement field.")
    combo.addItem("2024-05-03_stage-3_cell-07_after-30-min: displacement (grid steps)")
    combo.show()
    tip = tip_of(combo)
    assert combo.itemText(0) in tip
    assert "The displacement field." in tip
