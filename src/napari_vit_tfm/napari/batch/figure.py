"""The window with the figure of the summary."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap, QResizeEvent
from qtpy.QtWidgets import QDialog, QLabel, QSizePolicy, QVBoxLayout, QWidget

_SIZE = (960, 300)


class SummaryWindow(QDialog):
    """Shows an image file, as large as the window.

    Parameters
    ----------
    parent : QWidget
        Parent widget.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.resize(*_SIZE)
        self._picture = QPixmap()
        self._label = QLabel()
        self._label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        ignored = QSizePolicy.Policy.Ignored
        self._label.setSizePolicy(ignored, ignored)
        QVBoxLayout(self).addWidget(self._label)

    def show_file(self, path: Path) -> None:
        """Open the window with a file."""
        self.setWindowTitle(str(path))
        # QPixmap(path) would show an earlier picture of the same name from its cache.
        self._picture = QPixmap()
        self._picture.loadFromData(path.read_bytes())
        self.show()
        self.raise_()
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the figure to the window."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if not self._picture.isNull():
            ratio = self.devicePixelRatioF()
            fitted = self._picture.scaled(
                self._label.size() * ratio,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
            fitted.setDevicePixelRatio(ratio)
            self._label.setPixmap(fitted)
