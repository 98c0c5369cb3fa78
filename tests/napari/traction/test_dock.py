from __future__ import annotations

import dataclasses
import math
import os
import re
import shlex
import shutil
import threading
import weakref

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from napari.layers import Image, Vectors
from napari.layers._layer_actions import _duplicate_layer
from napari.utils import progress
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QMessageBox

from layers_of_fields import (
    add,
    all_results,
    displacement_at,
    remove_garbage,
    show_tractions,
    tractions_of,
)
from napari_vit_tfm import io
from napari_vit_tfm.cli.main import main
from napari_vit_tfm.config import (
    REFERENCE_POISSON,
    NoiseConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import REFERENCE_GEL, Gel
from napari_vit_tfm.models import load
from napari_vit_tfm.models.weights import load_network, save_network
from napari_vit_tfm.napari import _reader
from napari_vit_tfm.napari.layers import registry
from napari_vit_tfm.napari.layers.fading import veil_of
from napari_vit_tfm.napari.layers.reading import layer_stack
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.napari.traction import dock as dock_module
from napari_vit_tfm.napari.traction.dock import TractionDock
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import Gathered, reconstruct
from napari_vit_tfm.trust.force_free import region_from_text
from napari_vit_tfm.trust.gauge import Familiarity, familiarity_records


@pytest.fixture
def dock(viewer, qtbot, finish):
    def leave(dock: TractionDock) -> None:
        finish(dock)
        dock.unbind()

    dock = TractionDock(viewer)
    # Widgets are closed and deleted before fixtures are torn down.
    qtbot.addWidget(dock, before_close_func=leave)
    dock.bind()
    dock.model.choose("fttc")
    dock.computing["device"].value = "cpu"
    # Most tests are about neither, and quicker without.
    dock.computing["residual"].value = dock.computing["uncertainty"].value = False
    return dock


def run(dock, finish) -> None:
    dock.run_button.click()
    assert dock.run_button.text() == "Cancel"
    finish(dock)
    assert dock.run_button.text() == "Run"


def bars() -> list[progress]:
    return list(progress._all_instances)


def test_file_to_layer_to_run_to_layers_to_file(
    dock, viewer, finish, tmp_path, displacement
):
    path = tmp_path / "cell.h5"
    attributes = {"units": "um", "spacing_um": 0.5, "young_pa": 2000.0, "poisson": 0.45}
    io.write_arrays(
        path, {"displacement": displacement.data}, {"displacement": attributes}
    )
    source, _ = viewer.open(str(path), plugin="napari-vit-tfm")
    source.translate = (0, 7, -2)
    assert dock.gel["young_pa"].value == pytest.approx(2000)
    assert dock.gel["poisson"].value == pytest.approx(0.45)

    run(dock, finish)

    image, vectors = tractions_of(viewer.layers, source)
    for layer in (image, vectors):
        np.testing.assert_allclose(layer.scale, (1, 0.5, 0.5))
        np.testing.assert_allclose(layer.translate, (0, 7, -2))
        assert layer.units == source.units
    expected = reconstruct(
        displacement,
        substrate=Substrate(Gel(young_pa=2000.0, poisson=0.45)),
        config=ReconstructionConfig(model="fttc", device="cpu"),
    )
    shown = layer_stack(image)
    np.testing.assert_allclose(shown.data, expected.data, rtol=1e-5, atol=1e-3)
    assert image.name == "cell: traction, FTTC (Pa)"
    assert "3 frames" in dock.message.text()
    assert "on the CPU" in dock.message.text()

    for ending in (".h5", ".npz"):
        dock.save(str(tmp_path / f"out{ending}"))
        saved = io.read_traction(tmp_path / f"out{ending}")
        np.testing.assert_array_equal(saved.data, shown.data)
        assert (saved.unit, saved.spacing_um, saved.model) == ("Pa", 0.5, "fttc")
        assert saved.gel == Gel(2000.0, 0.45, math.inf)


def test_saved_tractions_tell_what_they_were_computed_from(
    dock, viewer, finish, tmp_path, displacement
):
    path, out = tmp_path / "cell.h5", tmp_path / "out.csv"
    io.write_arrays(path, {"u": displacement.data}, {"u": {"units": "px"}})
    viewer.open(str(path), plugin="napari-vit-tfm")
    dock.calibration["unit"].value = "grid"
    dock.gel["young_pa"].value = 3000.0
    run(dock, finish)
    dock.save(str(out))
    found = io.read_traction(out).metadata["provenance"]
    assert found.files == (path,)
    assert len(found.input_sha256) == 64
    assert found.parameters["displacement"]["unit"] == "grid"
    assert found.parameters["gel"]["young_pa"] == 3000.0
    status = CliRunner().invoke(main, ["rerun", str(out), "--device", "cpu"])
    assert (status.exit_code, status.stdout.partition(":")[0]) == (0, "same")


def test_a_result_is_copied_as_python_and_as_command_line(
    dock, viewer, finish, tmp_path, monkeypatch, displacement
):
    path, copied = tmp_path / "cell.h5", QGuiApplication.clipboard()
    io.write_arrays(path, {"u": displacement.data}, {"u": {"y": "down"}})
    source, _ = viewer.open(str(path), plugin="napari-vit-tfm")
    assert not dock.copy_button.isEnabled()
    dock.y_axis["y"].value = "up"
    dock.calibration["unit"].value = "px"
    dock.calibration["spacing_um"].value = 0.5
    dock.calibration["pixel_size_um"].value = 0.2
    dock.gel["young_pa"].value = 3000.0
    dock.preparation["reverse"].value = True
    run(dock, finish)
    shown = layer_stack(tractions_of(viewer.layers, source)[0]).data
    assert dock.copy_button.isEnabled()
    # What is set after the run does not matter.
    dock.gel["young_pa"].value = 1000.0
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "cell_traction.h5"

    dock.copy_command.trigger()
    assert dock.message.text() == "Copied as command line: cell: traction, FTTC (Pa)"
    command = shlex.split(copied.text())
    assert CliRunner().invoke(main, command[1:]).exit_code == 0
    largest = np.abs(shown).max()
    found = io.read_traction(out)
    np.testing.assert_allclose(found.data, shown, rtol=0, atol=1e-6 * largest)
    out.unlink()

    dock.copy_python.trigger()
    assert dock.message.text().startswith("Copied as Python: ")
    exec(compile(copied.text(), "script.py", "exec"), {})
    found = io.read_traction(out)
    np.testing.assert_allclose(found.data, shown, rtol=0, atol=1e-6 * largest)


def test_what_cannot_be_copied_is_told(dock, viewer, finish, tmp_path, displacement):
    path = tmp_path / "cell.h5"
    io.write_arrays(path, {"u": displacement.data}, {"u": {"units": "px"}})
    viewer.open(str(path), plugin="napari-vit-tfm")
    dock.calibration["unit"].value = "grid"
    run(dock, finish)
    dock.copy_command.trigger()
    assert "copy the Python script" in dock.message.text()
    viewer.layers.clear()
    add(viewer, displacement)
    run(dock, finish)
    # It is in no file.
    assert dock.save_button.isEnabled()
    assert not dock.copy_button.isEnabled()


def test_the_cell_outline_is_saved_with_the_tractions(
    dock, viewer, finish, tmp_path, displacement
):
    outline = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.5]])
    source = add(viewer, dataclasses.replace(displacement, outline=outline))
    run(dock, finish)
    for layer in tractions_of(viewer.layers, source):
        np.testing.assert_array_equal(layer_stack(layer).outline, outline)
    dock.save(str(tmp_path / "out.h5"))
    saved = io.read_traction(tmp_path / "out.h5")
    np.testing.assert_array_equal(saved.outline, outline)


def test_every_run_adds_new_layers(dock, viewer, finish, displacement):
    source = add(viewer, displacement, title="cell_07")
    run(dock, finish)
    first = tractions_of(viewer.layers, source)
    assert [layer.name for layer in first] == [
        "cell_07: traction, FTTC (t/E)",
        "cell_07: traction arrows, FTTC (t/E)",
    ]
    dimensionless = layer_stack(first[0]).data
    dock.gel["young_pa"].value = 3000.0
    dock.model.choose("bayesian-fttc")
    run(dock, finish)
    second = tractions_of(viewer.layers, source)
    assert second[0].name == "cell_07: traction, Bayesian FTTC (Pa)"
    assert list(viewer.layers[2:]) == [*first, *second]
    assert [layer.visible for layer in viewer.layers[2:]] == [False] * 2 + [True] * 2
    assert layer_stack(first[0]).data is dimensionless
    assert layer_stack(first[0]).gel.young_pa is None


def test_the_last_result_can_be_updated(dock, viewer, finish, displacement):
    source = add(viewer, displacement)
    run(dock, finish)
    before = tractions_of(viewer.layers, source)
    dimensionless = layer_stack(before[0]).data
    assert not dock.update_last.isChecked()
    dock.update_last.setChecked(True)
    dock.gel["young_pa"].value = 3000.0
    run(dock, finish)
    assert tractions_of(viewer.layers, source) == before
    assert len(viewer.layers) == 4
    stack = layer_stack(before[0])
    np.testing.assert_allclose(stack.data, dimensionless * 3000, rtol=1e-4)
    assert stack.gel.young_pa == 3000
    assert before[0].name == "traction, FTTC (Pa)"


def test_duplicates_of_a_result_are_not_changed(dock, viewer, finish, displacement):
    source = add(viewer, displacement)
    run(dock, finish)
    viewer.layers.selection = set(tractions_of(viewer.layers, source))
    _duplicate_layer(viewer.layers)
    copies = [layer for layer in viewer.layers if layer.name.endswith("copy")]
    assert len(copies) == 2
    before = [layer.data.copy() for layer in copies]
    kept = layer_stack(copies[0])
    dock.update_last.setChecked(True)
    dock.gel["young_pa"].value = 3000.0
    run(dock, finish)
    for layer, data in zip(copies, before, strict=True):
        # Arrows are drawn again at another zoom.
        if isinstance(layer, Image):
            np.testing.assert_array_equal(layer.data, data)
        assert layer.visible
        assert layer_stack(layer) is kept
    assert kept.unit == "1"
    assert len(all_results(viewer.layers, source)) == 1


def test_a_duplicate_of_displacements_is_a_separate_field(
    dock, viewer, finish, displacement
):
    source = add(viewer, displacement)
    viewer.layers.selection = {source}
    _duplicate_layer(viewer.layers)
    (copy,) = (layer for layer in viewer.layers if layer.name.endswith("copy"))
    dock.fields.choose(copy)
    dock.calibration["spacing_um"].value = 0.25
    assert displacement_at(viewer.layers, copy).spacing_um == 0.25
    assert displacement_at(viewer.layers, source).spacing_um == 0.5
    run(dock, finish)
    assert tractions_of(viewer.layers, source) == (None, None)
    np.testing.assert_allclose(tractions_of(viewer.layers, copy)[0].scale[-1], 0.25)


def test_changed_data_are_not_used(dock, viewer, displacement):
    source = add(viewer, displacement)
    assert dock.run_button.isEnabled()
    source.data = source.data[:, 3:, :]
    assert not dock.run_button.isEnabled()
    assert "were changed" in dock.message.text()
    # The arrow layer is unchanged.
    viewer.layers.remove(source)
    assert dock.run_button.isEnabled()
    # napari does not report edits in place.
    viewer.layers[0].data[-1, 1] *= 2
    dock.run_button.click()
    assert not dock.is_busy
    assert "were changed" in dock.message.text()


def test_a_scale_that_is_set_on_the_layer_is_used(dock, viewer, finish, displacement):
    source = add(viewer, dataclasses.replace(displacement, spacing_um=None))
    assert "need the vector spacing" in dock.message.text()
    source.scale = (1, 300, 300)
    source.units = ("pixel", "nm", "nm")
    assert dock.calibration["spacing_um"].value == pytest.approx(0.3)
    assert dock.run_button.isEnabled()
    run(dock, finish)
    image, _ = tractions_of(viewer.layers, source)
    assert layer_stack(image).spacing_um == pytest.approx(0.3)
    np.testing.assert_allclose(image.scale, source.scale)
    source.scale = (1, 300, 400)
    assert not dock.run_button.isEnabled()
    assert "0.3 µm between rows and of 0.4 µm between columns" in dock.message.text()
    # One number cannot correct two.
    dock.calibration["spacing_um"].value = 0.5
    assert not dock.run_button.isEnabled()
    np.testing.assert_array_equal(source.scale, (1, 300, 400))
    assert dock.calibration["spacing_um"].value is None
    source.scale = (1, 400, 400)
    assert dock.run_button.isEnabled()


def test_differences_of_settings_are_shown(dock, viewer, finish, displacement):
    add(viewer, displacement)
    assert dock.save_note.text() == ""
    dock.gel["young_pa"].value = 5000.0
    run(dock, finish)
    assert dock.save_note.text() == "traction, FTTC (Pa)"
    dock.gel["young_pa"].value = 10000.0
    assert "computed for 5 kPa, now 10 kPa; run again" in dock.save_note.text()
    dock.gel["young_pa"].value = 5000.0
    dock.model.choose("bayesian-fttc")
    assert "with FTTC, now Bayesian FTTC" in dock.save_note.text()
    dock.model.choose("fttc")
    assert dock.save_note.text() == "traction, FTTC (Pa)"
    dock.method["regularisation"].value = 2.0
    assert "now FTTC, regularisation 2;" in dock.save_note.text()
    dock.method["regularisation"].value = None
    dock.calibration["spacing_um"].value = 0.8
    assert "a spacing of 0.5 µm, now a spacing of 0.8" in dock.save_note.text()
    dock.calibration["unit"].value = "grid"
    assert "displacements in micrometres, now" in dock.save_note.text()


def test_the_selected_or_the_last_result_is_saved(
    dock, viewer, finish, displacement, tmp_path
):
    source = add(viewer, displacement)
    for young in (5, 10):
        dock.gel["young_pa"].value = 1000 * young
        run(dock, finish)
    first, second = all_results(viewer.layers, source)

    def saved_for() -> float:
        dock.save(str(tmp_path / "out.h5"))
        return io.read_traction(tmp_path / "out.h5").gel.young_pa

    viewer.layers.selection.active = source
    assert saved_for() == 10_000
    viewer.layers.selection.active = first.vectors
    assert dock.save_note.text().startswith(first.vectors.name.replace(" arrows", ""))
    assert saved_for() == 5_000
    viewer.layers.selection.active = second.image
    assert saved_for() == 10_000
    second.image.data[0, 0, 0] += 1
    dock.save(str(tmp_path / "out.h5"))
    assert "were changed" in dock.message.text()


def test_message_without_a_field(dock):
    assert not dock.run_button.isEnabled()
    assert "Open a displacement file" in dock.message.text()
    assert not dock.save_button.isEnabled()


def test_an_unknown_unit_must_be_chosen(dock, viewer, finish, displacement):
    source = add(viewer, dataclasses.replace(displacement, unit=None, spacing_um=None))
    assert not dock.run_button.isEnabled()
    assert "does not have the unit" in dock.message.text()
    dock.calibration["unit"].value = "um"
    assert not dock.run_button.isEnabled()
    assert "need the vector spacing" in dock.message.text()
    dock.calibration["spacing_um"].value = 0.5
    assert dock.run_button.isEnabled()
    assert dock.message.text() == ""
    described = displacement_at(viewer.layers, source)
    assert (described.unit, described.spacing_um) == ("um", 0.5)
    assert source.name == "displacement (µm)"
    run(dock, finish)
    assert tractions_of(viewer.layers, source)[0] is not None


def test_camera_pixels_need_their_size(dock, viewer, displacement):
    add(viewer, dataclasses.replace(displacement, unit="px"))
    dock.show()
    assert dock.calibration["pixel_size_um"].native.isVisible()
    assert not dock.run_button.isEnabled()
    dock.calibration["pixel_size_um"].value = 0.1
    assert dock.run_button.isEnabled()
    dock.calibration["unit"].value = "um"
    assert not dock.calibration["pixel_size_um"].native.isVisible()


@pytest.fixture
def long_stack() -> DisplacementStack:
    rng = np.random.default_rng(0)
    data = rng.normal(0, 0.01, (40, 16, 16, 2)).astype(np.float32)
    return DisplacementStack(data, unit="grid")


@pytest.mark.parametrize("how", ["button", "activity dock", "layer removed"])
def test_cancelling_does_not_change_the_layers(dock, viewer, finish, long_stack, how):
    source = add(viewer, long_stack)
    dock.run_button.click()
    if how == "button":
        dock.run_button.click()
        # The answer does not wait for the end of the batch.
        assert dock.message.text().startswith("Cancelled")
        assert dock.run_button.text() == "Run"
    elif how == "activity dock":
        (bar,) = bars()
        bar.cancel()
        assert dock.message.text().startswith("Cancelled")
        assert dock.run_button.text() == "Run"
    else:
        viewer.layers.remove(source)
    finish(dock)
    assert dock.message.text().startswith("Cancelled")
    assert tractions_of(viewer.layers, source) == (None, None)
    assert dock.run_button.isEnabled()
    assert bars() == []


def test_a_result_after_cancelling_is_discarded(
    dock, viewer, finish, displacement, monkeypatch
):
    source = add(viewer, displacement)
    dock.run_button.click()
    # The worker has finished; its signals are still in the event queue.
    assert QThreadPool.globalInstance().waitForDone(60_000)
    dock.run_button.click()
    texts = []
    monkeypatch.setattr(dock.message, "setText", texts.append)
    finish(dock)
    assert tractions_of(viewer.layers, source) == (None, None)
    assert texts == ["Cancelled. The layers are unchanged."]


def test_results_belong_to_the_field_that_the_run_started_with(
    dock, viewer, finish, displacement
):
    first = add(viewer, displacement)
    second = add(viewer, dataclasses.replace(displacement))
    dock.fields.choose(first)
    dock.run_button.click()
    dock.fields.choose(second)
    finish(dock)
    assert None not in tractions_of(viewer.layers, first)
    assert tractions_of(viewer.layers, second) == (None, None)
    # The dock stays at the field that the user looks at.
    assert dock.fields.layer() is second
    assert not dock.save_button.isEnabled()
    viewer.layers.selection.active = tractions_of(viewer.layers, first)[0]
    assert dock.fields.layer() is first
    assert dock.save_button.isEnabled()


def test_another_run_may_be_started_before_a_cancelled_one_has_ended(
    dock, viewer, finish, displacement
):
    source = add(viewer, displacement)
    for _ in range(2):
        dock.run_button.click()
        dock.run_button.click()
    dock.run_button.click()
    finish(dock)
    assert len(all_results(viewer.layers, source)) == 1
    assert "3 frames" in dock.message.text()


def test_the_dock_follows_the_active_layer(dock, viewer, displacement):
    first = add(viewer, displacement, title="one")
    second = add(viewer, displacement, title="two")
    assert dock.fields.layer() is second
    viewer.layers.selection.active = first
    assert dock.fields.layer() is first
    arrows = viewer.layers[viewer.layers.index(second) + 1]
    viewer.layers.selection.active = arrows
    assert dock.fields.layer() is second
    # Another layer changes nothing.
    viewer.add_image(np.zeros((8, 8)))
    assert dock.fields.layer() is second


def test_a_result_that_is_not_finite_makes_no_layers(
    dock, viewer, finish, displacement, monkeypatch
):
    source = add(viewer, displacement)
    monkeypatch.setattr(
        Gathered,
        "traction",
        lambda _: TractionStack(np.full_like(displacement.data, np.nan)),
    )
    run(dock, finish)
    assert tractions_of(viewer.layers, source) == (None, None)
    assert "The tractions are not finite" in dock.message.text()


@pytest.mark.parametrize(("typed", "steps"), [(None, [1, 2, 3]), (2, [2, 3])])
def test_batches_are_small_on_the_cpu(
    dock, viewer, finish, displacement, typed, steps, monkeypatch
):
    add(viewer, displacement)
    dock.computing["batch_size"].value = typed
    done = []
    monkeypatch.setattr(dock.progress, "setValue", done.append)
    run(dock, finish)
    assert done == [0, *steps]


def test_holes_stay_holes_in_the_tractions(dock, viewer, finish, displacement):
    data = displacement.data.copy()
    data[1, 5:7, 8] = np.nan
    source = add(viewer, dataclasses.replace(displacement, data=data))
    run(dock, finish)
    image, arrows = tractions_of(viewer.layers, source)
    np.testing.assert_array_equal(np.isnan(image.data), np.isnan(data[..., 0]))
    assert np.isfinite(arrows.data).all()
    assert np.isfinite(image.contrast_limits).all()


def test_y_is_turned_over_and_earlier_results_are_outdated(
    dock, viewer, finish, displacement
):
    source = add(viewer, displacement)
    run(dock, finish)
    dock.y_axis["y"].value = "up"
    turned = displacement.data[:, ::-1] * (1, -1)
    np.testing.assert_array_equal(displacement_at(viewer.layers, source).data, turned)
    assert "before the displacements were changed" in dock.save_note.text()
    dock.y_axis["y"].value = None
    assert "changed" not in dock.save_note.text()


def test_y_cannot_be_chosen_for_layers_of_other_programs(dock, viewer, displacement):
    dock.show()
    viewer.add_vectors(vectors_of(displacement.data[:1]), name="PIV", **PLACE)
    assert not dock.y_axis["y"].native.isVisible()
    add(viewer, displacement)
    assert dock.y_axis["y"].native.isVisible()


def test_a_pixel_size_sets_the_spacing_of_known_positions(dock, viewer, displacement):
    stack = dataclasses.replace(
        displacement, unit="px", spacing_um=None, spacing_in_unit=8.0
    )
    source = add(viewer, stack)
    assert dock.run_button.isEnabled()
    dock.calibration["pixel_size_um"].value = 0.25
    assert dock.calibration["spacing_um"].value == 2
    np.testing.assert_allclose(source.scale, (1, 2, 2))
    dock.calibration["spacing_um"].value = 2.5
    assert "8 px apart" in dock.message.text()
    assert not dock.run_button.isEnabled()


def test_notes_of_the_file_and_findings_are_shown(dock, viewer, qtbot, displacement):
    data = displacement.data.copy()
    data[1, 5:7, 8] = np.nan
    stack = dataclasses.replace(
        displacement, data=data, metadata={"notes": ("y is taken as down",)}
    )
    add(viewer, stack)
    assert dock.notes.text().startswith("Y is taken as down")
    qtbot.waitUntil(lambda: not dock.notes.is_busy, timeout=60_000)
    assert any("2 vectors in frame 1 are missing" in x for x in dock.notes.notes())
    dock.notes.show_details()
    (box,) = dock.notes.findChildren(QMessageBox)
    for text in ("y is taken as down", "are missing", "noise:"):
        assert text in box.informativeText()
    box.close()


def test_binned_tractions_lie_over_their_displacements(
    dock, viewer, finish, displacement, tmp_path
):
    source = add(viewer, displacement)
    dock.preparation["bin_size"].value = 2
    run(dock, finish)
    image, arrows = tractions_of(viewer.layers, source)
    assert image.data.shape == (3, 13, 20)
    for layer in (image, arrows):
        np.testing.assert_allclose(layer.scale, (1, 1, 1))
        place = source.data_to_world((0, 4.5, 6.5))
        np.testing.assert_allclose(layer.data_to_world((0, 2, 3)), place)
    assert dock.save_note.text() == image.name
    dock.save(str(tmp_path / "out.h5"))
    saved = io.read_traction(tmp_path / "out.h5")
    assert (saved.spacing_um, saved.metadata["attributes"]["bin_size"]) == (1.0, 2)
    # Another spacing scales both.
    dock.calibration["spacing_um"].value = 0.8
    np.testing.assert_allclose(image.scale, (1, 1.6, 1.6))
    place = source.data_to_world((0, 4.5, 6.5))
    np.testing.assert_allclose(image.data_to_world((0, 2, 3)), place)
    dock.calibration["spacing_um"].value = 0.5
    dock.preparation["bin_size"].value = 1
    assert "another preparation" in dock.save_note.text()


def test_the_vectors_under_the_mouse_are_in_the_status_bar(
    dock, viewer, finish, displacement
):
    source = add(viewer, displacement)
    dock.preparation["bin_size"].value = 2
    run(dock, finish)
    viewer.mouse_over_canvas = True
    viewer.cursor.position = source.data_to_world((1, 12, 21))
    for layer in viewer.layers:
        viewer.layers.selection.active = layer
        viewer.status = f"over {layer.name}"
        x, y = displacement.data[1, 12, 21]
        assert f"displacement {np.hypot(x, y):.4g} µm" in viewer.status
        assert "traction" in viewer.status
    shown = layer_stack(tractions_of(viewer.layers, source)[0]).data[1, 6, 10]
    assert f"traction {np.hypot(*shown):.4g} t/E" in viewer.status


def test_unusual_numbers_are_marked(dock, viewer, displacement):
    add(viewer, displacement)
    dock.gel["thickness_um"].value = 0.01
    assert dock.notes.text().startswith("Gel thickness: 0.01 µm is unusual")
    assert dock.gel["thickness_um"].native.styleSheet()
    dock.gel["thickness_um"].value = 20.0
    assert not dock.gel["thickness_um"].native.styleSheet()


def test_the_name_of_the_file_is_suggested(dock, viewer, finish, tmp_path):
    path = tmp_path / "cell_07.h5"
    values = np.random.default_rng(0).normal(size=(1, 16, 16, 2))
    io.write_arrays(path, {"displacement": values}, {"displacement": {"units": "grid"}})
    viewer.open(str(path), plugin="napari-vit-tfm")
    run(dock, finish)
    assert dock.suggested_path() == tmp_path / "cell_07_traction.h5"


def test_traction_layers_that_are_removed_during_a_run_are_added_again(
    dock, viewer, displacement, finish
):
    source = add(viewer, displacement)
    run(dock, finish)
    image, vectors = tractions_of(viewer.layers, source)
    dock.run_button.click()
    viewer.layers.remove(image)
    viewer.layers.remove(vectors)
    finish(dock)
    assert None not in tractions_of(viewer.layers, source)


def test_a_run_ends_while_the_dock_is_hidden(dock, viewer, finish, displacement):
    source = add(viewer, displacement)
    dock.run_button.click()
    dock.unbind()
    finish(dock)
    assert None not in tractions_of(viewer.layers, source)
    dock.bind()
    dock.run_button.click()
    dock.unbind()
    viewer.layers.remove(source)
    finish(dock)
    assert "removed" in dock.message.text()
    dock.bind()


@pytest.mark.parametrize("how", ["button", "activity dock"])
def test_cancelling_a_large_field_does_not_wait_for_the_frame(
    dock, viewer, qtbot, finish, monkeypatch, how
):
    computed, go_on = [], threading.Event()
    method = load("fttc")
    method.max_whole_side = 16
    of_windows = method.traction

    def slowly(displacement):
        computed.append(len(displacement))
        go_on.wait(10)
        return of_windows(displacement)

    monkeypatch.setattr(method, "traction", slowly)
    monkeypatch.setattr(MethodCache, "load", lambda _cache, _config: method)
    data = np.random.default_rng(0).normal(size=(2, 16, 300, 2))
    add(viewer, DisplacementStack(data, unit="grid"))
    dock.computing["batch_size"].value = 1
    dock.run_button.click()
    qtbot.waitUntil(lambda: len(computed) == 1)
    if how == "button":
        dock.run_button.click()
    else:
        bars()[0].cancel()
    go_on.set()
    finish(dock)
    assert dock.message.text().startswith("Cancelled")
    assert computed == [1]


@pytest.mark.parametrize(
    ("model", "message"),
    [("not_there.pth", "neither a file nor one of"), (__file__, "models are read")],
)
def test_an_error_is_one_line_and_the_dock_is_ready_again(
    dock, viewer, finish, displacement, model, message, caplog
):
    add(viewer, displacement)
    dock.model.choose(model)
    run(dock, finish)
    assert message in dock.message.text()
    assert "\n" not in dock.message.text()
    assert dock.run_button.isEnabled()
    assert bars() == []
    assert caplog.text == ""


def test_an_unexpected_error_is_logged_in_full(
    dock, viewer, finish, displacement, caplog, monkeypatch
):
    def fail(*_, **__):
        raise RuntimeError("no such thing")

    monkeypatch.setattr("napari_vit_tfm.napari.traction.run.reconstruct_batches", fail)
    add(viewer, displacement)
    run(dock, finish)
    assert dock.message.text() == "unexpected error (RuntimeError): no such thing"
    assert "Traceback" in caplog.text


def test_fields_that_are_too_small_are_refused_at_once(dock, viewer, displacement):
    add(viewer, DisplacementStack(np.ones((1, 3, 3, 2)), unit="grid"))
    assert not dock.run_button.isEnabled()
    assert "3 x 3 vectors" in dock.message.text()
    dock.fields.choose(add(viewer, displacement))
    assert dock.run_button.isEnabled()


def test_a_network_from_a_file(dock, viewer, finish, displacement, weights):
    source = add(viewer, displacement)
    dock.model.choose(str(weights))
    run(dock, finish)
    stack = layer_stack(tractions_of(viewer.layers, source)[0])
    assert len(stack.model_sha256) == 64
    assert stack.unit == "1"


def test_a_result_of_an_overwritten_file_is_marked(
    dock, viewer, finish, displacement, weights, tmp_path
):
    path = tmp_path / "mine.safetensors"
    shutil.copy(weights, path)
    add(viewer, displacement)
    dock.model.choose(str(path))
    run(dock, finish)
    assert dock.save_note.text() == "traction, mine (t/E)"
    network = load_network(path).network
    for parameter in network.parameters():
        parameter.mul_(1.01)
    written = path.stat().st_mtime_ns
    save_network(path, network, training={})
    # Independent of the time resolution of the file system.
    os.utime(path, ns=(written, written + 10**9))
    dock.refresh()
    assert "before the file of the model was changed; run again" in (
        dock.save_note.text()
    )
    run(dock, finish)
    assert dock.save_note.text() == "traction, mine (t/E) [1]"
    # The same contents, written again.
    shutil.copy(path, tmp_path / "copy")
    shutil.copy(tmp_path / "copy", path)
    dock.refresh()
    assert dock.save_note.text() == "traction, mine (t/E) [1]"


def test_a_file_is_chosen_in_a_dialogue_or_cancelled(dock, monkeypatch, weights):
    answers = iter([("", ""), (str(weights), ""), (str(weights), "")])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: next(answers))
    combo = dock.model
    for expected in ("fttc", str(weights)):
        last = combo.count() - 1
        combo.setCurrentIndex(last)
        combo.activated.emit(last)
        assert dock.model.value() == expected
        assert combo.currentData() == expected
    count = combo.count()
    combo.activated.emit(count - 1)
    assert combo.count() == count
    assert dock.method.heads() is None
    # Only a checkpoint of the original format does not have the number of heads.
    dock.model.choose("network.pth")
    assert dock.method.heads() is None
    dock.method["heads"].value = 4
    assert dock.method.heads() == 4
    assert dock.method.given_values() == {}
    dock.model.choose("vit")
    assert dock.method.heads() is None


def test_the_save_button(dock, viewer, traction, displacement, tmp_path, monkeypatch):
    source = add(viewer, displacement)
    show_tractions(viewer.layers, traction, source)
    dock.refresh()
    answer = (str(tmp_path / "out"), "NPZ (*.npz)")
    asked = []
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *args: asked.append(args) or answer
    )
    dock.save_button.click()
    assert asked[0][-1].split(";;") == [
        "HDF5 (*.h5 *.hdf5)",
        "NPZ (*.npz)",
        "CSV (*.csv)",
        "MATLAB (*.mat)",
        "OME-TIFF (*.tif *.tiff)",
    ]
    saved = io.read_traction(tmp_path / "out.npz")
    assert isinstance(saved, TractionStack)
    assert saved.model_sha256 == traction.model_sha256
    assert dock.message.text() == f"Saved {tmp_path / 'out.npz'}"


def shown_gel(dock) -> tuple[float | None, ...]:
    return tuple(dock.gel.values().values())


def test_a_typed_gel_belongs_to_its_field(dock, viewer, displacement):
    gel = Gel(young_pa=2000.0, poisson=0.45)
    first = add(viewer, dataclasses.replace(displacement, gel=gel))
    second = add(viewer, dataclasses.replace(displacement, gel=gel))
    dock.fields.choose(first)
    dock.gel["young_pa"].value = 9000.0
    viewer.layers.move(0, 2)
    assert shown_gel(dock) == (9000, 0.45, None)
    dock.fields.choose(second)
    assert shown_gel(dock) == (2000, 0.45, None)
    dock.fields.choose(first)
    assert shown_gel(dock) == (9000, 0.45, None)


def test_the_gel_of_a_file_is_not_used_for_the_next_file(dock, viewer, displacement):
    gel = Gel(young_pa=2000.0, poisson=0.45, thickness_um=30.0)
    first = add(viewer, dataclasses.replace(displacement, gel=gel))
    assert shown_gel(dock) == (2000, 0.45, 30)
    silent = add(viewer, displacement)
    dock.fields.choose(silent)
    assert shown_gel(dock) == (None, None, None)
    # Typed values are kept until a file has others.
    dock.gel["young_pa"].value = 7000.0
    dock.gel["thickness_um"].value = 50
    dock.fields.choose(first)
    assert shown_gel(dock) == (2000, 0.45, 30)
    dock.fields.choose(silent)
    assert shown_gel(dock) == (7000, None, 50)


def test_the_gel_of_a_file_overrides_typed_values(dock, viewer, displacement):
    dock.gel["poisson"].value = 0.3
    dock.gel["thickness_um"].value = 50
    # A value in a file may be equal to the default of the dock.
    add(viewer, dataclasses.replace(displacement, gel=REFERENCE_GEL))
    assert shown_gel(dock) == (None, REFERENCE_POISSON, None)
    dock.fields.choose(add(viewer, displacement))
    assert shown_gel(dock) == (None, 0.3, 50)


@pytest.mark.parametrize(
    "attributes",
    [
        {"young_pa": "10 kPa", "poisson": "about 0.5", "thickness_um": "thin"},
        {"young_pa": -3.0, "poisson": 0.7, "thickness_um": -1.0},
    ],
)
def test_an_impossible_gel_is_ignored(
    dock, viewer, displacement, attributes, tmp_path, monkeypatch
):
    warnings = []
    monkeypatch.setattr(_reader, "show_warning", warnings.append)
    path = tmp_path / "cell.h5"
    io.write_arrays(
        path, {"displacement": displacement.data}, {"displacement": attributes}
    )
    viewer.open(str(path), plugin="napari-vit-tfm")
    assert shown_gel(dock) == (None, None, None)
    (warning,) = warnings
    lines = warning.split("\n")
    for line, (name, value) in zip(lines, attributes.items(), strict=True):
        assert f"has {name} = {value!r}" in line
        assert line.endswith("it is ignored")


def test_a_thickness_needs_the_spacing_and_is_kept(
    dock, viewer, finish, displacement, tmp_path
):
    in_steps = displacement.in_grid_steps()
    source = add(viewer, DisplacementStack(in_steps, unit="grid"))
    assert dock.gel["thickness_um"].native.text() == "infinite"
    run(dock, finish)
    assert layer_stack(tractions_of(viewer.layers, source)[0]).gel == REFERENCE_GEL
    dock.gel["thickness_um"].value = 2
    assert not dock.run_button.isEnabled()
    assert "needs the vector spacing" in dock.message.text()
    dock.calibration["spacing_um"].value = 0.5
    run(dock, finish)
    shown = layer_stack(tractions_of(viewer.layers, source)[0])
    expected = reconstruct(
        DisplacementStack(in_steps, unit="grid", spacing_um=0.5),
        substrate=Substrate(Gel(thickness_um=2.0)),
        config=ReconstructionConfig(model="fttc", device="cpu"),
    )
    np.testing.assert_allclose(shown.data, expected.data, rtol=1e-5, atol=1e-6)
    dock.save(str(tmp_path / "out.h5"))
    assert io.read_traction(tmp_path / "out.h5").gel.thickness_um == 2.0


def test_unchanged_values_are_not_rounded(dock, viewer, displacement):
    exact = dataclasses.replace(
        displacement, unit="px", spacing_um=0.12345678901, pixel_size_um=0.000123456789
    )
    source = add(viewer, exact)
    assert dock.calibration["spacing_um"].value == pytest.approx(
        0.12345678901, rel=1e-6
    )
    dock.calibration["unit"].value = "um"
    described = displacement_at(viewer.layers, source)
    assert described.spacing_um == exact.spacing_um
    assert described.pixel_size_um == exact.pixel_size_um


@pytest.mark.parametrize("number", [0.00123456, 0.12345678, 12345.678, 999999.5])
def test_numbers_survive_the_enter_key(dock, qtbot, number):
    dock.calibration["spacing_um"].value = number
    qtbot.keyClick(dock.calibration["spacing_um"].native, Qt.Key.Key_Return)
    assert dock.calibration["spacing_um"].value == pytest.approx(number, rel=1e-9)


def test_an_error_while_saving_is_shown(dock, viewer, traction, displacement):
    source = add(viewer, displacement)
    show_tractions(viewer.layers, traction, source)
    dock.save("/no/such/folder/out.h5")
    assert "there is no folder" in dock.message.text()


def test_measured_files_are_not_overwritten(
    dock, viewer, finish, tmp_path, displacement
):
    said = {"units": "um", "spacing_um": 0.5}
    paths = [tmp_path / f"{name}.h5" for name in ("a_1", "a_2", "other")]
    for path in paths:
        arrays = {"displacement": displacement.data}
        io.write_arrays(path, arrays, {"displacement": said})
    before = [path.read_bytes() for path in paths]
    viewer.open(list(map(str, paths[:2])), stack=True, plugin="napari-vit-tfm")
    other, _ = viewer.open(str(paths[2]), plugin="napari-vit-tfm")
    run(dock, finish)
    dock.fields.choose(other)
    for path in paths:
        dock.save(str(path))
        assert dock.message.text() == f"{path}: the output file is an input file"
    assert [path.read_bytes() for path in paths] == before


def test_the_file_of_the_model_is_not_overwritten(
    dock, viewer, finish, displacement, weights, tmp_path
):
    path = tmp_path / "model.h5"
    shutil.copy(weights, path)
    before = path.read_bytes()
    add(viewer, displacement)
    dock.model.choose(str(weights))
    run(dock, finish)
    link = tmp_path / "link.h5"
    link.symlink_to(weights)
    dock.save(str(link))
    assert dock.message.text() == f"{link}: the output file is an input file"
    # Any file that is no input is replaced, since the dialogue has asked.
    dock.save(str(path))
    assert path.read_bytes() != before


def test_every_connect_has_its_disconnect(viewer, qtbot, displacement):
    add(viewer, displacement)
    emitters = [
        viewer.layers.events,
        viewer.layers.selection.events,
        *(layer.events for layer in viewer.layers),
    ]

    def callbacks() -> int:
        return sum(
            len(event.callbacks)
            for group in emitters
            for event in group.emitters.values()
        )

    dock = TractionDock(viewer)
    qtbot.addWidget(dock)
    # From now on, arrows follow the viewer, with docks or without.
    before = callbacks()
    for _ in range(2):
        dock.show()
        assert callbacks() > before
        dock.hide()
        assert callbacks() == before
    dock.show()
    assert dock.fields.layer() is viewer.layers[0]


def test_the_chosen_field_is_kept(dock, viewer, displacement):
    add(viewer, displacement)
    second = add(viewer, dataclasses.replace(displacement))
    dock.fields.choose(second)
    viewer.layers.move(0, 4)
    second.name = "another name"
    assert dock.fields.layer() is second
    assert dock.fields.currentText() == "another name"
    arrows = viewer.layers[viewer.layers.index(second) + 1]
    assert displacement_at(viewer.layers, arrows) is layer_stack(second)
    viewer.layers.remove(second)
    assert dock.fields.layer() is arrows
    viewer.layers.remove(arrows)
    assert dock.fields.layer() not in (second, arrows)


def test_a_hidden_dock_keeps_the_choice_but_not_the_layers(
    dock, viewer, finish, displacement, qtbot
):
    copy = dataclasses.replace(displacement, data=displacement.data.copy())
    vectors = weakref.ref(copy.data)
    add(viewer, displacement)
    second = add(viewer, copy)
    del copy
    dock.fields.choose(second)
    run(dock, finish)
    message = dock.message.text()
    assert message
    dock.unbind()
    # The first layer of the field is removed, the other one is still there.
    viewer.layers.remove(second)
    remove_garbage(viewer)
    assert vectors() is not None
    dock.bind()
    assert dock.fields.currentText() == "displacement arrows (µm) [1]"
    dock.unbind()
    qtbot.waitUntil(lambda: not dock.notes.is_busy, timeout=60_000)
    viewer.layers.clear()
    del second
    remove_garbage(viewer)
    assert vectors() is None
    dock.bind()
    assert dock.fields.field() is None


def test_an_error_after_cancelling_is_not_shown(dock, viewer, finish, displacement):
    add(viewer, displacement)
    dock.model.choose("not_there.pth")
    dock.run_button.click()
    assert QThreadPool.globalInstance().waitForDone(60_000)
    dock.run_button.click()
    finish(dock)
    assert dock.message.text().startswith("Cancelled")


def test_a_given_regularisation(dock, viewer, finish, displacement):
    source = add(viewer, displacement)
    regularisation = dock.method["regularisation"]
    assert regularisation.native.text() == "chosen for each field"
    assert "squared grid steps" in regularisation.tooltip
    regularisation.native.setValue(2.5)
    run(dock, finish)
    shown = layer_stack(tractions_of(viewer.layers, source)[0])
    assert shown.model == "fttc (regularisation 2.5)"
    assert viewer.layers[2].name == "traction, FTTC, regularisation 2.5 (t/E)"
    dock.model.choose("bayesian-fttc")
    assert dock.method.given_values() == {}
    run(dock, finish)
    shown = layer_stack(tractions_of(viewer.layers, source)[0])
    assert shown.model == "bayesian-fttc"
    dock.model.choose("fttc")
    assert dock.method["regularisation"].value is None


# Layers of other programs

PLACE = {"scale": (0.1, 0.1), "units": "um", "translate": (7.0, -4.0)}
"""Scale and translation of a layer in camera pixels of 0.1 um."""


def vectors_of(field, *, step=16, offset=(3, 5), frames=False) -> np.ndarray:
    """Vectors as from a PIV program, in any order.

    Built node by node, without functions of the package.
    """
    rows = []
    for frame in range(len(field)):
        for row in range(field.shape[1]):
            for column in range(field.shape[2]):
                x, y = field[frame, row, column]
                place = [offset[0] + step * row, offset[1] + step * column]
                rows.append([[frame, *place], [0, y, x]] if frames else [place, [y, x]])
    return np.random.default_rng(0).permutation(np.array(rows, dtype=float))


def test_a_vectors_layer_of_another_program_is_reconstructed(
    dock, viewer, finish, displacement
):
    # 1 px is 1/16 of a grid step of 1.6 um.
    field = displacement.in_grid_steps()[:1] * 16
    source = Vectors(vectors_of(field), name="PIV", **PLACE)
    viewer.layers.append(source)
    assert dock.fields.currentText() == "PIV"
    assert dock.message.text() == (
        "The layer does not have the unit of the displacements: choose it."
    )
    assert dock.calibration["spacing_um"].value == pytest.approx(1.6)
    dock.calibration["unit"].value = "px"
    assert "pixel size" in dock.message.text()
    dock.calibration["pixel_size_um"].value = 0.1
    run(dock, finish)
    image, arrows = tractions_of(viewer.layers, source)
    assert image.name == "PIV: traction, FTTC (t/E)"
    right = reconstruct(
        DisplacementStack(displacement.in_grid_steps()[:1], unit="grid"),
        config=ReconstructionConfig(model="fttc", device="cpu"),
    )
    shown = layer_stack(image)
    scale = np.abs(right.data).max()
    np.testing.assert_allclose(shown.data, right.data, atol=1e-5 * scale)
    # The tractions are over the nodes of the other layer.
    for row, column in ((0, 0), (5, 7), (26, 39)):
        place = source.data_to_world((3 + 16 * row, 5 + 16 * column))
        for layer in (image, arrows):
            np.testing.assert_allclose(layer.data_to_world((row, column)), place)
    # Another spacing changes both.
    dock.calibration["spacing_um"].value = 3.2
    np.testing.assert_allclose(source.scale, 0.2)
    np.testing.assert_allclose(
        image.data_to_world((5, 7)),
        source.data_to_world((3 + 16 * 5, 5 + 16 * 7)),
    )


def test_frames_of_a_vectors_layer_are_its_first_axis(dock, viewer, displacement):
    data = vectors_of(displacement.data, frames=True)
    source = Vectors(data, scale=(1, 0.1, 0.1), units=("pixel", "um", "um"))
    viewer.layers.append(source)
    stack = displacement_at(viewer.layers, source)
    np.testing.assert_allclose(stack.data, displacement.data, rtol=1e-6)


def test_vectors_without_a_grid_are_refused(dock, viewer, displacement):
    data = vectors_of(displacement.data[:1])
    twice = np.concatenate([data, data[:5]])
    viewer.layers.append(Vectors(twice, name="PIV", **PLACE))
    assert not dock.run_button.isEnabled()
    assert "the layer “PIV”: 5 nodes have more than one" in dock.message.text()


def test_changed_vectors_of_another_program_are_read_again(
    dock, viewer, finish, displacement
):
    source = Vectors(vectors_of(displacement.data[:1]), **PLACE)
    viewer.layers.append(source)
    dock.calibration["unit"].value = "um"
    run(dock, finish)
    first = layer_stack(tractions_of(viewer.layers, source)[0])
    source.data = vectors_of(displacement.data[:1, :20, :30] * 2)
    assert "before the displacements were changed" in dock.save_note.text()
    run(dock, finish)
    assert layer_stack(tractions_of(viewer.layers, source)[0]).grid_shape == (20, 30)
    source.data[:, 1] *= -1
    run(dock, finish)
    last = layer_stack(tractions_of(viewer.layers, source)[0]).data
    before = layer_stack(all_results(viewer.layers, source)[-2].image).data
    np.testing.assert_allclose(last, -before, atol=1e-5)
    assert first.grid_shape == (27, 40)


def test_two_images_are_the_components(dock, viewer, finish, displacement):
    x, y = np.moveaxis(displacement.data, -1, 0)
    place = {"scale": (1, 0.5, 0.5), "units": ("pixel", "um", "um")}
    # The components are found by name, in any order of the layers.
    viewer.layers.append(Image(y.copy(), name="cell dy", **place))
    viewer.layers.append(Image(x.copy(), name="cell dx", **place))
    assert dock.fields.currentText() == "cell dx (x), cell dy (y)"
    dock.calibration["unit"].value = "um"
    stack = displacement_at(viewer.layers, viewer.layers["cell dx"])
    np.testing.assert_array_equal(stack.data, displacement.data)
    assert (stack.unit, stack.spacing_um) == ("um", 0.5)
    run(dock, finish)
    image, _ = tractions_of(viewer.layers, viewer.layers["cell dx"])
    assert image.name == "cell: traction, FTTC (t/E)"
    viewer.layers["cell dy"].translate = (0, 1, 0)
    dock.refresh()
    assert "different transforms" in dock.message.text()
    viewer.layers.remove("cell dy")
    assert dock.fields.field() is None


def test_an_image_of_vectors_is_a_field(dock, viewer, finish, displacement):
    frame = displacement.data[0]
    single = Image(frame, name="one", scale=(0.5, 0.5, 1), units=("um", "um", "pixel"))
    series = Image(displacement.data, name="many")
    for layer in (single, series):
        viewer.layers.append(layer)
    # RGB images and whole numbers are not displacements.
    viewer.layers.append(Image(np.zeros((20, 20, 3)), rgb=True, name="colours"))
    viewer.layers.append(Image(np.zeros((20, 20, 2), dtype=int), name="counts"))
    listed = [dock.fields.itemText(i) for i in range(dock.fields.count())]
    assert listed == ["one", "many"]
    assert displacement_at(viewer.layers, single).spacing_um == 0.5
    np.testing.assert_array_equal(displacement_at(viewer.layers, single).data[0], frame)
    np.testing.assert_array_equal(
        displacement_at(viewer.layers, series).data, displacement.data
    )
    series.scale, series.translate = (2, 0.3, 0.3, 1), (1, 5, 6, 0)
    for layer, start in ((single, (0, 0)), (series, (1, 5, 6))):
        dock.fields.choose(layer)
        dock.calibration["unit"].value = "grid"
        run(dock, finish)
        image, _ = tractions_of(viewer.layers, layer)
        np.testing.assert_allclose(image.data_to_world([0] * image.ndim), start)


def test_a_duplicate_of_a_layer_of_another_program_is_a_separate_field(
    dock, viewer, displacement
):
    source = Vectors(vectors_of(displacement.data[:1]), name="PIV", **PLACE)
    viewer.layers.append(source)
    dock.calibration["unit"].value = "um"
    viewer.layers.selection = {source}
    _duplicate_layer(viewer.layers)
    copy = viewer.layers["PIV copy"]
    copy.data = copy.data * 2
    before = displacement_at(viewer.layers, source).data
    np.testing.assert_allclose(
        displacement_at(viewer.layers, copy).data[..., 0], 2 * before[..., 0], rtol=1e-6
    )


@pytest.fixture
def checksums(monkeypatch) -> list[int]:
    """The sizes of the arrays whose checksums are computed."""
    sizes, compute = [], registry.checksum

    def counted(data):
        sizes.append(data.nbytes)
        return compute(data)

    monkeypatch.setattr(registry, "checksum", counted)
    return sizes


def test_nothing_is_compared_where_no_data_changed(
    dock, viewer, displacement, traction, checksums
):
    source = add(viewer, displacement)
    show_tractions(viewer.layers, traction, source)
    dock.refresh()
    checksums.clear()
    viewer.layers.selection.active = source
    viewer.layers.selection.active = viewer.layers[-1]
    dock.gel["young_pa"].native.setValue(7.0)
    dock.calibration["spacing_um"].native.setValue(0.75)
    dock.refresh()
    assert "spacing of 0.5 µm, now a spacing of 0.75 µm" in dock.save_note.text()
    # Other arrows are drawn at another zoom; their checksums are of other sizes.
    magnitudes = {one.data.nbytes for one in viewer.layers if isinstance(one, Image)}
    vectors = {displacement.data.nbytes, traction.data.nbytes}
    assert not (magnitudes | vectors) & set(checksums)


def test_data_are_compared_when_they_are_reported_to_have_changed(
    dock, viewer, displacement
):
    source = add(viewer, displacement)
    assert dock.run_button.isEnabled()
    source.data[0] *= 2
    source.events.data()
    assert "were changed" in dock.message.text()
    source.data[0] /= 2
    dock.refresh()
    assert dock.run_button.isEnabled()


def test_edits_in_place_are_noticed_when_a_result_is_saved(
    dock, viewer, finish, displacement, tmp_path
):
    source = Image(displacement.data.copy(), scale=(1, 0.5, 0.5, 1), name="field")
    viewer.layers.append(source)
    dock.calibration["unit"].value = "grid"
    run(dock, finish)
    source.data[:] *= 2
    dock.save(str(tmp_path / "out.h5"))
    assert "before the displacements were changed" in dock.save_note.text()
    image, _ = tractions_of(viewer.layers, source)
    image.data[:] *= 2
    dock.save(str(tmp_path / "changed.h5"))
    assert "were changed" in dock.message.text()
    assert not (tmp_path / "changed.h5").exists()


def test_the_names_of_two_components_can_be_corrected(dock, viewer):
    values = {"u": 1.0, "v": 2.0}
    for name, value in values.items():
        viewer.add_image(np.full((20, 24), value), name=name)
    first, second = viewer.layers
    dock.calibration["unit"].value = "grid"
    assert dock.fields.currentText() == "u (x), v (y)"
    np.testing.assert_array_equal(
        displacement_at(viewer.layers, first).data[0, 0, 0], (1, 2)
    )
    first.name, second.name = "old", "u"
    first.name = "v"
    assert dock.fields.currentText() == "u (x), v (y)"
    found = displacement_at(viewer.layers, first)
    np.testing.assert_array_equal(found.data[0, 0, 0], (2, 1))
    assert found.unit == "grid"


def test_a_larger_field_that_is_opened_is_shown_whole(
    dock, viewer, tmp_path, monkeypatch
):
    def opened(name: str, side: int) -> tuple[float, ...]:
        path = tmp_path / f"{name}.npz"
        data = np.random.default_rng(0).normal(size=(1, side, side, 2))
        # No arrow reaches beyond the field, whose view would have another centre.
        data *= np.pad(np.ones((side // 2, side // 2)), side // 4)[..., None]
        io.write_displacement(path, DisplacementStack(data, unit="grid"))
        monkeypatch.setattr(
            QFileDialog, "getOpenFileNames", lambda *_: ([str(path)], "")
        )
        dock.open_button.click()
        return tuple(viewer.scene.camera.center[-2:])

    assert opened("small", 16) == pytest.approx((7.5, 7.5))
    assert opened("large", 64) == pytest.approx((31.5, 31.5), abs=0.5)
    # The view of a field of the same size is kept.
    viewer.scene.camera.center = (0, 3, 4)
    assert opened("other", 64) == (3, 4)


def test_the_view_is_fitted_if_new_layers_make_the_canvas_narrower(
    dock, viewer, qtbot, finish, displacement
):
    add(viewer, displacement)
    viewer.fit_to_view()
    before = viewer.scene.camera.zoom
    run(dock, finish)
    height, width = viewer.canvas.size
    viewer.canvas.size = (height // 2, width // 2)
    qtbot.waitUntil(lambda: viewer.scene.camera.zoom < 0.6 * before)


def test_residual_is_said_and_shown(dock, viewer, finish, displacement):
    source = add(viewer, displacement)
    run(dock, finish)
    assert not dock.residual_note.text()
    assert not dock.show_button.isVisibleTo(dock)

    dock.computing["residual"].value = True
    run(dock, finish)
    assert "the tractions explain" in dock.residual_note.text().lower()
    assert "the tractions explain" not in dock.message.text()
    assert dock.show_button.isVisibleTo(dock)
    before = len(viewer.layers)
    dock.show_actions["residual"].trigger()
    assert len(viewer.layers) == before + 2
    image, _ = tractions_of(viewer.layers, source)
    assert viewer.layers.selection.active == image


def test_residual_from_a_file(dock, viewer, displacement, tmp_path):
    config = ReconstructionConfig(model="fttc", device="cpu", residual=True)
    path = tmp_path / "traction.h5"
    io.write_traction(path, reconstruct(displacement, config=config))
    assert not dock.show_button.isVisibleTo(dock)
    viewer.open(str(path), plugin="napari-vit-tfm")
    assert dock.fields.field() is None
    assert "the tractions explain" in dock.residual_note.text().lower()
    dock.show_actions["displacement_model"].trigger()
    names = [layer.name for layer in viewer.layers]
    assert sum("displacement of the tractions" in name for name in names) == 2
    assert dock.fields.field() is None


def test_residual_and_uncertainty_are_computed_by_default(viewer, qtbot):
    dock = TractionDock(viewer)
    qtbot.addWidget(dock)
    assert dock.computing["residual"].value
    assert dock.computing["uncertainty"].value
    assert not ReconstructionConfig().residual
    assert not ReconstructionConfig().uncertainty


@pytest.fixture
def faded(dock, viewer, finish, displacement, qtbot):
    """The layers of tractions that were computed with their uncertainty."""
    source = add(viewer, displacement)
    dock.computing["uncertainty"].value = True
    run(dock, finish)
    image, vectors = tractions_of(viewer.layers, source)
    qtbot.waitUntil(lambda: veil_of(viewer.layers, image) is not None)
    return image, vectors


def test_uncertain_tractions_fade_until_it_is_switched_off(dock, viewer, faded):
    image, vectors = faded
    assert dock.fade_uncertain.isVisibleTo(dock)
    assert dock.fade_uncertain.isChecked()
    assert vectors.edge_color_mode == "direct"
    dock.fade_uncertain.click()
    assert veil_of(viewer.layers, image) is None
    assert vectors.edge_color_mode == "colormap"
    dock.fade_uncertain.click()
    assert veil_of(viewer.layers, image) is not None
    assert vectors.edge_color_mode == "direct"


def test_veil_follows_updates_and_spacing(dock, viewer, faded, finish, qtbot):
    image, vectors = faded
    before = veil_of(viewer.layers, image).data
    dock.update_last.setChecked(True)
    dock.model.choose("bayesian-fttc")
    run(dock, finish)

    def is_new() -> bool:
        veil = veil_of(viewer.layers, image)
        return veil is not None and not np.array_equal(veil.data, before)

    qtbot.waitUntil(is_new)
    assert len(vectors.edge_color) == len(vectors.data)
    dock.calibration["spacing_um"].value = 0.7
    np.testing.assert_allclose(veil_of(viewer.layers, image).scale, (1, 0.7, 0.7))


def test_nothing_fades_after_an_update_without_uncertainty(
    dock, viewer, faded, finish, qtbot
):
    image, vectors = faded
    dock.update_last.setChecked(True)
    dock.computing["uncertainty"].value = False
    run(dock, finish)
    qtbot.waitUntil(lambda: veil_of(viewer.layers, image) is None)
    qtbot.waitUntil(lambda: vectors.edge_color_mode == "colormap")
    assert not dock.fade_uncertain.isVisibleTo(dock)


def test_veil_that_the_user_has_removed_does_not_come_back(dock, viewer, faded, qtbot):
    image, _ = faded
    viewer.layers.remove(veil_of(viewer.layers, image))
    dock.refresh()
    qtbot.wait(10)
    assert veil_of(viewer.layers, image) is None


@pytest.mark.usefixtures("faded")
def test_half_width_under_the_mouse(dock, viewer):
    viewer.mouse_over_canvas = True
    viewer.cursor.position = (0, 5.0, 5.0)
    viewer.dims.set_point(0, 0)
    assert re.search(r"traction [0-9.e-]+ ± [0-9.e-]+ t/E", dock.status_text())


@pytest.mark.usefixtures("faded")
def test_formats_without_a_place_for_uncertainty_are_written(dock, tmp_path):
    path, note = tmp_path / "out.csv", "(without residual and uncertainty"
    dock.save(str(path))
    assert note in dock.message.text()
    assert not io.read_traction(path).companions
    dock.save(str(tmp_path / "out.h5"))
    assert note not in dock.message.text()


def test_uncertainty_from_a_file_follows_the_direction_of_y(
    dock, viewer, displacement, tmp_path, qtbot
):
    config = ReconstructionConfig(model="fttc", device="cpu", uncertainty=True)
    path = tmp_path / "both.h5"
    traction = reconstruct(displacement, config=config)
    io.write_traction(path, traction)
    with h5py.File(path, "a") as file:
        file["displacement"] = displacement.data
        file["displacement"].attrs.update({"units": "um", "spacing_um": 0.5})
    viewer.open(str(path), plugin="napari-vit-tfm")
    (image,) = (
        layer
        for layer in viewer.layers
        if isinstance(layer, Image) and "traction" in layer.name
    )
    qtbot.waitUntil(lambda: veil_of(viewer.layers, image) is not None)
    veil = veil_of(viewer.layers, image)
    assert veil.visible == image.visible
    dock.y_axis["y"].value = "up"
    qtbot.waitUntil(lambda: veil_of(viewer.layers, image) not in (veil, None))
    turned = veil_of(viewer.layers, image).data
    np.testing.assert_allclose(turned, veil.data[:, ::-1], atol=1e-5)


@pytest.fixture
def warnings_shown(monkeypatch):
    shown = []
    monkeypatch.setattr(dock_module, "show_warning", shown.append)
    return shown


def test_unfamiliar_field_is_warned_of(dock, viewer, finish, warnings_shown):
    noise = np.random.default_rng(0).normal(size=(2, 32, 32, 2)).astype(np.float32)
    add(viewer, DisplacementStack(noise * 0.1, unit="grid"))
    dock.model.choose("vit")
    dock.computing["residual"].value = True
    # The message repeats no number, neither that of a batch nor that of the film.
    dock.computing["batch_size"].value = 1
    run(dock, finish)
    (warning,) = warnings_shown
    assert "the displacement is mostly noise" in warning
    assert dock.warning_note.isVisibleTo(dock)
    assert warning in dock.warning_note.text()
    assert "unlike" not in dock.message.text()
    overlay = viewer.canvas.overlays.text
    assert overlay.visible
    assert "mostly noise" in overlay.text.replace("\n", " ")
    dock.unbind()
    assert not overlay.visible
    dock.bind()
    assert overlay.visible


def test_warning_on_the_canvas_is_about_the_shown_frame(
    dock, viewer, traction, tmp_path
):
    judged = [Familiarity(-1, "small"), Familiarity(1, "strain"), Familiarity(-1, "")]
    path = tmp_path / "traction.h5"
    io.write_traction(
        path, dataclasses.replace(traction, records=familiarity_records(judged))
    )
    viewer.open(str(path), plugin="napari-vit-tfm")
    assert "1 of 3 frames is unlike" in dock.warning_note.text()
    overlay = viewer.canvas.overlays.text
    shown = []
    for frame in range(3):
        viewer.dims.set_point(0, frame)
        shown.append(overlay.visible)
    assert shown == [False, True, False]


def test_text_of_the_user_stays_on_the_canvas(dock, viewer, traction, tmp_path):
    overlay = viewer.canvas.overlays.text
    overlay.text, overlay.visible = "mine", True
    judged = [Familiarity(1, "strain")] * 3
    path = tmp_path / "traction.h5"
    io.write_traction(
        path, dataclasses.replace(traction, records=familiarity_records(judged))
    )
    viewer.open(str(path), plugin="napari-vit-tfm")
    assert dock.warning_note.text()
    dock.unbind()
    assert (overlay.text, overlay.visible) == ("mine", True)
    dock.bind()


# Noise


def noise_of(viewer, source):
    image, _ = tractions_of(viewer.layers, source)
    return layer_stack(image).records["relative_noise"]


def test_noise_as_typed(dock, viewer, finish, displacement):
    source = add(viewer, displacement)
    rows = dock.noise
    assert rows.source.currentText() == "estimated from the field"
    assert rows.form["sd"].native.isHidden()
    rows.source.choose("number")
    assert not rows.form["sd"].native.isHidden()
    dock.run_button.click()
    assert "no standard deviation is typed" in dock.message.text()
    rows.form["sd"].value = 0.05
    run(dock, finish)
    config = dataclasses.replace(
        ReconstructionConfig(model="fttc", device="cpu"),
        noise=NoiseConfig(sd=0.05),
    )
    expected = reconstruct(displacement, config=config).records["relative_noise"]
    np.testing.assert_allclose(noise_of(viewer, source), expected, rtol=1e-6)


@pytest.mark.parametrize("bin_size", [1, 2])
def test_noise_of_a_layer(dock, viewer, finish, displacement, bin_size):
    source = add(viewer, displacement)
    height, width = displacement.grid_shape
    quiet = np.zeros((height, width), dtype=int)
    quiet[: height // 2] = 3
    layer = viewer.add_labels(quiet, name="quiet", scale=source.scale[1:])
    layer.units = source.units[1:]
    dock.noise.source.choose(layer)
    assert dock.noise.source.currentText() == "from quiet"
    dock.preparation["bin_size"].value = bin_size
    run(dock, finish)
    image, _ = tractions_of(viewer.layers, source)
    known = layer_stack(image).metadata["provenance"].parameters["reconstruction"]
    inside = region_from_text(known["noise"]["region"])
    expected = quiet[::bin_size, ::bin_size][: height // bin_size, : width // bin_size]
    rows = height // 2 // bin_size
    assert inside.shape == expected.shape
    assert inside[:rows].all()
    assert not inside[rows + 1 :].any()
    layer.data = 0 * quiet
    dock.run_button.click()
    assert "no cell at any vector" in dock.message.text()
    viewer.layers.remove(layer)
    assert dock.noise.source.currentText() == "estimated from the field"
