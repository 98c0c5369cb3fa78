"""The documentation's pictures of the docks in use.

``python docs/pictures.py DIR -o PICTURES`` opens the fields that ``vit-tfm demo -o
DIR`` has written, uses the inspector as a user does, in a small window, and saves
``inspector.png``, ``inspector-displacement.png``, ``inspector-influence.png``,
``inspector-knockout.png`` and ``inspector-limits.png``. Then it measures a sample and
saves ``quantities.png``, ``adhesions.png`` and ``control.png``, and analyses the
example of ``batch_example.py`` and saves ``batch-dock.png``. At last, it computes
tractions of a noisy simulated cell and saves ``certainty.png``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
from batch_example import write_experiments
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_vit_tfm.attention.patch import LAST_BLOCK
from napari_vit_tfm.benchmark.held_out import simulate, with_noise
from napari_vit_tfm.errors import TFMError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import read_displacement
from napari_vit_tfm.napari.attention.dock import AttentionDock
from napari_vit_tfm.napari.demo import (
    PLUGIN,
    inspect_strongest,
    open_dock,
    open_window,
    read_fields,
    save_picture,
    show_fields,
    show_stack,
    wait_until,
)

_CELL = (0.1, 0.33, 0.9, 0.67)
"""Top, left, bottom and right of the sample's cell, as parts of the field."""
_FRAME, _NOISE, _PATCH = 1, 0.05, (3, 6)
"""Frame, noise relative to the displacement, and patch of the limits of detection."""


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
    inspector.look_at(evidence="knockout", scale="peak")
    dock.test.click()
    wait_until(lambda: not dock.is_busy)
    save_picture(viewer, folder / "inspector-knockout.png")


def take_picture_of_limits(viewer: napari.Viewer, field: Path, folder: Path) -> None:
    """Map the smallest forces that could have been found, and save a picture.

    Parameters
    ----------
    viewer : napari.Viewer
        An empty window.
    field : Path
        The displacements. Noise is added to them.
    folder : Path
        Where the picture goes.
    """
    clean = read_displacement(field).part(_FRAME, _FRAME + 1)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, _NOISE * clean.data.std(), clean.data.shape)
    noisy = clean.with_data(clean.data + noise)
    show_stack(viewer, noisy, has_frames=False)
    dock = open_dock(viewer, "Attention")
    dock.switch.setChecked(True)
    wait_until(lambda: not dock.is_busy)
    dock.inspector.choose(_PATCH)
    limits = dock.limits
    limits.section.expand()
    for button in (limits.here, limits.map):
        button.click()
        wait_until(lambda: not dock.is_busy)
    for layer in viewer.layers:
        # The attention map would cover the other one.
        layer.visible = layer.visible and not layer.name.startswith("map (")
    viewer.reset_view(margin=0.12)
    QApplication.processEvents()
    rows = limits.parentWidget().parentWidget().parentWidget()
    rows.verticalScrollBar().setValue(rows.verticalScrollBar().maximum())
    save_picture(viewer, folder / "inspector-limits.png")


def take_pictures_of_quantities(viewer: napari.Viewer, folder: Path) -> None:
    """Measure a cell of the sample by three methods, and save what it looks like.

    Parameters
    ----------
    viewer : napari.Viewer
        An empty window.
    folder : Path
        Where the pictures go.
    """
    viewer.open_sample(PLUGIN, "cell")
    traction = open_dock(viewer, "Traction")
    results: list[Any] = []
    for model in ("fttc", "bayesian-fttc", "vit"):
        traction.model.choose(model)
        traction.run_button.click()
        wait_until(lambda: not traction.is_busy)
        results.append(viewer.layers.selection.active)
    viewer.window.remove_dock_widget(traction.parent())
    dock = open_dock(viewer, "Quantities")
    _, height, width = viewer.layers[0].extent.world[1]
    top, left, bottom, right = (
        part * length for part, length in zip(_CELL, (height, width) * 2, strict=True)
    )
    cell = viewer.add_shapes(
        [[[top, left], [top, right], [bottom, right], [bottom, left]]],
        shape_type="ellipse",
        name="cells",
        edge_color="white",
        edge_width=0.4,
        face_color="transparent",
        units="um",
        axis_labels=("y", "x"),
    )
    fttc, bayesian, vit = results
    dock.fields.choose(vit)
    for other in (fttc, bayesian):
        dock.beside.tick(other)
    dock.region.choose(cell)
    dock.errors["young_error"].value = 0.1
    dock.show_regions.setChecked(True)
    dock.measure_button.click()
    wait_until(lambda: not dock.is_busy)
    dock.quantity.setCurrentIndex(dock.quantity.findData("total_force"))
    dock.go_to_frame(5)
    viewer.reset_view(margin=0.12)
    save_picture(viewer, folder / "quantities.png")
    for other in (fttc, bayesian):
        dock.beside.tick(other, False)
    dock.show_regions.setChecked(False)
    dock.is_corrected.setChecked(True)
    dock.measure_button.click()
    wait_until(lambda: not dock.is_busy)
    dock.tabs.setCurrentWidget(dock.tabs.adhesions)
    dock.quantity.setCurrentIndex(dock.quantity.findData("total_force_corrected"))
    found = [one.frame for _, one in dock.measured.listed_adhesions()]
    dock.tabs.adhesions.selectRow(found.index(5))
    dock.tabs.adhesions.scrollTo(dock.tabs.adhesions.currentIndex())
    _scroll_to_the_table(dock)
    save_picture(viewer, folder / "adhesions.png")
    dock.is_corrected.setChecked(False)
    dock.errors["control"].value = "shown"
    dock.errors["n_runs"].value = 100
    dock.measure_button.click()
    wait_until(lambda: not dock.is_busy)
    dock.kind.setCurrentIndex(dock.kind.findData("changes"))
    dock.quantity.setCurrentIndex(dock.quantity.findData("total_force"))
    dock.tabs.setCurrentIndex(dock.tabs.count() - 1)
    _scroll_to_the_table(dock)
    save_picture(viewer, folder / "control.png")


def _scroll_to_the_table(dock: Any) -> None:
    """Show the tables, which are at the end of a dock higher than the window."""
    QApplication.processEvents()
    bar = dock.findChild(QScrollArea).verticalScrollBar()
    bar.setValue(bar.maximum())


def take_picture_of_batch(viewer: napari.Viewer, example: Path, folder: Path) -> None:
    """Analyse the example of a batch with a broken file, and save what it looks like.

    Parameters
    ----------
    viewer : napari.Viewer
        An empty window.
    example : Path
        Folder for the example, which is written anew.
    folder : Path
        Where the picture goes.
    """
    shutil.rmtree(example, ignore_errors=True)
    write_experiments(example)
    (example / "cell05.h5").write_bytes(b"an incomplete file")
    dock = open_dock(viewer, "Batch")
    dock.open_table(example / "experiments.csv")
    dock.model.choose("bayesian-fttc")
    dock.run_button.click()
    wait_until(lambda: not dock.is_busy)
    dock.show_experiment(2)
    wait_until(lambda: not dock.is_busy)
    dock.table.selectRow(2)
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view(margin=0.12)
    save_picture(viewer, folder / "batch-dock.png")


def take_picture_of_certainty(viewer: napari.Viewer, folder: Path) -> None:
    """Compute tractions of noisy displacements, and save what is sure about them.

    Parameters
    ----------
    viewer : napari.Viewer
        An empty window.
    folder : Path
        Where the picture goes.
    """
    displacement, _ = simulate("adhesions", 1, seed=3, shape=(104, 104))
    spacing_um = 0.8
    stack = DisplacementStack(
        with_noise(displacement, "20%", seed=0) * (103 * spacing_um),
        unit="um",
        spacing_um=spacing_um,
        gel=Gel(young_pa=5000.0),
    )
    show_stack(viewer, stack, has_frames=False, title="cell")
    dock = open_dock(viewer, "Traction")
    dock.run_button.click()
    wait_until(lambda: not dock.is_busy)
    dock.show_actions["halfwidth_95"].trigger()
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view()
    viewer.scene.camera.center = (0, 41.5, 51)
    viewer.scene.camera.zoom *= 2.2
    save_picture(viewer, folder / "certainty.png")


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
    folder = options.output
    with open_window() as viewer:
        show_fields(viewer, fields)
        take_pictures(viewer, open_dock(viewer, "Attention"), folder)
    with open_window() as viewer:
        take_picture_of_limits(viewer, options.folder / "displacement.h5", folder)
    with open_window() as viewer:
        take_pictures_of_quantities(viewer, folder)
    with open_window() as viewer:
        take_picture_of_batch(viewer, options.folder / "cells", folder)
    with open_window() as viewer:
        take_picture_of_certainty(viewer, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
