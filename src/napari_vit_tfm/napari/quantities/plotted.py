"""`PlottedQuantity`: the plot over time, and the choice of what it shows."""

from __future__ import annotations

import math

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QComboBox,
)

from napari_vit_tfm.napari.quantities.lines import lines_of_changes, lines_of_values
from napari_vit_tfm.napari.quantities.measured import Measured, factors
from napari_vit_tfm.napari.quantities.plot import TimePlot
from napari_vit_tfm.napari.widgets.forms import (
    may_shrink,
)
from napari_vit_tfm.quantities import (
    QUANTITIES,
    Interval,
    Quantity,
)

_KINDS = {"values": "values", "changes": "changes"}
"""What the plot shows."""


class PlottedQuantity:
    """A plot of one quantity, or of its changes, with the boxes that choose it.

    Attributes
    ----------
    quantity, kind : QComboBox
        The quantity, and whether its values or its changes are plotted.
    plot : TimePlot
        The plot.
    """

    def __init__(self) -> None:
        self.quantity, self.kind, self.plot = QComboBox(), QComboBox(), TimePlot()
        self.quantity.setToolTip("The quantity in the plot.")
        self.kind.setToolTip(
            "The quantity in each frame, or its change from the frame before: the "
            "ratio of positive quantities, the difference of others."
        )
        for key, words in _KINDS.items():
            self.kind.addItem(words, key)
        may_shrink(self.quantity)

    @property
    def shows_changes(self) -> bool:
        """Whether changes from frame to frame are plotted."""
        return bool(self.kind.currentData() == "changes")

    def chosen(self) -> Quantity | None:
        """The plotted quantity; None if none is known."""
        name = self.quantity.currentData()
        return None if name is None else QUANTITIES[name]

    def list_quantities(self, measured: Measured | None) -> None:
        """List the quantities that are known in some frame; the chosen one is kept.

        Parameters
        ----------
        measured : Measured, optional
            The measurement; None lists none.
        """
        before = self.quantity.currentData()
        self._allow_changes(measured is not None and measured.has_changes)
        with QSignalBlocker(self.quantity):
            self.quantity.clear()
            for name, one in QUANTITIES.items() if measured is not None else ():
                assert measured is not None
                if one.column(measured.scale) in self._known_columns(measured):
                    unit, _ = measured.scale.unit(one.dimension)
                    unit = "" if self.shows_changes else unit
                    self.quantity.addItem(_with_unit(one.words, unit), name)
            index = self.quantity.findData(before)
            self.quantity.setCurrentIndex(max(index, 0))

    def _allow_changes(self, has_changes: bool) -> None:
        with QSignalBlocker(self.kind):
            if not has_changes:
                self.kind.setCurrentIndex(self.kind.findData("values"))
        self.kind.setEnabled(has_changes)

    def _known_columns(self, measured: Measured) -> set[str]:
        return (
            measured.columns_with_changes()
            if self.shows_changes
            else measured.columns_with_values()
        )

    def draw(self, measured: Measured | None, gel: Interval | None) -> None:
        """Plot the chosen quantity of a measurement.

        Parameters
        ----------
        measured : Measured, optional
            The measurement; None plots nothing.
        gel : Interval, optional
            Factors of the error of Young's modulus; None if it is not known.
        """
        quantity = self.chosen()
        if quantity is None or measured is None:
            self.plot.show_lines([], "")
            return
        column, note = quantity.column(measured.scale), ""
        if self.shows_changes:
            lines = lines_of_changes(measured, column)
            is_ratio = quantity.error == "ratio"
            unit = "" if is_ratio else measured.scale.unit(quantity.dimension)[0]
            words = (
                "ratio to the frame before" if is_ratio else "minus the frame before"
            )
            label, reference = _with_unit(words, unit), float(is_ratio)
        else:
            lines, reference = lines_of_values(measured, column), None
            label = self.quantity.currentText()
            if gel is not None and measured.scale.has_error_of_gel(quantity.dimension):
                note = f"gel: all {factors(gel).partition(' (')[0]}"
        if any(math.isfinite(end) for line in lines for end in line.ends[0]):
            note = "; ".join(filter(None, ["bands: 68% and 95%", note]))
        self.plot.show_lines(lines, label, reference=reference, note=note)


def _with_unit(words: str, unit: str) -> str:
    return f"{words} ({unit.replace('_', ' ')})" if unit else words
