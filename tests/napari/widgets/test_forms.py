from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QFormLayout, QWidget

from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.widgets import forms
from napari_vit_tfm.napari.widgets.forms import Form
from napari_vit_tfm.options import Choice, Number, Switch, options_of


@dataclass(frozen=True)
class Settings:
    young_pa: Annotated[
        float | None,
        Number(
            label="Young's modulus",
            help="Stiffness of the gel",
            unit="Pa",
            form_unit="kPa",
            per_form_unit=1000.0,
            otherwise="not known",
        ),
    ] = None
    poisson: Annotated[
        float | None,
        Number(
            label="Poisson ratio",
            help="Compressibility of the gel",
            maximum=0.5,
            excludes_minimum=False,
            otherwise="0.49",
        ),
    ] = None
    count: Annotated[
        int, Number(label="Count", help="How many", minimum=1, is_whole=True)
    ] = 8
    unit: Annotated[
        str | None,
        Choice(
            label="Unit",
            help="What it is measured in",
            words={"um": "micrometres", "px": "pixels"},
            otherwise="choose",
        ),
    ] = None
    device: Annotated[
        str,
        Choice(label="Device", help="Where", words={"auto": "automatic", "cpu": "CPU"}),
    ] = "auto"
    inner: int = 3


@pytest.fixture
def shown(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget, Form(Settings, QFormLayout(widget))


def test_a_form_has_a_row_with_label_and_tooltip_for_each_option(shown):
    widget, form = shown
    layout = widget.layout()
    assert layout.rowCount() == 5
    assert layout.labelForField(form["young_pa"].native).text() == "Young's modulus"
    for name, option in options_of(Settings).items():
        assert form[name].tooltip == f"{option.about.help}."
        assert form[name].native.toolTip() == f"{option.about.help}."


def test_a_form_begins_with_the_defaults(shown):
    _, form = shown
    assert Settings(**form.values()) == Settings()
    assert form["young_pa"].native.text() == "not known"
    assert form["count"].native.text() == "8"
    assert form["unit"].current_choice == "choose"


def test_typed_values_are_converted_to_the_unit_of_the_option(shown):
    _, form = shown
    names = []
    form.changed.connect(names.append)
    form["young_pa"].native.setValue(2.5)
    form["poisson"].native.setValue(0)
    form["unit"].native.setCurrentIndex(2)
    assert names == ["young_pa", "poisson", "unit"]
    assert form.values() == {
        "young_pa": 2500.0,
        "poisson": 0.0,
        "count": 8,
        "unit": "px",
        "device": "auto",
    }
    assert form["young_pa"].native.text() == "2.5 kPa"


def test_a_shown_value_is_kept_exactly_and_emits_no_signal(shown):
    _, form = shown
    names = []
    form.changed.connect(names.append)
    exact = 1234.5678901234567
    form.show_values({"young_pa": exact, "unit": "um"})
    assert names == []
    assert form.values()["young_pa"] == exact
    assert form.values()["unit"] == "um"
    form.show_values({"young_pa": None, "unit": None})
    assert form.values()["young_pa"] is None
    assert form.values()["unit"] is None


def test_a_number_can_be_reset_to_none(shown):
    _, form = shown
    box = form["young_pa"].native
    box.setValue(3)
    box.setValue(box.minimum())
    assert form.values()["young_pa"] is None


def test_numbers_outside_the_range_are_none(shown):
    _, form = shown
    values = []
    form.changed.connect(lambda name: values.append(form.values()[name]))
    box = form["poisson"].native
    box.setValue(-0.005)
    assert values == [None]
    assert box.value() == box.minimum()
    assert box.text() == "0.49"


@pytest.mark.parametrize(
    ("typed", "young_pa"),
    [
        ("12,5", 12_500.0),
        ("12.5 kPa", 12_500.0),
        ("5000 Pa", 5000.0),
        ("2 MPa", 2e6),
        ("5e3", 5e6),
        ("", None),
        ("not known", None),
    ],
)
def test_numbers_are_typed_as_people_write_them(shown, qtbot, typed, young_pa):
    widget, form = shown
    widget.show()
    form["young_pa"].value = 7000.0
    type_into(qtbot, form["young_pa"].native, typed)
    assert form.values()["young_pa"] == young_pa


@pytest.mark.parametrize("typed", ["12,500", "3 nm", "-3", "soft", "1.2.3", "0.7e"])
def test_a_text_that_is_not_understood_is_refused_as_a_whole(
    shown, qtbot, typed, monkeypatch
):
    warnings = []
    monkeypatch.setattr(forms, "show_warning", warnings.append)
    widget, form = shown
    widget.show()
    form["young_pa"].value = 7000.0
    type_into(qtbot, form["young_pa"].native, typed)
    assert form.values()["young_pa"] == 7000.0
    assert form["young_pa"].native.text() == "7 kPa"
    (warning,) = warnings
    assert f"Young's modulus: “{typed}" in warning


def type_into(qtbot, box, text):
    box.selectAll()
    box.lineEdit().selectAll()
    qtbot.keyClick(box, Qt.Key.Key_Delete)
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


def test_rows_are_hidden_and_removed_with_their_labels(shown):
    widget, form = shown
    layout = widget.layout()
    label = layout.labelForField(form["count"].native)
    form.show_row("count", False)
    assert label.isHidden()
    assert form["count"].native.isHidden()
    form.show_row("count", True)
    assert not label.isHidden()
    form.remove()
    assert layout.rowCount() == 0
    assert form.values() == {}


@pytest.mark.parametrize("name", ["count", "device"])
def test_the_wheel_changes_nothing_without_focus(shown, name):
    widget, form = shown
    widget.show()
    control = form[name].native
    before = form.values()
    turn(control)
    assert form.values() == before
    control.setFocus()
    QApplication.processEvents()
    if control.hasFocus():
        turn(control)
        assert form.values() != before


def turn(control: QWidget) -> None:
    middle = QPointF(control.rect().center())
    event = QWheelEvent(
        middle,
        control.mapToGlobal(middle),
        QPoint(0, 0),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(control, event)


def test_a_switch_is_a_check_box(qtbot) -> None:
    @dataclass(frozen=True)
    class Preparation:
        reverse: Annotated[bool, Switch(label="Reverse", help="Turn round")] = False

    widget, told = QWidget(), []
    qtbot.addWidget(widget)
    form = Form(Preparation, QFormLayout(widget))
    form.changed.connect(told.append)
    assert form.values() == {"reverse": False}
    form["reverse"].native.setChecked(True)
    assert form.values() == {"reverse": True}
    assert told == ["reverse"]


def test_steps_are_sensible_and_unusual_numbers_are_marked(qtbot) -> None:
    widget = QWidget()
    qtbot.addWidget(widget)
    form = Form(Gel, QFormLayout(widget))
    widget.show()
    young, thickness = form["young_pa"], form["thickness_um"]
    # From the special text, a step leads to a number that can be meant.
    for control, steps in ((young, (1000, 2000)), (thickness, (5, 6))):
        for value in steps:
            control.native.stepBy(1)
            assert control.value == value
    assert form.doubts() == []
    assert not thickness.native.styleSheet()
    thickness.native.setValue(0.01)
    assert form.doubts() == ["Gel thickness: 0.01 µm is unusual; 5 to 5000 µm is usual"]
    assert "unusual" in thickness.native.toolTip()
    assert thickness.native.styleSheet()
    thickness.value = None
    assert form.doubts() == []
    assert "unusual" not in thickness.native.toolTip()
    form["poisson"].native.stepBy(1)
    assert form["poisson"].value == 0.49
