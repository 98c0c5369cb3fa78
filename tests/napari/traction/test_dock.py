from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from napari.layers import Layer
from napari.utils import progress
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QComboBox, QFileDialog, QSpinBox

from napari_vit_tfm import io
from napari_vit_tfm.config import REFERENCE_POISSON, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import REFERENCE_GEL, Gel
from napari_vit_tfm.napari import _reader
from napari_vit_tfm.napari.layers.drawing import field_layers
from napari_vit_tfm.napari.layers.runs import show_tractions, tractions_of
from napari_vit_tfm.napari.layers.tags import displacement_stack, layer_stack
from napari_vit_tfm.napari.traction.dock import TractionDock
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import reconstruct


def add(viewer, stack) -> Layer:
    layers = [Layer.create(*data) for data in field_layers(stack)]
    viewer.layers.extend(layers)
    return layers[0]


@pytest.fixture
def dock(viewer, qtbot, finish):
    def leave(dock: TractionDock) -> None:
        finish(dock)
        dock.unbind()

    dock = TractionDock(viewer)
    # Widgets are closed, and soon deleted, before fixtures are torn down.
    qtbot.addWidget(dock, before_close_func=leave)
    dock.bind()
    dock.model.choose("fttc")
    dock.device.setCurrentIndex(dock.device.findData("cpu"))
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
    said = {"units": "um", "spacing_um": 0.5, "young_pa": 2000.0, "poisson": 0.45}
    io.write_arrays(path, {"displacement": displacement.data}, {"displacement": said})
    source, _ = viewer.open(str(path), plugin="napari-vit-tfm")
    source.translate = (0, 7, -2)
    assert dock.young.value() == pytest.approx(2)
    assert dock.poisson.value() == pytest.approx(0.45)

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
    assert image.name == "traction magnitude (Pa)"
    assert "3 frames" in dock.message.text()
    assert dock.device_in_use.text() == "in use: cpu"

    for ending in (".h5", ".npz"):
        dock.save(str(tmp_path / f"out{ending}"))
        saved = io.read_traction(tmp_path / f"out{ending}")
        np.testing.assert_array_equal(saved.data, shown.data)
        assert (saved.unit, saved.spacing_um, saved.model) == ("Pa", 0.5, "fttc")
        assert saved.gel == Gel(2000.0, 0.45, math.inf)


def test_the_cell_s_outline_goes_with_the_tractions_into_the_file(
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


def test_a_second_run_updates_in_place(dock, viewer, finish, displacement):
    source = add(viewer, displacement)
    run(dock, finish)
    before = tractions_of(viewer.layers, source)
    dimensionless = layer_stack(before[0]).data
    dock.young.setValue(3)
    run(dock, finish)
    assert tractions_of(viewer.layers, source) == before
    assert len(viewer.layers) == 4
    stack = layer_stack(before[0])
    np.testing.assert_allclose(stack.data, dimensionless * 3000, rtol=1e-4)
    assert stack.gel.young_pa == 3000


def test_without_a_field_it_says_what_to_do(dock):
    assert not dock.run_button.isEnabled()
    assert "Drop a displacement file" in dock.message.text()
    assert not dock.save_button.isEnabled()


def test_an_unknown_unit_must_be_chosen(dock, viewer, finish, displacement):
    source = add(viewer, dataclasses.replace(displacement, unit=None, spacing_um=None))
    assert not dock.run_button.isEnabled()
    assert "does not say the unit" in dock.message.text()
    dock.unit.setCurrentIndex(dock.unit.findData("um"))
    assert not dock.run_button.isEnabled()
    assert "need the vector spacing" in dock.message.text()
    dock.spacing.setValue(0.5)
    assert dock.run_button.isEnabled()
    assert dock.message.text() == ""
    described = displacement_stack(source)
    assert (described.unit, described.spacing_um) == ("um", 0.5)
    assert source.name == "displacement magnitude (µm)"
    run(dock, finish)
    assert tractions_of(viewer.layers, source)[0] is not None


def test_camera_pixels_need_their_size(dock, viewer, displacement):
    add(viewer, dataclasses.replace(displacement, unit="px"))
    dock.show()
    assert dock.pixel_size.isVisible()
    assert not dock.run_button.isEnabled()
    dock.pixel_size.setValue(0.1)
    assert dock.run_button.isEnabled()
    dock.unit.setCurrentIndex(dock.unit.findData("um"))
    assert not dock.pixel_size.isVisible()


@pytest.fixture
def long_stack() -> DisplacementStack:
    rng = np.random.default_rng(0)
    data = rng.normal(0, 0.01, (40, 16, 16, 2)).astype(np.float32)
    return DisplacementStack(data, unit="grid")


@pytest.mark.parametrize("how", ["button", "activity dock", "layer removed"])
def test_cancelling_leaves_the_layers_as_they_were(
    dock, viewer, finish, long_stack, how
):
    source = add(viewer, long_stack)
    dock.run_button.click()
    if how == "button":
        dock.run_button.click()
        assert not dock.run_button.isEnabled()
    elif how == "activity dock":
        (bar,) = bars()
        bar.cancel()
    else:
        viewer.layers.remove(source)
    finish(dock)
    assert dock.message.text().startswith("Cancelled")
    assert tractions_of(viewer.layers, source) == (None, None)
    assert dock.run_button.isEnabled()
    assert bars() == []


def test_a_result_that_comes_after_the_cancel_is_dropped(
    dock, viewer, finish, displacement, monkeypatch
):
    source = add(viewer, displacement)
    dock.run_button.click()
    # The worker is through; its signals wait for the event loop.
    assert QThreadPool.globalInstance().waitForDone(60_000)
    dock.run_button.click()
    said = []
    monkeypatch.setattr(dock.message, "setText", said.append)
    finish(dock)
    assert tractions_of(viewer.layers, source) == (None, None)
    assert said == ["Cancelled: the layers are as they were."]


def test_results_go_to_the_layer_the_run_started_on(dock, viewer, finish, displacement):
    first = add(viewer, displacement)
    second = add(viewer, dataclasses.replace(displacement))
    dock.fields.choose(first)
    dock.run_button.click()
    dock.fields.choose(second)
    finish(dock)
    assert None not in tractions_of(viewer.layers, first)
    assert tractions_of(viewer.layers, second) == (None, None)
    assert not dock.save_button.isEnabled()
    dock.fields.choose(first)
    assert dock.save_button.isEnabled()


def test_traction_layers_that_are_removed_in_mid_run_come_back(
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


def test_a_run_ends_while_the_dock_is_not_seen(dock, viewer, finish, displacement):
    source = add(viewer, displacement)
    dock.run_button.click()
    dock.unbind()
    finish(dock)
    assert None not in tractions_of(viewer.layers, source)
    dock.run_button.click()
    viewer.layers.remove(source)
    finish(dock)
    assert "removed" in dock.message.text()
    dock.bind()


@pytest.mark.parametrize(
    ("model", "said"),
    [("not_there.pth", "neither a file nor one of"), (__file__, "models are read")],
)
def test_an_error_is_one_line_and_the_dock_is_ready_again(
    dock, viewer, finish, displacement, model, said, caplog
):
    add(viewer, displacement)
    dock.model.choose(model)
    run(dock, finish)
    assert said in dock.message.text()
    assert "\n" not in dock.message.text()
    assert dock.run_button.isEnabled()
    assert bars() == []
    assert caplog.text == ""


def test_an_error_that_nobody_expects_is_logged_in_full(
    dock, viewer, finish, displacement, caplog, monkeypatch
):
    def fail(*_, **__):
        raise RuntimeError("no such thing")

    monkeypatch.setattr("napari_vit_tfm.napari.traction.run.reconstruct_batches", fail)
    add(viewer, displacement)
    run(dock, finish)
    assert dock.message.text() == "unexpected error (RuntimeError): no such thing"
    assert "Traceback" in caplog.text


def test_fields_that_are_too_small_are_refused(dock, viewer, finish):
    add(viewer, DisplacementStack(np.ones((1, 8, 8, 2)), unit="grid"))
    run(dock, finish)
    assert "8 x 8 vectors" in dock.message.text()


def test_a_network_from_a_file(dock, viewer, finish, displacement, weights):
    source = add(viewer, displacement)
    dock.model.choose(str(weights))
    run(dock, finish)
    stack = layer_stack(tractions_of(viewer.layers, source)[0])
    assert len(stack.model_sha256) == 64
    assert stack.unit == "1"


def test_a_file_is_chosen_in_a_dialogue_or_not(dock, monkeypatch, weights):
    answers = iter([("", ""), (str(weights), ""), (str(weights), "")])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: next(answers))
    combo, heads = dock.model.findChild(QComboBox), dock.model.findChild(QSpinBox)
    for expected in ("fttc", str(weights)):
        last = combo.count() - 1
        combo.setCurrentIndex(last)
        combo.activated.emit(last)
        assert dock.model.model() == expected
        assert combo.currentData() == expected
    count = combo.count()
    combo.activated.emit(count - 1)
    assert combo.count() == count
    assert dock.model.heads() is None
    # Only a file of the original format leaves the number of heads open.
    heads.setValue(4)
    assert dock.model.heads() is None
    assert heads.isHidden()
    dock.model.choose("network.pth")
    assert dock.model.heads() == 4
    assert not heads.isHidden()
    dock.model.choose("vit")
    assert dock.model.heads() is None


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
    assert asked[0][-1] == "HDF5 (*.h5 *.hdf5);;NPZ (*.npz)"
    saved = io.read_traction(tmp_path / "out.npz")
    assert isinstance(saved, TractionStack)
    assert saved.model_sha256 == traction.model_sha256
    assert dock.message.text() == f"Saved {tmp_path / 'out.npz'}"


def shown_gel(dock) -> tuple[float, float, float]:
    return dock.young.value(), dock.poisson.value(), dock.thickness.value()


def test_one_files_gel_is_not_the_next_ones(dock, viewer, displacement):
    gel = Gel(young_pa=2000.0, poisson=0.45, thickness_um=30.0)
    first = add(viewer, dataclasses.replace(displacement, gel=gel))
    silent = add(viewer, displacement)
    assert shown_gel(dock) == (2, 0.45, 30)
    dock.fields.choose(silent)
    assert shown_gel(dock) == (0, REFERENCE_POISSON, 0)
    # What was typed stays, until a file knows better.
    dock.young.setValue(7)
    dock.thickness.setValue(50)
    dock.fields.choose(first)
    assert shown_gel(dock) == (2, 0.45, 30)
    dock.fields.choose(silent)
    assert shown_gel(dock) == (7, REFERENCE_POISSON, 50)


def test_what_is_said_of_a_gel_goes_over_what_was_typed(dock, viewer, displacement):
    dock.poisson.setValue(0.3)
    dock.thickness.setValue(50)
    # A file may say what the dock shows where nobody says anything.
    add(viewer, dataclasses.replace(displacement, gel=REFERENCE_GEL))
    assert shown_gel(dock) == (0, REFERENCE_POISSON, 0)
    dock.fields.choose(add(viewer, displacement))
    assert shown_gel(dock) == (0, 0.3, 50)


@pytest.mark.parametrize(
    "said",
    [
        {"young_pa": "10 kPa", "poisson": "about 0.5", "thickness_um": "thin"},
        {"young_pa": -3.0, "poisson": 0.7, "thickness_um": -1.0},
    ],
)
def test_a_gel_that_cannot_be_is_ignored(
    dock, viewer, displacement, said, tmp_path, monkeypatch
):
    warnings = []
    monkeypatch.setattr(_reader, "show_warning", warnings.append)
    path = tmp_path / "cell.h5"
    io.write_arrays(path, {"displacement": displacement.data}, {"displacement": said})
    viewer.open(str(path), plugin="napari-vit-tfm")
    assert shown_gel(dock) == (0, REFERENCE_POISSON, 0)
    for warning, (name, value) in zip(warnings, said.items(), strict=True):
        assert f"says {name} = {value!r}" in warning
        assert warning.endswith("it is ignored")


def test_a_thickness_needs_the_spacing_and_is_kept(
    dock, viewer, finish, displacement, tmp_path
):
    in_steps = displacement.in_grid_steps()
    source = add(viewer, DisplacementStack(in_steps, unit="grid"))
    assert dock.thickness.text() == "infinite"
    run(dock, finish)
    assert layer_stack(tractions_of(viewer.layers, source)[0]).gel == REFERENCE_GEL
    dock.thickness.setValue(2)
    assert not dock.run_button.isEnabled()
    assert "needs the vector spacing" in dock.message.text()
    dock.spacing.setValue(0.5)
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


def test_what_was_not_changed_is_not_rounded(dock, viewer, displacement):
    exact = dataclasses.replace(
        displacement, unit="px", spacing_um=0.12345678901, pixel_size_um=0.000123456789
    )
    source = add(viewer, exact)
    assert dock.spacing.value() == pytest.approx(0.12345678901, rel=1e-6)
    dock.unit.setCurrentIndex(dock.unit.findData("um"))
    described = displacement_stack(source)
    assert described.spacing_um == exact.spacing_um
    assert described.pixel_size_um == exact.pixel_size_um


@pytest.mark.parametrize("number", [0.00123456, 0.12345678, 12345.678, 999999.5])
def test_numbers_survive_the_enter_key(dock, qtbot, number):
    dock.spacing.setValue(number)
    qtbot.keyClick(dock.spacing, Qt.Key.Key_Return)
    assert dock.spacing.value() == pytest.approx(number, rel=1e-9)


def test_saving_where_one_cannot_is_said(dock, viewer, traction, displacement):
    source = add(viewer, displacement)
    show_tractions(viewer.layers, traction, source)
    dock.save("/no/such/folder/out.h5")
    assert "there is no folder" in dock.message.text()


def test_every_connect_has_its_disconnect(viewer, qtbot, displacement):
    def callbacks() -> int:
        events = viewer.layers.events
        watched = (events.inserted, events.removed, events.reordered, events.renamed)
        return sum(len(event.callbacks) for event in watched)

    before = callbacks()
    dock = TractionDock(viewer)
    qtbot.addWidget(dock)
    for _ in range(2):
        dock.show()
        assert callbacks() > before
        dock.hide()
        assert callbacks() == before
    add(viewer, displacement)
    dock.show()
    assert dock.fields.layer() is viewer.layers[0]


def test_the_field_that_is_chosen_stays_chosen(dock, viewer, displacement):
    add(viewer, displacement)
    second = add(viewer, dataclasses.replace(displacement))
    dock.fields.choose(second)
    viewer.layers.move(0, 4)
    second.name = "another name"
    assert dock.fields.layer() is second
    assert dock.fields.currentText() == "another name"
    arrows = viewer.layers[viewer.layers.index(second) + 1]
    assert layer_stack(arrows) is layer_stack(second)
    viewer.layers.remove(second)
    assert dock.fields.layer() is arrows
    viewer.layers.remove(arrows)
    assert dock.fields.layer() not in (second, arrows)


def test_an_error_after_the_cancel_is_not_told(dock, viewer, finish, displacement):
    add(viewer, displacement)
    dock.model.choose("not_there.pth")
    dock.run_button.click()
    assert QThreadPool.globalInstance().waitForDone(60_000)
    dock.run_button.click()
    finish(dock)
    assert dock.message.text().startswith("Cancelled")


def test_a_given_regularisation(dock, viewer, finish, displacement):
    source = add(viewer, displacement)
    regularisation = dock.options.spin("regularisation")
    assert regularisation.text() == "chosen for every field"
    assert "squared grid steps" in regularisation.toolTip()
    regularisation.setValue(2.5)
    run(dock, finish)
    shown = layer_stack(tractions_of(viewer.layers, source)[0])
    assert shown.model == "fttc (regularisation 2.5)"
    dock.model.choose("bayesian-fttc")
    assert dock.options.values() == {}
    assert dock.options.isHidden()
    run(dock, finish)
    shown = layer_stack(tractions_of(viewer.layers, source)[0])
    assert shown.model == "bayesian-fttc"
    dock.model.choose("fttc")
    assert not dock.options.isHidden()
    assert dock.options.values() == {}
