"""Forms that magicgui makes from the options of a dataclass."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import pint
import psygnal
from magicgui.backends._qtpy.widgets import FloatSpinBox, QBaseRangedWidget
from magicgui.widgets import CheckBox, ComboBox
from magicgui.widgets.bases import RangedWidget, ValueWidget
from napari.utils.notifications import show_warning

# PyQt calls it pyqtSignal, and qtpy renames it without exporting the name.
from qtpy.QtCore import (  # type: ignore[attr-defined]
    QEvent,
    QLocale,
    QObject,
    QSignalBlocker,
    Qt,
    Signal,
)
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QSizePolicy,
    QWidget,
)
from superqt import QCollapsible

from napari_vit_tfm.napari.widgets.text_label import ChoiceTip
from napari_vit_tfm.options import Choice, Number, Option, Switch, options_of

_LARGEST = 1e9
"""Maximum of options that do not have one themselves."""

_TYPED = re.compile(
    r"\s*(?P<number>[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?)\s*(?P<unit>[^\W\d_]*)\s*",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")

_DOUBTED = "QDoubleSpinBox { color: #ffb454; }"
"""Style of a box with an unusual number."""

_DECIMALS = 8
"""Maximum number of decimals. Trailing zeros are not shown."""


class Form:
    """The rows of a form, one for each option of a dataclass.

    Parameters
    ----------
    options : type or mapping of str to Option
        The dataclass, or some of its options; see `napari_vit_tfm.options`.
    layout : QFormLayout
        Layout at whose end the rows are added.
    """

    changed = psygnal.Signal(str)
    """Emitted with the name of an option when the user has changed it."""

    def __init__(
        self, options: type[Any] | Mapping[str, Option], layout: QFormLayout
    ) -> None:
        known = options if isinstance(options, Mapping) else options_of(options)
        self._layout = layout
        self._widgets = {name: _widget(option) for name, option in known.items()}
        for name, widget in self._widgets.items():
            layout.addRow(known[name].about.label, widget.native)
            need_focus_for_wheel(widget.native)
            widget.changed.connect(lambda _, name=name: self.changed.emit(name))

    def __getitem__(self, name: str) -> ValueWidget[Any]:
        """The magicgui widget of an option."""
        return self._widgets[name]

    def values(self) -> dict[str, Any]:
        """The values of all options, by name."""
        return {name: widget.value for name, widget in self._widgets.items()}

    def show_values(self, values: Mapping[str, Any]) -> None:
        """Show values without emitting `changed`."""
        for name, value in values.items():
            with self._widgets[name].changed.blocked():
                self._widgets[name].value = value

    def set_choices(self, name: str, words: Mapping[Any, str]) -> None:
        """Replace the values of a choice, without emitting `changed`."""
        box = self._widgets[name]
        assert isinstance(box, ChoiceBox)
        with box.changed.blocked():
            box.set_words(words)

    def doubts(self) -> list[str]:
        """Sentences about unusual numbers in rows that are shown."""
        boxes = (one for one in self._widgets.values() if isinstance(one, NumberBox))
        found = (box.doubt() for box in boxes if not box.native.isHidden())
        return [doubt for doubt in found if doubt]

    def show_row(self, name: str, shown: bool) -> None:
        """Show or hide the row of an option."""
        native = self._widgets[name].native
        native.setVisible(shown)
        label = self._layout.labelForField(native)
        assert label is not None
        label.setVisible(shown)

    def remove(self) -> None:
        """Remove the rows from the layout."""
        for widget in self._widgets.values():
            self._layout.removeRow(widget.native)
        self._widgets = {}


def form_section(
    title: str, options: type[Any] | Mapping[str, Option], tip: str
) -> tuple[Form, QWidget]:
    """A form in a section that can be opened.

    Parameters
    ----------
    title : str
        Title of the section.
    options : type or mapping of str to Option
        As for `Form`.
    tip : str
        Tooltip of the section.

    Returns
    -------
    form : Form
        The form.
    section : QWidget
        The section.
    """
    content = QWidget()
    form = Form(options, form_layout(content))
    section = QCollapsible(title, expandedIcon="▼", collapsedIcon="▶")
    section.setDuration(0)
    layout = section.layout()
    assert layout is not None
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    section.setToolTip(tip)
    section.addWidget(content)
    return form, section


class NumberBox(RangedWidget[float]):
    """A number, or None if that is allowed.

    The exact number is kept, although the box shows it rounded.

    Parameters
    ----------
    about : Number
        Unit and range of the number.
    value : float, optional
        Initial value, in the option's unit.
    **described
        Name and tooltip, as for any magicgui widget.
    """

    def __init__(self, about: Number, value: float | None, **described: Any) -> None:
        self._about = about
        self._exact: float | None = None
        self._shown = math.nan
        self._help = str(described.get("tooltip", ""))
        super().__init__(
            widget_type=_NumberBackend,
            min=_lowest(about) / about.per_form_unit,
            max=min(about.maximum, _LARGEST) / about.per_form_unit,
            nullable=bool(about.otherwise),
            **described,
        )
        unit = about.form_unit or about.unit
        self.native.setDecimals(0 if about.is_whole else _DECIMALS)
        # magicgui's steps are a tenth of the number, whatever it is.
        self.native.setStepType(QAbstractSpinBox.StepType.DefaultStepType)
        self.native.setSingleStep((about.step or 1.0) / about.per_form_unit)
        self.native.first_number = _first_number(about)
        self.native.setSuffix(f" {unit}" if unit else "")
        self.native.setSpecialValueText(about.otherwise)
        self.native.refused.connect(self._on_refused)
        self.set_value(value)

    def get_value(self) -> Any:
        """The number in the option's unit; None if the box shows its special text."""
        shown = self.native.value()
        if shown == self._shown:
            return self._exact
        value = shown * self._about.per_form_unit
        if self._nullable and not self._about.allows(value):
            return None
        return round(value) if self._about.is_whole else value

    def set_value(self, value: Any) -> None:
        """Show a number in the option's unit, or None."""
        native, before = self.native, self.native.value()
        shown = None if value is None else value / self._about.per_form_unit
        with QSignalBlocker(native):
            native.setValue(native.minimum() if shown is None else shown)
        self._exact, self._shown = value, native.value()
        self._mark()
        if self._shown != before:
            self.changed.emit(value)

    def doubt(self) -> str:
        """A sentence about an unusual number; empty for others."""
        return self._about.doubt(self.get_value())

    def _mark(self) -> None:
        """Mark an unusual number in the box and its tooltip."""
        doubt = self.doubt()
        self.native.setStyleSheet(_DOUBTED if doubt else "")
        self.native.setToolTip(
            f"{self._help} {doubt}.".strip() if doubt else self._help
        )

    def _on_refused(self, text: str) -> None:
        about = self._about
        unit = about.form_unit or about.unit
        typed = text.removesuffix(self.native.suffix()).strip()
        show_warning(
            f"{about.label}: “{typed}” is not a number"
            f"{f' in {unit}' if unit else ''} {about.range_in_words}. "
            "The last value is kept."
        )

    def _on_value_change(self, value: Any = None) -> None:
        value = self.get_value()
        if value is None:
            # Between the smallest number and the one that is shown for None.
            with QSignalBlocker(self.native):
                self.native.setValue(self.native.minimum())
        self._mark()
        self.changed.emit(value)


class ChoiceBox(ComboBox):
    """One of several values, or None if that is allowed.

    Parameters
    ----------
    about : Choice
        The values and their texts.
    value : object
        Initial value.
    **described
        Name and tooltip, as for any magicgui widget.
    """

    def __init__(self, about: Choice, value: Any, **described: Any) -> None:
        self.null_string = about.otherwise
        super().__init__(
            value=value,
            choices=[(text, choice) for choice, text in about.words.items()],
            nullable=bool(about.otherwise),
            **described,
        )
        may_shrink(self.native)

    def set_words(self, words: Mapping[Any, str]) -> None:
        """Replace the values and their texts."""
        choices = [(text, choice) for choice, text in words.items()]
        if choices != self._default_choices:
            self._default_choices = choices
            self.reset_choices()


class NumberSpin(QDoubleSpinBox):
    """A box for a number that is typed with or without a unit.

    ``2 MPa`` and ``2e3`` are 2000 kPa in a box of kPa, and ``12,5`` is 12.5. A text
    that is not understood is refused as a whole, and `refused` is emitted.
    """

    refused = Signal(str)
    """Emitted with the text that was refused."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # A decimal point everywhere, as in files and on the command line.
        self.setLocale(QLocale.c())
        self.first_number = 1.0
        # Report a number when it is complete, not after each key.
        self.setKeyboardTracking(False)

    def stepBy(self, steps: int) -> None:
        """Change the number; from the special text, go to the first usual number."""
        if self.specialValueText() and self.value() == self.minimum() and steps > 0:
            self.setValue(self.first_number)
        else:
            super().stepBy(steps)

    def textFromValue(self, value: float) -> str:
        """The number without trailing zeros."""
        return self.locale().toString(value, "g", 10)

    def valueFromText(self, text: str | None) -> float:
        """The number of a text that `validate` accepts."""
        number = self._number(text or "")
        return self.value() if number is None else number

    def validate(
        self, text: str | None, position: int
    ) -> tuple[QValidator.State, str, int]:
        """Whether a text is understood; no key is swallowed."""
        text = text or ""
        number = self._number(text)
        allowed = number is not None and self.minimum() <= number <= self.maximum()
        state = QValidator.State
        return (state.Acceptable if allowed else state.Intermediate), text, position

    def fixup(self, text: str | None) -> str:
        """Return to the last number, and report the text."""
        self.refused.emit(text or "")
        return self.textFromValue(self.value()) + self.suffix()

    def _number(self, text: str) -> float | None:
        # Qt keeps the box's own unit at the end, after one that is typed.
        typed = text.removesuffix(self.suffix()).strip()
        unit, special = self.suffix().strip(), self.specialValueText()
        if special and typed in ("", unit, special):
            return self.minimum()
        return number_in(typed, unit)


def number_in(text: str, unit: str) -> float | None:
    """Read a number that a person typed.

    Parameters
    ----------
    text : str
        A number, with or without a unit that converts to `unit`. A comma is a decimal
        comma, unless it may be a thousands separator.
    unit : str
        The unit of the result; empty for a number without unit.

    Returns
    -------
    float or None
        The number in `unit`; None if the text is not understood.

    Examples
    --------
    >>> from napari_vit_tfm.napari.widgets.forms import number_in
    >>> [number_in(text, "kPa") for text in ("12,5", "2 MPa", "5e3 Pa")]
    [12.5, 2000.0, 5.0]
    >>> [number_in(text, "kPa") for text in ("12,500", "3 nm", "soft")]
    [None, None, None]
    """
    match = _TYPED.fullmatch(text)
    if match is None or _THOUSANDS.fullmatch(match["number"]):
        return None
    number, typed = float(match["number"].replace(",", ".")), match["unit"]
    if typed in ("", unit):
        return number
    registry: Any = pint.get_application_registry()  # type: ignore[no-untyped-call]
    try:
        converted = float(registry.Quantity(number, typed).to(unit or "1").magnitude)
    except (pint.PintError, AttributeError):
        return None
    # 12 digits are more than anybody types, and hide the rounding of the factor.
    return float(f"{converted:.12g}")


class _NumberBackend(FloatSpinBox):
    """The Qt side of `NumberBox`."""

    def __init__(self, **kwargs: Any) -> None:
        QBaseRangedWidget.__init__(self, NumberSpin, **kwargs)


def _lowest(about: Number) -> float:
    """Minimum of a box; it means None if that is allowed."""
    if not about.otherwise or about.excludes_minimum:
        return about.minimum
    return about.minimum - (1.0 if about.is_whole else 0.01)


def _first_number(about: Number) -> float:
    """The number after the special text, in the unit of the form."""
    if re.fullmatch(r"[\d.]+", about.otherwise):
        return float(about.otherwise)
    step = about.step or 1.0
    return max(step, about.usual[0] if about.usual else 0.0) / about.per_form_unit


def _widget(option: Option) -> ValueWidget[Any]:
    """The magicgui widget of an option, with its default value."""
    about = option.about
    described: dict[str, Any] = {"name": option.name, "tooltip": f"{about.help}."}
    if isinstance(about, Number):
        return NumberBox(about, option.default, **described)
    if isinstance(about, Switch):
        # The row has the label.
        box = CheckBox(value=option.default, **described)
        box.native.setText("")
        return box
    return ChoiceBox(about, option.default, **described)


class _WheelNeedsFocus(QObject):
    """Passes wheel events to the parent if the control has no focus."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Whether the event is not passed to the control."""
        assert isinstance(watched, QWidget)
        assert event is not None
        if event.type() != QEvent.Type.Wheel or watched.hasFocus():
            return False
        event.ignore()
        return True


def need_focus_for_wheel(widget: QWidget) -> None:
    """Let the mouse wheel change controls only while they have the focus.

    Otherwise, scrolling over a dock would change values by accident.

    Parameters
    ----------
    widget : QWidget
        A control, or a widget with controls.
    """
    kinds = (QAbstractSpinBox, QComboBox, QAbstractSlider)
    for control in [widget, *widget.findChildren(QWidget)]:
        if isinstance(control, kinds):
            control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            control.installEventFilter(_WheelNeedsFocus(control))


def may_shrink(combo: QComboBox) -> None:
    """Let a combo box be narrower than its texts, so that the dock stays narrow."""
    combo.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    combo.setMinimumContentsLength(16)
    combo.installEventFilter(ChoiceTip(combo))
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def form_layout(parent: QWidget | None = None) -> QFormLayout:
    """An empty layout for forms, in which controls have the full width."""
    layout = QFormLayout() if parent is None else QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout
