"""Examination of the chosen field: a line in the dock, and all of it in a box."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMessageBox, QPushButton, QWidget

from napari_vit_tfm.displacement.doctor import Diagnosis, examine
from napari_vit_tfm.displacement.findings import Known
from napari_vit_tfm.displacement.frame_diagnosis import FrameDiagnosis
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.plain_text import without_tags

_LONGEST = 120
"""Most characters of a note in the dock."""

_TITLE = "About this field"


@dataclass(frozen=True, eq=False)
class Examination:
    """A request to examine the frames of a stack."""

    stack: DisplacementStack


def examine_frames(
    request: Examination, is_cancelled: Callable[[], bool]
) -> Generator[None, None, tuple[FrameDiagnosis, ...]]:
    """Examine a stack, frame by frame, so that it can be cancelled.

    Yields
    ------
    None
        After each frame.

    Returns
    -------
    tuple of FrameDiagnosis
    """
    found: list[FrameDiagnosis] = []
    for number in range(request.stack.n_frames):
        if is_cancelled():
            break
        found += examine(request.stack.part(number, number + 1)).frames
        yield
    return tuple(found)


class FieldNotes(QWidget):
    """Notes about a field: doubtful numbers, how its file was read, what is unusual.

    The first of them is shown, and all of them on request. The frames of a field are
    examined in a thread, once.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stack: DisplacementStack | None = None
        self._gel = Gel()
        self._doubts: Sequence[str] = ()
        self._frames: tuple[FrameDiagnosis, ...] = ()
        self._line = QLabel()
        self._line.setWordWrap(True)
        self._line.setTextFormat(Qt.TextFormat.PlainText)
        self._button = QPushButton("Details\N{HORIZONTAL ELLIPSIS}")
        self._button.setToolTip("All notes about the field, and what was measured.")
        self._button.clicked.connect(self.show_details)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line, 1)
        layout.addWidget(self._button, 0, Qt.AlignmentFlag.AlignTop)
        self._job = LatestJob[Examination, None, tuple[FrameDiagnosis, ...]](
            self,
            examine_frames,
            on_result=self._on_examined,
            on_error=lambda _request, _error: None,
        )
        self.hide()

    @property
    def is_busy(self) -> bool:
        """Whether a field is being examined."""
        return self._job.is_busy

    def show_field(
        self, stack: DisplacementStack | None, gel: Gel, doubts: Sequence[str]
    ) -> None:
        """Show the notes about a field.

        Parameters
        ----------
        stack : DisplacementStack, optional
            The field; None if there is none.
        gel : Gel
            The gel in the form.
        doubts : sequence of str
            Sentences about numbers that the user has typed.
        """
        before, self._stack = self._stack, stack
        self._gel, self._doubts = gel, doubts
        if stack is None:
            self._frames = ()
            self._job.cancel()
        elif before is None or before.data is not stack.data:
            self._frames = ()
            self._job.submit(Examination(stack))
        self._update()

    def _on_examined(
        self, request: Examination, frames: tuple[FrameDiagnosis, ...]
    ) -> None:
        if self._stack is not None and request.stack.data is self._stack.data:
            self._frames = frames
            self._update()

    def notes(self) -> list[str]:
        """All notes, the most important ones first."""
        if self._stack is None:
            return []
        diagnosis = self._diagnosis()
        return [
            *self._doubts,
            *self._stack.metadata.get("notes", ()),
            *(() if diagnosis is None else diagnosis.warnings),
        ]

    def _diagnosis(self) -> Diagnosis | None:
        if self._stack is None or not self._frames:
            return None
        stack = replace(self._stack, gel=self._gel)
        y = stack.metadata.get("y")
        known = Known.about(stack)
        return Diagnosis(stack.n_frames, stack.grid_shape, y, known, self._frames)

    def _update(self) -> None:
        notes = self.notes()
        more = f" (and {len(notes) - 1} more)" if len(notes) > 1 else ""
        self._line.setText(_shortened(notes[0], more) if notes else "")
        self._line.setToolTip(without_tags("\n".join(notes)))
        self.setVisible(bool(notes))

    def text(self) -> str:
        """The note that is shown."""
        return self._line.text()

    def show_details(self) -> None:
        """Open a box with all notes, and with drift, noise and unused vectors."""
        diagnosis = self._diagnosis()
        box = QMessageBox(self)
        box.setWindowTitle(_TITLE)
        box.setText(_TITLE)
        box.setTextFormat(Qt.TextFormat.PlainText)
        measured = [] if diagnosis is None else diagnosis.measured_in_words()
        bullets = [f"\N{BULLET} {note}" for note in self.notes()]
        box.setInformativeText("\n".join([*bullets, "", *measured]))
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()


def _shortened(note: str, more: str) -> str:
    note = note[:1].upper() + note[1:]
    if len(note) <= _LONGEST:
        return note + more
    return note[:_LONGEST].rsplit(" ", 1)[0] + "\N{HORIZONTAL ELLIPSIS}" + more
