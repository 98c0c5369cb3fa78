"""`ResultTabs`: the tables of a measurement, in tabs."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_vit_tfm.napari.quantities.measured import Measured, factors
from napari_vit_tfm.napari.quantities.table import ResultTable
from napari_vit_tfm.napari.widgets.text_label import TextLabel
from napari_vit_tfm.quantities import (
    QUANTITIES,
    Interval,
    Scale,
    Table,
    adhesion_columns,
)

_NOTHING = Table((), [])

_OF_CHANGES = {
    "change": "Value over that of the frame before, or minus it: see the column kind.",
    "low68": "The change is between low68 and high68 with a probability of 68%.",
    "low95": "The change is between low95 and high95 with a probability of 95%.",
}
_OF_CONTROL = {
    "floor": "Mean without a force of the cell: the noise floor.",
    "floor_95": "95% of the values without force are not larger.",
    "p": "Probability of a value at least as extreme without a force.",
    "n_runs": "Number of reconstructions without force.",
    "n_twins": "Number of places without cell to which the region was moved.",
    "twin_mean": "Mean of the quantity in these places.",
    "twin_max": "Its largest magnitude in these places.",
}
"""What the columns are."""


class ResultTabs(QTabWidget):
    """Tables of quantities, adhesions, changes, and the control without force.

    The last two have a tab only if there are any.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.

    Attributes
    ----------
    cells, adhesions, changes, control : ResultTable
        The tables.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cells, self.adhesions = ResultTable(), ResultTable()
        self.changes, self.control = ResultTable(), ResultTable()
        self.adhesions.setToolTip("Click to outline the adhesion on the canvas.")
        self._sentences = TextLabel(1)
        with_sentences = QWidget()
        layout = QVBoxLayout(with_sentences)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._sentences)
        layout.addWidget(self.control)
        self.addTab(self.cells, "Cells")
        self.addTab(self.adhesions, "Adhesions")
        self.addTab(self.changes, "Changes")
        self.addTab(with_sentences, "Control")
        # By the names of their files.
        self._tables = {
            "quantities": self.cells,
            "adhesions": self.adhesions,
            "changes": self.changes,
            "control": self.control,
        }

    def show_measured(self, measured: Measured | None, gel: Interval | None) -> None:
        """Show the tables of a measurement.

        Parameters
        ----------
        measured : Measured, optional
            The quantities. None shows nothing.
        gel : Interval, optional
            As for `Measured.table`.
        """
        if measured is None:
            for table in self._tables.values():
                table.show_table(_NOTHING, {})
            return
        scale = measured.scale
        changes, control = measured.change_table(), measured.control_table()
        remarks = {} if gel is None else _remarks(scale, gel)
        self.cells.show_table(measured.table(gel), _explanations(scale), remarks)
        self.adhesions.show_table(measured.adhesion_table(), adhesion_columns(scale))
        self.changes.show_table(changes, _OF_CHANGES)
        self.control.show_table(control, _OF_CONTROL)
        for name, found in (("changes", changes), ("control", control)):
            self.setTabVisible([*self._tables].index(name), bool(found.lines))

    def show_control(self, sentences: Sequence[str]) -> None:
        """Show sentences above the table of the control."""
        self._sentences.setText("\n".join(sentences))

    @property
    def control_text(self) -> str:
        """What stands above the table of the control."""
        return self._sentences.text()

    @property
    def shown_name(self) -> str:
        """What the shown table is: part of the name of its file."""
        return [*self._tables][self.currentIndex()]

    @property
    def shown_table(self) -> ResultTable:
        """The table that is shown."""
        return self._tables[self.shown_name]


def _explanations(scale: Scale) -> dict[str, str]:
    """What the columns of quantities are."""
    return {
        one.column(scale): f"{one.words}: {one.formula}" for one in QUANTITIES.values()
    }


def _remarks(scale: Scale, gel: Interval) -> dict[str, str]:
    """What the error of Young's modulus adds to columns of quantities."""
    return {
        one.column(scale): f"and Young's modulus, for all alike: {factors(gel)}"
        for one in QUANTITIES.values()
        if scale.has_error_of_gel(one.dimension)
    }
