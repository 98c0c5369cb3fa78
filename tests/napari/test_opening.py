"""Opening files with the button of the dock."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QFileDialog

from napari_vit_tfm import io
from napari_vit_tfm.napari import errors as errors_module
from napari_vit_tfm.napari import opening
from napari_vit_tfm.napari.traction.dock import TractionDock


@pytest.fixture
def errors(monkeypatch) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr(errors_module, "show_error", shown.append)
    return shown


def choose(monkeypatch, *paths) -> None:
    chosen = [str(path) for path in paths]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (chosen, ""))


def test_a_file_is_opened(viewer, tmp_path, monkeypatch, errors, displacement):
    path = tmp_path / "cell.h5"
    io.write_arrays(path, {"displacement": displacement.data}, {})
    choose(monkeypatch, path)
    opening.open_command(viewer)
    assert viewer.layers[0].name == "cell: displacement (unit not known)"
    assert not errors


def test_several_files_are_one_time_lapse(viewer, tmp_path, monkeypatch, errors):
    paths = [tmp_path / f"cell_{n}.npz" for n in (10, 2)]
    for number, path in enumerate(paths):
        np.savez(path, displacement=np.full((8, 9, 2), float(number)))
    choose(monkeypatch, *paths)
    image, _ = opening.ask_and_open(viewer)
    np.testing.assert_allclose(image.data[:, 0, 0], (np.sqrt(2), 0))
    assert not errors


def test_the_reason_is_shown_if_a_file_has_no_field(
    viewer, tmp_path, monkeypatch, errors
):
    tiff = tmp_path / "cells.tif"
    tifffile.imwrite(tiff, np.zeros((30, 30), dtype=np.uint8))
    text = tmp_path / "notes.txt"
    text.write_text("the cells looked well\n")
    for path in (tiff, text, tmp_path / "missing.npy"):
        choose(monkeypatch, path)
        opening.open_command(viewer)
    assert not viewer.layers
    assert [
        path in error
        for path, error in zip(
            (tiff.name, text.name, "missing.npy"), errors, strict=True
        )
    ] == [True] * 3
    assert "no such file" in errors[-1]


def test_nothing_happens_without_a_choice(viewer, monkeypatch, errors):
    choose(monkeypatch)
    assert opening.ask_and_open(viewer) == []
    assert not errors


def test_the_dock_shows_the_reason(viewer, tmp_path, monkeypatch, errors, qtbot):
    dock = TractionDock(viewer)
    qtbot.addWidget(dock)
    choose(monkeypatch, tmp_path / "missing.npy")
    dock.open_button.click()
    assert errors == [dock.message.text()]
    assert "no such file" in dock.message.text()
