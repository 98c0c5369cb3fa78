"""The window that shows a reconstructed stack and what the network attends to.

``python -m napari_vit_tfm.napari.demo DIR`` opens ``DIR/displacement.h5``,
``DIR/traction.h5`` and, where it is, ``DIR/truth.h5``, with both docks and a
patch chosen. With ``--screenshot FILE`` it saves a picture of the window and
ends.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import napari
import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QDeadlineTimer, QThread
from qtpy.QtWidgets import QApplication

from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari._samples import KNOWN
from napari_vit_tfm.napari.attention.dock import AttentionDock
from napari_vit_tfm.napari.layers.drawing import field_layers, show_colorbar
from napari_vit_tfm.napari.layers.runs import show_tractions
from napari_vit_tfm.napari.layers.tags import layer_stack

_PLUGIN = "napari-vit-tfm"
_WINDOW = (1600, 1000)
_PATIENCE_S = 600
_SETTLE_MS = 1000


@dataclass(frozen=True, eq=False)
class DemoFields:
    """The fields of a folder; the known tractions may be missing."""

    displacement: DisplacementStack
    traction: TractionStack
    known: TractionStack | None


def read_fields(folder: Path) -> DemoFields:
    """Read the fields of a folder.

    Parameters
    ----------
    folder : Path
        Holds ``displacement.h5``, ``traction.h5`` and perhaps ``truth.h5``.

    Raises
    ------
    FieldFileError
        If a file is missing or holds something else.
    """
    truth = folder / "truth.h5"
    return DemoFields(
        io.read_displacement(folder / "displacement.h5"),
        io.read_traction(folder / "traction.h5"),
        io.read_traction(truth) if truth.exists() else None,
    )


def show_fields(viewer: ViewerModel, fields: DemoFields) -> Layer:
    """Show displacements and tractions.

    Parameters
    ----------
    viewer : ViewerModel
        Where to show them.
    fields : DemoFields
        What to show.

    Returns
    -------
    Layer
        The magnitude of the displacements.
    """
    # The tractions lie over the displacements and would leave some arrows' tips.
    data = field_layers(fields.displacement, visible=False)
    if fields.known is not None:
        data = field_layers(fields.known, quantity=KNOWN, visible=False) + data
    layers = [Layer.create(*one) for one in data]
    viewer.layers.extend(layers)
    source = layers[-2]
    show_colorbar(source)
    show_tractions(viewer.layers, fields.traction, source)
    return source


def strongest(layer: Layer) -> tuple[int, tuple[float, float]]:
    """Frame and world position ``(y, x)`` of a field's longest vector.

    Parameters
    ----------
    layer : Layer
        Shows the field.
    """
    lengths = layer_stack(layer).magnitude()
    where = np.unravel_index(np.argmax(lengths), lengths.shape)
    world = layer.data_to_world(where)
    return int(where[0]), (world[-2], world[-1])


def inspect_strongest(viewer: napari.Viewer, dock: AttentionDock) -> None:
    """Choose the patch of the largest traction and wait for its attention.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer that the dock belongs to.
    dock : AttentionDock
        The attention dock, switched off.
    """
    traction = next(
        layer for layer in viewer.layers if layer.name.startswith("traction magnitude")
    )
    frame, position = strongest(traction)
    viewer.dims.set_current_step(0, frame)
    dock.switch.setChecked(True)
    wait_until(lambda: not dock.is_busy)
    dock.inspector.click(position)


def wait_until(ready: Callable[[], bool]) -> None:
    """Let the window go on until something is so, or for some minutes.

    Parameters
    ----------
    ready : callable
        Whether it is so.
    """
    deadline = QDeadlineTimer(_PATIENCE_S * 1000)
    while not (ready() or deadline.hasExpired()):
        QApplication.processEvents()
        QThread.msleep(10)


def save_picture(viewer: napari.Viewer, path: Path) -> None:
    """Save a picture of the window once it has settled.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    path : Path
        The PNG file.
    """
    settled = QDeadlineTimer(_SETTLE_MS)
    wait_until(settled.hasExpired)
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    print(f"picture: {path}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window, or save a picture of it.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of the command line's.

    Returns
    -------
    int
        0, or 2 if the files are not there or hold something else.
    """
    parser = argparse.ArgumentParser(prog="python -m napari_vit_tfm.napari.demo")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--screenshot", type=Path, metavar="PNG")
    options = parser.parse_args(arguments)
    try:
        fields = read_fields(options.folder)
    except FieldError as error:
        print(error, file=sys.stderr)
        return 2
    viewer = napari.Viewer(title="napari-vit-tfm", show=True)
    show_fields(viewer, fields)
    viewer.window.resize(*_WINDOW)
    viewer.window.add_plugin_dock_widget(_PLUGIN, "Traction")
    _, attention = viewer.window.add_plugin_dock_widget(_PLUGIN, "Attention")
    # The docks watch the layers from when they are seen.
    QApplication.processEvents()
    inspect_strongest(viewer, attention)
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view(margin=0.12)
    if options.screenshot is None:
        napari.run()
        return 0
    save_picture(viewer, options.screenshot)
    viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
