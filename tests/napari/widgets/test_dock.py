"""The base classes of the docks."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow

from deletion import delete
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.napari.errors import in_one_line
from napari_vit_tfm.napari.widgets.dock import FieldDock


class RecordingDock(FieldDock):
    """Records when it starts and stops watching the viewer."""

    def __init__(self, viewer) -> None:
        super().__init__(viewer, message_lines=1)
        self.calls: list[str] = []

    def bind(self) -> None:
        super().bind()
        self.calls.append("bind")

    def unbind(self) -> None:
        super().unbind()
        self.calls.append("unbind")


@pytest.mark.parametrize("floating", [False, True])
def test_nothing_is_unbound_while_the_window_is_deleted(viewer, qapp, floating):
    window, frame, dock = QMainWindow(), QDockWidget(), RecordingDock(viewer)
    frame.setWidget(dock)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, frame)
    frame.setFloating(floating)
    window.show()
    assert dock.calls == ["bind"]
    frame.hide()
    frame.show()
    assert dock.calls == ["bind", "unbind", "bind"]
    delete(window)
    assert dock.calls == ["bind", "unbind", "bind"]


def test_a_message_is_shown_as_it_is(viewer, qtbot):
    dock = RecordingDock(viewer)
    qtbot.addWidget(dock)
    dock.message.setText("<img src='file:///x.png'>")
    assert dock.message.textFormat() == Qt.TextFormat.PlainText


def test_an_error_has_no_tags_and_no_control_characters():
    text = in_one_line(ConfigError("<img src=x>\x1b[0m: 1 < 2"))
    assert "<" not in text
    assert "img src=x" in text
    assert text.endswith("\\x1b[0m: 1 \N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK} 2")
