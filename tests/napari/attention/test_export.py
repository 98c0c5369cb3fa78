"""Export of the results for a patch."""

from __future__ import annotations

import numpy as np
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from canvas import choose
from napari_vit_tfm import io


def test_results_are_saved_and_copied(inspecting, tmp_path):
    choose(inspecting, (1, 2))
    for ending in (".png", ".npz", ".h5"):
        path = tmp_path / f"attention{ending}"
        inspecting.save_as(path)
        assert path.stat().st_size > 1000
    with np.load(tmp_path / "attention.npz", allow_pickle=False) as file:
        rollout = file["rollout"]
    attention = inspecting.inspector.shown.frame.attention()
    np.testing.assert_allclose(rollout[1], attention.map(1, 1, 2), rtol=1e-6)
    inspecting.copy.click()
    image = QGuiApplication.clipboard().image()
    assert image.width() > 500


def test_the_save_button(inspecting, tmp_path, monkeypatch):
    choose(inspecting, (1, 2))
    answer = (str(tmp_path / "cell 0.5um"), "NPZ (*.npz)")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
    inspecting.save.click()
    assert (tmp_path / "cell 0.5um.npz").exists()


def test_an_error_while_saving_is_shown(inspecting, tmp_path, monkeypatch):
    errors = []
    monkeypatch.setattr("napari_vit_tfm.napari.errors.show_error", errors.append)
    choose(inspecting, (1, 2))
    inspecting.save_as(tmp_path / "attention.txt")
    assert not (tmp_path / "attention.txt").exists()
    assert len(errors) == 1
    assert ".h5" in errors[0]


def test_the_measured_file_is_not_overwritten(
    viewer, dock, finish, tmp_path, displacement, monkeypatch
):
    errors = []
    monkeypatch.setattr("napari_vit_tfm.napari.errors.show_error", errors.append)
    path = tmp_path / "cell.h5"
    said = {"units": "um", "spacing_um": 0.5}
    io.write_arrays(path, {"displacement": displacement.data}, {"displacement": said})
    before = path.read_bytes()
    source, _ = viewer.open(str(path), plugin="napari-vit-tfm")
    viewer.dims.set_point(0, 0)
    dock.fields.choose(source)
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (1, 2))
    dock.save_as(path)
    assert errors == [f"{path}: the output file is an input file"]
    assert path.read_bytes() == before
