"""The documentation's pictures of the inspector in use.

``python docs/pictures.py DIR -o PICTURES`` opens the fields that ``vit-tfm demo -o
DIR`` has written, uses the inspector as a user does, in a small window, and saves
``inspector.png``, ``inspector-displacement.png`` and ``inspector-influence.png``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

from napari_vit_tfm.attention.patch import LAST_BLOCK
from napari_vit_tfm.errors import TFMError
from napari_vit_tfm.napari.attention.dock import AttentionDock
from napari_vit_tfm.napari.demo import (
    inspect_strongest,
    read_fields,
    save_picture,
    show_fields,
    wait_until,
)

_PLUGIN = "napari-vit-tfm"
_WINDOW = (1280, 800)


def take_pictures(viewer: napari.Viewer, dock: AttentionDock, folder: Path) -> None:
    """Use the inspector and save what it looks like.

    Parameters
    ----------
    viewer : napari.Viewer
        Shows displacements and tractions.
    dock : AttentionDock
        Its attention dock, switched off.
    folder : Path
        Where the pictures go.
    """
    inspector = dock.inspector
    inspect_strongest(viewer, dock)
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view(margin=0.12)
    save_picture(viewer, folder / "inspector.png")
    inspector.look_at(kind="displacement", block=1)
    save_picture(viewer, folder / "inspector-displacement.png")
    inspector.look_at(kind="weights", block=LAST_BLOCK)
    dock.test.click()
    wait_until(lambda: not dock.is_busy)
    inspector.look_at(evidence="influence")
    save_picture(viewer, folder / "inspector-influence.png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Save the pictures.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of the command line's.

    Returns
    -------
    int
        0, or 2 if the files are not there or hold something else.
    """
    parser = argparse.ArgumentParser(description="The documentation's pictures.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PICTURES")
    options = parser.parse_args(arguments)
    try:
        fields = read_fields(options.folder)
    except TFMError as error:
        print(error, file=sys.stderr)
        return 2
    options.output.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(title="napari-vit-tfm", show=True)
    show_fields(viewer, fields)
    viewer.window.resize(*_WINDOW)
    _, dock = viewer.window.add_plugin_dock_widget(_PLUGIN, "Attention")
    # The dock watches the layers from when it is seen.
    QApplication.processEvents()
    take_pictures(viewer, dock, options.output)
    viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
