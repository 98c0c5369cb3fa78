"""Demo: open a reconstructed stack in napari and inspect the network's attention.

``python -m napari_vit_tfm.napari.demo DIR`` opens ``DIR/displacement.h5``,
``DIR/traction.h5`` and, if it exists, ``DIR/truth.h5``, with both docks and a
chosen patch. With ``--screenshot FILE`` it saves a screenshot of the window and
exits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QDeadlineTimer, QThread
from qtpy.QtWidgets import QApplication

from napari_vit_tfm import io
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import TFMError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari._samples import KNOWN
from napari_vit_tfm.napari.attention.dock import AttentionDock
from napari_vit_tfm.napari.layers.arrow_updates import follow_frame_and_zoom
from napari_vit_tfm.napari.layers.drawing import field_layers, show_colorbar
from napari_vit_tfm.napari.layers.metadata import Stack
from napari_vit_tfm.napari.layers.placing import world_at
from napari_vit_tfm.napari.layers.reading import field_of, layer_stack
from napari_vit_tfm.napari.layers.results import (
    result_of,
    show_tractions,
)

PLUGIN = "napari-vit-tfm"
LAPTOP = (1280, 800)
"""Size of a small window."""

_WINDOW = (1600, 1000)
_TIMEOUT_S = 600
_SCREENSHOT_DELAY_MS = 1000


@dataclass(frozen=True, eq=False)
class DemoFields:
    """The fields of a folder; the known tractions are optional."""

    displacement: DisplacementStack
    traction: TractionStack
    known: TractionStack | None


@contextmanager
def open_window(size: tuple[int, int] = LAPTOP) -> Iterator[napari.Viewer]:
    """Open a napari window, and close it at the end of a block.

    Parameters
    ----------
    size : tuple of int
        Width and height in pixels.

    Yields
    ------
    napari.Viewer
        The viewer.
    """
    viewer = napari.Viewer(title=PLUGIN, show=True)
    try:
        viewer.window.resize(*size)
        yield viewer
    finally:
        viewer.close()


def open_dock(viewer: napari.Viewer, name: str) -> Any:
    """Open a dock of this plugin, and wait until it is shown.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer with a window.
    name : str
        Name of the dock in napari's menu.

    Returns
    -------
    Dock
        The dock, which watches the layers from now on.
    """
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    QApplication.processEvents()
    return dock


def show_stack(viewer: ViewerModel, stack: Stack, **options: Any) -> list[Layer]:
    """Add a field to a viewer.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    stack : DisplacementStack or TractionStack
        The field.
    **options
        Options of `field_layers`.

    Returns
    -------
    list of layers
        Magnitude and arrows.
    """
    follow_frame_and_zoom(viewer)
    layers = [Layer.create(*one) for one in field_layers(stack, **options)]
    viewer.layers.extend(layers)
    return layers


def read_fields(folder: Path) -> DemoFields:
    """Read the fields of a folder.

    Parameters
    ----------
    folder : Path
        Has ``displacement.h5``, ``traction.h5`` and optionally ``truth.h5``.

    Raises
    ------
    FieldFileError
        If a file is missing or has other contents.
    """
    truth = folder / "truth.h5"
    return DemoFields(
        io.read_displacement(folder / "displacement.h5"),
        io.read_traction(folder / "traction.h5"),
        io.read_traction(truth) if truth.exists() else None,
    )


def show_fields(viewer: ViewerModel, fields: DemoFields) -> Layer:
    """Add displacements and tractions to a viewer.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    fields : DemoFields
        The fields.

    Returns
    -------
    Layer
        The layer of the displacements' magnitude.
    """
    # Hidden: arrow tips of the displacements would show beside the tractions.
    data = field_layers(fields.displacement, visible=False)
    if fields.known is not None:
        data = field_layers(fields.known, quantity=KNOWN, visible=False) + data
    layers = [Layer.create(*one) for one in data]
    viewer.layers.extend(layers)
    source = layers[-2]
    show_colorbar(source)
    field = field_of(viewer.layers, source)
    assert field is not None
    show_tractions(
        viewer.layers,
        fields.traction,
        field,
        source=fields.displacement,
        config=ReconstructionConfig(model=fields.traction.model),
    )
    return source


def strongest(viewer: ViewerModel, layer: Layer) -> tuple[int, tuple[float, float]]:
    """Frame and world position ``(y, x)`` of a field's longest vector.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    layer : Layer
        A layer of the field.
    """
    lengths = layer_stack(layer).magnitude()
    where = np.unravel_index(np.argmax(lengths), lengths.shape)
    _, row, column = world_at(layer, map(float, where), viewer.dims.units)
    return int(where[0]), (row, column)


def inspect_strongest(viewer: napari.Viewer, dock: AttentionDock) -> None:
    """Wait for the attention, and choose the patch with the largest traction.

    Parameters
    ----------
    viewer : napari.Viewer
        The dock's viewer.
    dock : AttentionDock
        The attention dock, switched off.
    """
    traction = next(
        layer for layer in viewer.layers if result_of(viewer.layers, layer) is not None
    )
    frame, position = strongest(viewer, traction)
    viewer.dims.set_current_step(0, frame)
    dock.switch.setChecked(True)
    wait_until(lambda: not dock.is_busy)
    dock.inspector.click(position)


def wait_until(ready: Callable[[], bool]) -> None:
    """Process events until a condition is met, or until a timeout of ten minutes.

    Parameters
    ----------
    ready : callable
        Returns whether the condition is met.
    """
    deadline = QDeadlineTimer(_TIMEOUT_S * 1000)
    while not (ready() or deadline.hasExpired()):
        QApplication.processEvents()
        QThread.msleep(10)


def save_picture(viewer: napari.Viewer, path: Path) -> None:
    """Save a screenshot of the window after a short delay.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    path : Path
        The PNG file.
    """
    deadline = QDeadlineTimer(_SCREENSHOT_DELAY_MS)
    wait_until(deadline.hasExpired)
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    print(f"picture: {path}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window, or save a screenshot of it.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command-line arguments; those of the process by default.

    Returns
    -------
    int
        Exit status: 0, or 2 if a file is missing or has other contents.
    """
    parser = argparse.ArgumentParser(prog="python -m napari_vit_tfm.napari.demo")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--screenshot", type=Path, metavar="PNG")
    options = parser.parse_args(arguments)
    try:
        fields = read_fields(options.folder)
    except TFMError as error:
        print(error, file=sys.stderr)
        return 2
    viewer = napari.Viewer(title=PLUGIN, show=True)
    show_fields(viewer, fields)
    viewer.window.resize(*_WINDOW)
    open_dock(viewer, "Traction")
    inspect_strongest(viewer, open_dock(viewer, "Attention"))
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
