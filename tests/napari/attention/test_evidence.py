"""Influence, physical reference and faithfulness, on demand."""

from __future__ import annotations

import dataclasses

import numpy as np
from qtpy.QtCore import QThreadPool
from qtpy.QtGui import QGuiApplication

from canvas import COLUMNS, ROWS, choose, named, pick, press, world
from layers_of_fields import show_tractions
from napari_vit_tfm.attention.frame import prepare_frame
from napari_vit_tfm.attention.patch import CHOSEN, EVIDENCE


def test_the_influence_of_a_model_without_attention(
    viewer, source, dock, finish, caplog, qtbot
):
    # The colour scale of the previous model is removed.
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (0, 0))
    qtbot.waitUntil(lambda: dock.panel.gallery.has_scale)
    dock.model.choose("fttc")
    finish(dock)
    assert "fttc has no attention" in dock.message.text()
    press(viewer, world(source, 12, 20))
    assert "to compute the influence of patch (1, 2)" in dock.message.text()
    qtbot.waitUntil(lambda: len(dock.panel.gallery.names) == 2)
    assert not dock.panel.gallery.has_scale
    assert not named(viewer, "attention").visible
    # There is no map yet.
    assert not dock.save.isEnabled()
    assert not dock.copy.isEnabled()
    dock.test.click()
    assert dock.test.toolTip().startswith("Cancels the test of patch")
    finish(dock)
    found = dock.inspector.shown.findings
    assert found.influence.shape == (ROWS, COLUMNS)
    qtbot.waitUntil(lambda: dock.panel.gallery.has_scale)
    assert found.faithfulness.changes
    overlay = named(viewer, "map")
    assert overlay.visible
    assert dock.save.isEnabled()
    dock.copy.click()
    assert QGuiApplication.clipboard().image().width() > 500
    assert "the traction that fttc computes there depends on" in dock.message.text()
    assert not dock.test.isEnabled()
    pick(dock.controls, "map", "reference")
    assert "physics of the gel" in dock.message.text()
    assert caplog.text == ""


def test_a_map_is_tested_on_demand_only(viewer, source, inspecting, finish):
    choose(inspecting, (1, 2))
    assert inspecting.inspector.shown.findings.influence is None
    inspecting.test.click()
    finish(inspecting)
    found = inspecting.inspector.shown.findings
    assert len(found.correlations(found.influence)) == 2
    assert not inspecting.test.isEnabled()
    pick(inspecting.controls, "map", "influence")
    drawn = named(viewer, "map").data
    row, column = np.unravel_index(np.argmax(drawn), drawn.shape)
    assert (row // 8, column // 8) == (1, 2)
    # The map of another block has not been tested.
    inspecting.controls.block.slider.setValue(1)
    assert inspecting.test.isEnabled()
    assert inspecting.inspector.shown.findings.faithfulness is None
    # Nor is its faithfulness known when the influence is shown.
    pick(inspecting.controls, "map", "influence")
    assert inspecting.inspector.shown.findings.view.block == 0
    assert inspecting.inspector.shown.findings.faithfulness is None
    inspecting.test.click()
    finish(inspecting)
    assert inspecting.inspector.shown.findings.view.block == 0
    again = inspecting.inspector.shown.findings
    assert again.influence is found.influence
    # Random orders are the same for every map.
    assert again.faithfulness.random is found.faithfulness.random
    for name in ("influence", "reference"):
        np.testing.assert_allclose(
            again.faithfulness.changes[name], found.faithfulness.changes[name]
        )


def test_a_knockout_is_computed_when_it_is_chosen(
    viewer, source, inspecting, finish, qtbot
):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    finish(inspecting)
    tested = inspecting.inspector.shown.findings
    assert tested.knockout is None
    assert list(tested.faithfulness.changes) == [CHOSEN, "influence", "reference"]
    plots = inspecting.panel.plots
    qtbot.waitUntil(lambda: not plots.isHidden())
    assert plots.sizeHint().width() == 440
    pick(inspecting.controls, "map", "knockout")
    assert "to compute the knock-out of patch (1, 2)" in inspecting.message.text()
    inspecting.test.click()
    finish(inspecting)
    found = inspecting.inspector.shown.findings
    assert found.knockout.shape == (ROWS, COLUMNS)
    assert found.effects.heads.shape == (2, 2)
    assert found.influence is tested.influence
    assert list(found.faithfulness.changes) == [CHOSEN, *EVIDENCE]
    assert "does not attend to each patch" in inspecting.message.text()
    assert not inspecting.test.isEnabled()
    assert named(viewer, "map").visible
    # There is one more plot now.
    qtbot.waitUntil(lambda: plots.sizeHint().width() == 540)
    # The test of another block does not compute it again.
    inspecting.controls.block.slider.setValue(1)
    inspecting.test.click()
    finish(inspecting)
    again = inspecting.inspector.shown.findings
    assert again.knockout is found.knockout
    assert again.effects is found.effects
    assert "knockout" in again.faithfulness.changes


def test_a_click_on_its_tile_computes_the_knockout(inspecting, finish, qtbot):
    choose(inspecting, (1, 2))
    gallery = inspecting.panel.gallery
    qtbot.waitUntil(lambda: "knock-out" in gallery.names)
    gallery.clicked.emit(gallery.names.index("knock-out"))
    finish(inspecting)
    assert inspecting.inspector.shown.findings.knockout is not None
    assert inspecting.inspector.shown.view.evidence == "knockout"


def test_a_model_without_attention_has_no_knockout(inspecting, finish, qtbot):
    choose(inspecting, (1, 2))
    pick(inspecting.controls, "map", "knockout")
    inspecting.model.choose("fttc")
    finish(inspecting)
    assert inspecting.inspector.shown.view.evidence == "influence"
    combo = inspecting.controls.form["map"].native
    enabled = {
        combo.itemData(index)
        for index in range(combo.count())
        if combo.model().item(index).isEnabled()
    }
    assert enabled == {"influence", "reference"}


def test_tests_of_several_maps_are_kept(inspecting, finish):
    choose(inspecting, (1, 2))
    curves = []
    for block in (1, 0):
        inspecting.inspector.look_at(block=block)
        inspecting.test.click()
        finish(inspecting)
        curves.append(inspecting.inspector.shown.findings.faithfulness)
    assert curves[0] is not curves[1]
    inspecting.inspector.look_at(block=1)
    assert inspecting.inspector.shown.findings.faithfulness is curves[0]
    assert not inspecting.test.isEnabled()


def test_reordering_layers_does_not_cancel_a_test(viewer, source, inspecting, finish):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    viewer.layers.move(0, 2)
    finish(inspecting)
    assert inspecting.inspector.shown.findings.influence is not None


def test_the_caption_names_another_model_of_the_tractions(
    viewer, source, inspecting, finish, traction
):
    choose(inspecting, (1, 2))
    assert "were computed by" not in inspecting.message.text()
    frame = inspecting.inspector.shown.frame
    for model, sha256, text in (
        ("fttc", "", "the tractions shown were computed by fttc"),
        (
            frame.model,
            "1" * 64,
            "were computed by a model of the same name with other weights",
        ),
        (frame.model, frame.method.sha256, ""),
    ):
        other = dataclasses.replace(traction, model=model, model_sha256=sha256)
        show_tractions(viewer.layers, other, source)
        finish(inspecting)
        choose(inspecting, (0, 0))
        choose(inspecting, (1, 2))
        assert text in inspecting.message.text()
        assert ("were computed by" in inspecting.message.text()) is bool(text)


def test_a_test_is_shown_only_for_its_own_patch(inspecting, finish):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    assert "number 7" in inspecting.message.text()
    assert inspecting.message.text().endswith("…")
    choose(inspecting, (2, 3))
    assert "number 13: from which patches" in inspecting.message.text()
    assert inspecting.test.toolTip() == "Cancels the test of patch (1, 2), number 7."
    finish(inspecting)
    assert inspecting.test.text() == "Test this map"
    assert inspecting.test.isEnabled()
    assert inspecting.inspector.shown.findings.influence is None
    choose(inspecting, (1, 2))
    assert inspecting.inspector.shown.findings.influence is not None
    assert not inspecting.test.isEnabled()


def test_an_unexpected_error_is_logged_even_for_a_previous_frame(
    inspecting, finish, viewer, caplog, monkeypatch
):
    def fail(stack, number, **options):
        if number == 1:
            raise ZeroDivisionError("boom")
        return prepare_frame(stack, number, **options)

    monkeypatch.setattr("napari_vit_tfm.napari.attention.requests.prepare_frame", fail)
    viewer.dims.set_current_step(0, 1)
    # The worker has finished; its signals are still in the event queue.
    assert QThreadPool.globalInstance().waitForDone(60_000)
    viewer.dims.set_current_step(0, 2)
    finish(inspecting)
    assert "the inspection failed" in caplog.text
    assert "boom" in caplog.text
    assert inspecting.switch.isChecked()
    assert inspecting.inspector.shown.frame is not None


def test_a_test_can_be_cancelled(inspecting, finish):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    inspecting.test.click()
    finish(inspecting)
    assert inspecting.inspector.shown.findings.influence is None
    assert inspecting.test.text() == "Test this map"
    assert inspecting.test.isEnabled()
