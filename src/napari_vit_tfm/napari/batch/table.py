"""The table of experiments, with the state of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from napari_vit_tfm.plain_text import without_tags

Role = Qt.ItemDataRole

_COLUMNS = ("experiment", "state", "notes")
_FAILED = QColor("#ff8a70")

_LARGEST_WIDTH = 140
"""Width of the names, in pixels, unless the user makes their column wider."""


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
            return cls(f"running{frames if step.n_frames > 1 else ''}")
        if step.error:
            # The file is in the tooltip, and there is little room.
            reason = step.error.removeprefix(f"{step.experiment.file}: ")
            return cls("failed", (reason,), has_failed=True)
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
        self._rows.show_experiments(list(experiments))
        self.resizeColumnToContents(0)
        self.setColumnWidth(0, min(self.columnWidth(0), _LARGEST_WIDTH))

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
        self._experiments: list[Experiment] = []
        self._number: dict[str, int] = {}
        self.states: list[State] = []

    def show_experiments(self, experiments: list[Experiment]) -> None:
        self.beginResetModel()
        self._experiments = experiments
        self._number = {one.name: row for row, one in enumerate(experiments)}
        self.states = [State() for _ in experiments]
        self.endResetModel()

    def set_state(self, name: str, state: State) -> None:
        row = self._number[name]
        self.states[row] = state
        self.dataChanged.emit(self.index(row, 1), self.index(row, len(_COLUMNS) - 1))

    def stop(self) -> None:
        for one, state in zip(self._experiments, self.states, strict=True):
            if state.words.startswith("running"):
                self.set_state(one.name, State())

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._experiments)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def data(self, index: QModelIndex, role: int = Role.DisplayRole) -> Any:
        one, state = self._experiments[index.row()], self.states[index.row()]
        if role == Role.DisplayRole:
            texts = (one.name, state.words, " ".join(" ".join(state.notes).split()))
            return texts[index.column()]
        if role == Role.ToolTipRole:
            return without_tags("\n".join([str(one.file), *state.notes]))
        if role == Role.ForegroundRole and state.has_failed:
            return _FAILED
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Role.DisplayRole:
            return _COLUMNS[section]
        return None
