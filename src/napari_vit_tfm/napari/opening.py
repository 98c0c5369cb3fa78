"""Opening files with fields: the button of the dock, and the menu entry."""

from __future__ import annotations

from collections.abc import Sequence

from napari.components import ViewerModel
from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_vit_tfm import io
from napari_vit_tfm.errors import TFMError
from napari_vit_tfm.napari._reader import read_fields
from napari_vit_tfm.napari.errors import report
from napari_vit_tfm.napari.layers.arrow_updates import follow_frame_and_zoom

_TITLE = "Open displacements or tractions"


def ask_and_open(viewer: ViewerModel, parent: QWidget | None = None) -> list[Layer]:
    """Ask for files, and open them.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer to which the layers are added.
    parent : QWidget, optional
        Parent of the dialogue.

    Returns
    -------
    list of layers
        The new layers; empty if the user cancels.

    Raises
    ------
    FieldFileError, FieldError
        If the files cannot be read. The message has the reason.
    """
    endings = [f"*{suffix}" for reader in io.readers() for suffix in reader.suffixes]
    kinds = f"Fields ({' '.join(sorted(endings))});;All files (*)"
    paths, _ = QFileDialog.getOpenFileNames(parent, _TITLE, "", kinds)
    return open_files(viewer, paths) if paths else []


def open_files(viewer: ViewerModel, paths: Sequence[str]) -> list[Layer]:
    """Open one file, or several files as one time-lapse.

    napari asks which of several readers is to be used, and shortens the message of one
    that fails. Here it is always the reader of this plugin.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer to which the layers are added.
    paths : sequence of str
        The files.

    Returns
    -------
    list of layers
        The new layers.

    Raises
    ------
    FieldFileError, FieldError
        If the files cannot be read. The message has the reason.
    """
    found = read_fields(paths[0] if len(paths) == 1 else paths)
    layers = [Layer.create(*data) for data in found]
    follow_frame_and_zoom(viewer)
    viewer.layers.extend(layers)
    return layers


def open_command(napari_viewer: Viewer) -> None:
    """Ask for files, and open them: the entry in napari's menu."""
    try:
        ask_and_open(napari_viewer)
    except (TFMError, OSError) as error:
        report(error, activity="opening")
