"""`Dock`: base class of both docks."""

from __future__ import annotations

import weakref
from typing import Any

from napari.components import ViewerModel
from qtpy.compat import isalive
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QWidget

from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.widgets.forms import form_layout, need_focus_for_wheel
from napari_vit_tfm.napari.widgets.inputs import (
    FieldChooser,
    MethodForm,
    ModelChooser,
    text_label,
)


class Dock(QWidget):
    """A dock for one displacement field and one model, with a button for its job.

    The dock watches the viewer while it is visible. The button starts or cancels the
    job. Subclasses define `job`, `start_job` and `cancel_job`. They are not checked by
    an ABC, since Qt's classes have a metaclass of their own.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer whose layers are used.
    message_lines : int, keyword-only
        Number of lines that are reserved for the message.
    """

    def __init__(self, viewer: ViewerModel, *, message_lines: int) -> None:
        super().__init__()
        self._viewer = viewer
        self._root: weakref.ref[QWidget] = weakref.ref(self)
        self.form = form_layout()
        self.fields = FieldChooser(viewer.layers)
        self.fields.setToolTip("The displacement field.")
        self.model = ModelChooser()
        self.model.setToolTip("The network or method that computes the tractions.")
        self.method = MethodForm(self.form)
        self.message = text_label(message_lines)
        for control in (self.fields, self.model):
            need_focus_for_wheel(control)

    def add_model_rows(self) -> None:
        """Add the model, and the options of its method, to the end of the form."""
        self.form.addRow("Model", self.model)
        self._show_method()
        self.model.chosen.connect(self._show_method)

    def _show_method(self) -> None:
        self.method.show_for(self.model.value())

    def showEvent(self, event: QShowEvent | None) -> None:
        """Watch the viewer while the dock is visible."""
        super().showEvent(event)
        self._root = weakref.ref(_root_of(self))
        self.bind()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Stop watching the viewer while the dock is hidden.

        At the end of a script, the window is deleted while the dock is visible. Then
        there is nothing left from which anything could be removed.
        """
        super().hideEvent(event)
        root = self._root()
        # The function has no types.
        if root is not None and isalive(root):  # type: ignore[no-untyped-call]
            self.unbind()

    def bind(self) -> None:
        """Watch the viewer."""
        self.fields.bind()

    def unbind(self) -> None:
        """Stop watching the viewer."""
        self.fields.unbind()

    @property
    def job(self) -> LatestJob[Any, Any, Any]:
        """The job of the button."""
        raise NotImplementedError

    @property
    def is_busy(self) -> bool:
        """Whether a computation is running, even if it has been cancelled."""
        return self.job.is_busy

    def start_job(self) -> None:
        """Start the job, if possible."""
        raise NotImplementedError

    def cancel_job(self) -> None:
        """Cancel the job."""
        raise NotImplementedError

    def _on_job_button(self) -> None:
        if self.job.pending is None:
            self.start_job()
        else:
            self.cancel_job()


def _root_of(widget: QWidget) -> QWidget:
    """The window that a widget is in, also if its dock floats."""
    parent = widget.parentWidget()
    return widget if parent is None else _root_of(parent)
