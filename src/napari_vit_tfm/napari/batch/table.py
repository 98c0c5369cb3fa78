"""The table of experiments, with the state of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from qtpy.QtCore import (  # type: ignore[attr-defined]
    QAbstractTableModel,
    QItemSelection,
    QModelIndex,
    QObject,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QWidget

from napari_vit_tfm.batch import Experiment, Outcome, Progress
from napari_vit_tfm.napari.widgets.table import CopiedTable

Role = Qt.ItemDataRole

_COLUMNS = ("experiment", "state", "notes")
_FAILED = QColor("#ff8a70")


@dataclass(frozen=True)
class State:
    """What has become of an experiment so far.

    Parameters
    ----------
    words : str
        The state, such as "running, 3 of 20 frames".
    notes : tuple of str
        Why it failed, or what has been noticed, one sentence each.
    has_failed : bool
        Whether it failed.
    """

    words: str = "waiting"
    notes: tuple[str, ...] = ()
    has_failed: bool = False

    @classmethod
    def of(cls, step: Progress | Outcome) -> State:
        """The state after a step of a run."""
        if isinstance(step, Progress):
            frames = f", {step.n_done} of {step.n_frames} frames"
            return cls(f"running{frames if step.n_frames else ''}")
        if step.error:
            return cls("failed", (step.error,), has_failed=True)
        words = "done before" if step.was_done else "done"
        return cls(words, tuple(step.record["notes"]))


class ExperimentsTable(CopiedTable):
    """Experiments, their states, and why some failed.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    experiment_chosen = Signal(int)
    """Emitted with the row of an experiment that is double-clicked."""

    selection_changed = Signal()
    """Emitted when other rows are selected."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = _Rows(self)
        self.setModel(self._rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setWordWrap(False)
        header = self.horizontalHeader()
        assert header is not None
        header.setStretchLastSection(True)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.doubleClicked.connect(self._on_double_click)

    def show_experiments(self, experiments: Sequence[Experiment]) -> None:
        """Show other experiments, which are all waiting."""
        self._rows.show_names([one.name for one in experiments])
        self.resizeColumnToContents(0)

    def show_step(self, step: Progress | Outcome) -> None:
        """Show the state of an experiment after a step of a run."""
        self._rows.set_state(step.experiment.name, State.of(step))

    def wait_again(self) -> None:
        """Show that experiments that are running have been stopped."""
        self._rows.stop()

    def state_of(self, row: int) -> State:
        """The state of an experiment."""
        return self._rows.states[row]

    def chosen_row(self) -> int | None:
        """The selected row; None if there are none or several."""
        rows = {index.row() for index in self.selectedIndexes()}
        return rows.pop() if len(rows) == 1 else None

    def selectionChanged(
        self, selected: QItemSelection, deselected: QItemSelection
    ) -> None:
        """Tell that other rows are selected."""
        super().selectionChanged(selected, deselected)
        self.selection_changed.emit()

    def _on_double_click(self, index: QModelIndex) -> None:
        self.experiment_chosen.emit(index.row())


class _Rows(QAbstractTableModel):
    """One row for each experiment."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._names: list[str] = []
        self._number: dict[str, int] = {}
        self.states: list[State] = []

    def show_names(self, names: list[str]) -> None:
        self.beginResetModel()
        self._names = names
        self._number = {name: row for row, name in enumerate(names)}
        self.states = [State() for _ in names]
        self.endResetModel()

    def set_state(self, name: str, state: State) -> None:
        row = self._number[name]
        self.states[row] = state
        self.dataChanged.emit(self.index(row, 1), self.index(row, len(_COLUMNS) - 1))

    def stop(self) -> None:
        for name, state in zip(self._names, self.states, strict=True):
            if state.words.startswith("running"):
                self.set_state(name, replace(state, words="waiting"))

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._names)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def data(self, index: QModelIndex, role: int = Role.DisplayRole) -> Any:
        name, state = self._names[index.row()], self.states[index.row()]
        if role == Role.DisplayRole:
            texts = (name, state.words, " ".join(" ".join(state.notes).split()))
            return texts[index.column()]
        if role == Role.ToolTipRole:
            return "\n".join(state.notes) or None
        if role == Role.ForegroundRole and state.has_failed:
            return _FAILED
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Role.DisplayRole:
            return _COLUMNS[section]
        return None
