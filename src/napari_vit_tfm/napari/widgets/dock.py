"""`Dock`, `FieldDock` and `ModelDock`: base classes of the docks."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.arrow_updates import follow_frame_and_zoom
from napari_vit_tfm.napari.layers.reading import FieldLayers, find_displacements
from napari_vit_tfm.napari.widgets.forms import form_layout, need_focus_for_wheel
from napari_vit_tfm.napari.widgets.inputs import (
    FieldChooser,
    ModelRows,
)
from napari_vit_tfm.napari.widgets.status import StatusLine
from napari_vit_tfm.napari.widgets.text_label import TextLabel
from napari_vit_tfm.napari.widgets.view import ViewFitter

_LEAST_HEIGHT = 120
"""Height of the rows below which they are not squeezed."""


class Dock(QWidget):
    """A dock with a button for its job.

    Its `rows` scroll if the window is small; its `footer` is always visible. The dock
    watches the viewer while it is visible. The button starts or cancels the job.
    Subclasses define `job`, `start_job` and `cancel_job`. They are not checked by an
    ABC, since Qt's classes have a metaclass of their own.

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
        follow_frame_and_zoom(viewer)
        self.view = ViewFitter(viewer, self)
        self._root: weakref.ref[QWidget] = weakref.ref(self)
        body = QWidget()
        self.rows = QVBoxLayout(body)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.footer = QVBoxLayout()
        layout = QVBoxLayout(self)
        layout.addWidget(_Rows(body), 1)
        layout.addLayout(self.footer)
        self.form = form_layout()
        self.message = TextLabel(message_lines)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Watch the viewer while the dock is visible."""
        super().showEvent(event)
        self._root = weakref.ref(_root_of(self))
        self.bind()
        self.view.fit_soon()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Stop watching the viewer while the dock is hidden.

        At the end of a script, the window is deleted while the dock is visible. Then
        there is nothing left from which anything could be removed.
        """
        super().hideEvent(event)
        self.view.stop()
        root = self._root()
        # The function has no types.
        if root is not None and isalive(root):  # type: ignore[no-untyped-call]
            self.unbind()

    def bind(self) -> None:
        """Watch the viewer."""

    def unbind(self) -> None:
        """Stop watching the viewer."""

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


class FieldDock(Dock):
    """A dock for one field, which is that of the selected layer.

    Parameters
    ----------
    viewer, message_lines
        As for `Dock`.
    find : callable, keyword-only
        Finds the fields of which one is chosen among the viewer's layers.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        *,
        message_lines: int,
        find: Callable[[Iterable[Layer]], list[FieldLayers]] = find_displacements,
    ) -> None:
        super().__init__(viewer, message_lines=message_lines)
        self.fields = FieldChooser(viewer.layers, find=find)
        need_focus_for_wheel(self.fields)

    def bind(self) -> None:
        """Watch the viewer."""
        super().bind()
        self.fields.bind()
        self._viewer.layers.selection.events.active.connect(self._on_active_layer)

    def unbind(self) -> None:
        """Stop watching the viewer."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active_layer)
        self.fields.unbind()
        super().unbind()

    def _on_active_layer(self) -> None:
        """Choose the field of the layer that is selected."""
        self.fields.follow(self._viewer.layers.selection.active)


class ModelDock(FieldDock):
    """A dock for one displacement field and one model.

    Subclasses also define `status_text`.

    Parameters
    ----------
    viewer, message_lines
        As for `Dock`.
    """

    def __init__(self, viewer: ViewerModel, *, message_lines: int) -> None:
        super().__init__(viewer, message_lines=message_lines)
        self.fields.setToolTip("The displacement field.")
        self.model_rows = ModelRows(self.form)
        self.model, self.method = self.model_rows.model, self.model_rows.method
        self.status = StatusLine(viewer, self.status_text)

    def status_text(self) -> str:
        """The dock's text in the status bar, while `status` is bound."""
        raise NotImplementedError


class _Rows(QScrollArea):
    """Scrolls a widget up and down, but is never narrower than it."""

    def __init__(self, body: QWidget) -> None:
        super().__init__()
        self.setWidget(body)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Ask for another width when that of the widget changes."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    def minimumSizeHint(self) -> QSize:
        """The width of the widget, and a few rows."""
        return QSize(self._width(), _LEAST_HEIGHT)

    def sizeHint(self) -> QSize:
        """The size of the widget."""
        body = self.widget()
        assert body is not None
        return QSize(self._width(), body.sizeHint().height())

    def _width(self) -> int:
        body, bar = self.widget(), self.verticalScrollBar()
        assert body is not None
        assert bar is not None
        return body.minimumSizeHint().width() + bar.sizeHint().width()


def _root_of(widget: QWidget) -> QWidget:
    """The window that a widget is in, also if its dock floats."""
    parent = widget.parentWidget()
    return widget if parent is None else _root_of(parent)
